"""Surroundings of the local stacking: what a site would have in the translated bilayer."""

from itertools import product

import numpy as np

from moirepol.model.neighbours import Environments
from moirepol.structure.bilayer import LOWER, PRIMITIVE, UPPER, Bilayer
from moirepol.structure.building import build


def turn_of(cell: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) of row vectors that turns a1 of the plain lattice onto that of `cell`."""
    c, s = cell[0] / np.linalg.norm(cell[0])
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


class LocalStackingNeighbours:
    """The surroundings that N atoms would have in the slide of their local stacking.

    The slide has the upper layer's lattice, turned as the layer is that an N atom faces: of its own
    layer's orientation the network sees nothing. Takes the place of
    `moirepol.model.neighbours.Neighbours`.
    """

    def __init__(self, atoms: Bilayer, symbols: tuple[str, ...], cutoff: float):
        self.atoms, self.cutoff = atoms, cutoff
        self.cells = atoms.lattices
        a = float(np.linalg.norm(self.cells[UPPER][0]))
        self.lattice = a * PRIMITIVE
        slide = build(
            f"{atoms.family}_slide-0-0-1", a, atoms.layer_distance_A, material=atoms.material.name
        )
        self.basis = {
            (layer, symbol): slide.positions[(slide.layer == layer) & (slide.symbols == symbol)][0]
            for layer, symbol in product((LOWER, UPPER), symbols)
        }
        reach = int(np.ceil(cutoff / (a * np.sqrt(3) / 2))) + 2
        steps = np.array(list(product(range(-reach, reach + 1), repeat=2)))
        images = np.column_stack([steps @ self.lattice, np.zeros(len(steps))])
        self.images = images[np.linalg.norm(images, axis=1) < cutoff + 2 * a]
        self.symbols, self.site = symbols, atoms.material.dipole_site.species

    def of(self, centres: np.ndarray) -> Environments:
        """Environments of the N atoms `centres` (indices): all within the cut-off, by type."""
        tau = self.atoms.stacking_at(self.atoms.positions[centres, :2])
        slid = np.column_stack([((tau + 0.5) % 1 - 0.5) @ self.lattice, np.zeros(len(tau))])
        layer = self.atoms.layer[centres]
        turns = np.array([turn_of(self.cells[1 - own]) for own in (LOWER, UPPER)])[layer]
        vectors = []
        for symbol in self.symbols:
            found = np.full((len(centres), 2, len(self.images), 3), np.inf)
            for own, other in product((LOWER, UPPER), repeat=2):
                here = layer == own
                apart = self.basis[other, symbol] - self.basis[own, self.site]
                moved = (other - own) * slid[here]
                found[here, other] = self.images + (apart + moved)[:, None]
            found_flat = found.reshape(len(centres), -1, 3)
            length = np.linalg.norm(found_flat, axis=-1)
            length[(length > self.cutoff) | (length < 1e-6)] = np.inf
            most = max(1, int(np.isfinite(length).sum(axis=1).max(initial=1)))
            order = np.argsort(length, axis=1)[:, :most]
            chosen = np.take_along_axis(found_flat, order[..., None], axis=1) @ turns
            near = np.isfinite(np.take_along_axis(length, order, axis=1))
            vectors.append(np.where(near[..., None], chosen, np.inf))
        return Environments(vectors)
