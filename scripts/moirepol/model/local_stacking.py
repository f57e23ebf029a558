"""Surroundings of the local stacking: those of a site in the translated bilayer."""

from itertools import product

import numpy as np

from moirepol.model.neighbours import Environments
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build
from moirepol.structure.conventions import LOWER, PRIMITIVE, UPPER


class LocalStackingNeighbours:
    """Surroundings of the N atoms in the translated bilayer of their local stacking.

    The translated bilayer has the reference lattice constant
    (`Bilayer.reference_lattice_constant_A`) and the mean orientation of the layers at the atom
    (`LocalGeometry.orientations`). This class has the interface of
    `moirepol.model.neighbours.Neighbours`.

    Parameters
    ----------
    atoms
        The bilayer.
    symbols
        Chemical symbols of the types, in the order of the network.
    cutoff
        Largest distance of a neighbour in angstrom.
    """

    def __init__(self, atoms: Bilayer, symbols: tuple[str, ...], cutoff: float):
        self.atoms, self.cutoff = atoms, cutoff
        geometry = atoms.local_geometry
        self.tau, self.turned = geometry.stackings, geometry.orientations
        self.number = np.cumsum(atoms.is_site) - 1
        a = atoms.reference_lattice_constant_A
        self.lattice = a * PRIMITIVE
        slide = build(
            f"{atoms.family}_slide-0-0-1",
            a,
            atoms.template_distance_A,
            material=atoms.material.name,
        )
        self.basis = {
            (layer, symbol): slide.positions[(slide.layer == layer) & (slide.symbols == symbol)]
            for layer, symbol in product((LOWER, UPPER), symbols)
        }
        reach = int(np.ceil(cutoff / (a * np.sqrt(3) / 2))) + 2
        steps = np.array(list(product(range(-reach, reach + 1), repeat=2)))
        images = np.column_stack([steps @ self.lattice, np.zeros(len(steps))])
        self.images = images[np.linalg.norm(images, axis=1) < cutoff + 2 * a]
        self.symbols, self.site = symbols, atoms.material.dipole_site.species

    def of(self, centres: np.ndarray) -> Environments:
        """Return all neighbours of N atoms within the cut-off, by type.

        Parameters
        ----------
        centres
            Indices (n,) of the N atoms in the bilayer.

        Returns
        -------
        Environments
            Environments of the n atoms.
        """
        tau, turned = self.tau[self.number[centres]], self.turned[self.number[centres]]
        slid = np.column_stack([((tau + 0.5) % 1 - 0.5) @ self.lattice, np.zeros(len(tau))])
        layer = self.atoms.layer[centres]
        vectors = []
        for symbol in self.symbols:
            images = len(self.basis[LOWER, symbol]) * len(self.images)
            found = np.full((len(centres), 2, images, 3), np.inf)
            for own, other in product((LOWER, UPPER), repeat=2):
                here = layer == own
                apart = self.basis[other, symbol] - self.basis[own, self.site]
                unmoved = (apart[:, None] + self.images).reshape(-1, 3)
                moved = (other - own) * slid[here]
                found[here, other] = unmoved + moved[:, None]
            found_flat = found.reshape(len(centres), -1, 3)
            length = np.linalg.norm(found_flat, axis=-1)
            length[(length > self.cutoff) | (length < 1e-6)] = np.inf
            most = max(1, int(np.isfinite(length).sum(axis=1).max(initial=1)))
            order = np.argsort(length, axis=1)[:, :most]
            chosen = np.take_along_axis(found_flat, order[..., None], axis=1)
            chosen = chosen @ np.swapaxes(turned, -1, -2)
            near = np.isfinite(np.take_along_axis(length, order, axis=1))
            vectors.append(np.where(near[..., None], chosen, np.inf))
        return Environments(vectors)
