"""What strain of one layer against the other adds to the dipoles, to first order.

A slide strains both layers alike; of the difference of their strains, which is all that a lattice
mismatch is, it knows nothing. Strips do: the lower layer of a strip is strained by e along a1
against the upper one. At every local stacking tau, less the field of the pattern's own dipoles,

    p_l(tau; e) = p0_l(tau) + e t_l(tau) + e^2 u_l(tau),

with p0 that of slides, and with t and u, for each layer l, a constant and the shortest waves of
configuration space. They are fitted by least squares to strips of compression and of tension
together, so that the second order does not lean on the first.

A layer strained by e in every direction, as the lower one of a mismatched cell is, has to first
order the mean of what it owes to the images of a strip's strain under C3v, times two:

    T_l(tau) = (1/3) sum_Q Q t_l(Q^-1 tau),   (1/3) sum_Q Q strain Q^T = e 1,

Q the six operations that leave both layers where they are. The mean takes away what a mismatched
cell does not have: the dipole of a layer strained along one direction, piezoelectric and ten times
all else, and the turn of the layers against each other that comes with a strip's shear.

The dipoles of a mismatched cell are those of slides at the local stacking, by the network, plus
e T_l. Asked about the cell itself the network would have to extrapolate to surroundings that no
slide has: `LocalSlides` are the slides' surroundings instead.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr
from ase import Atoms

from moirepol.errors import JobError
from moirepol.model.network import Environments
from moirepol.structure.building import (
    LOWER,
    PRIMITIVE,
    SPECIES,
    UPPER,
    build,
    layer_symmetries,
    stacking_at,
    transform_slide,
)
from moirepol.workflow.provenance import read_netcdf

#: The shortest waves of configuration space, one of each pair k, -k.
WAVES = np.array([[1, 0], [0, 1], [1, 1]])
TERMS = ("1", *(f"{part} {h}{k}" for part in ("cos", "sin") for h, k in WAVES))
WELL_POSED = 1e-6  # least singular value of the fit, of the largest


def strain_of(atoms: Atoms) -> float:
    """Strain e of the lower layer against the upper one, along a1."""
    lower, upper = (np.linalg.norm(atoms.info["layer_cell"][layer][0]) for layer in (LOWER, UPPER))
    return float(lower / upper - 1)


def terms(tau: np.ndarray) -> np.ndarray:
    """1, cosines and sines of the waves at stackings tau (m, 2): (m, TERMS)."""
    phase = 2 * np.pi * tau @ WAVES.T
    return np.hstack([np.ones((len(tau), 1)), np.cos(phase), np.sin(phase)])


def fit(strips: list[Atoms], slides: Callable[[np.ndarray], np.ndarray]):
    """First and second order by least squares.

    Parameters
    ----------
    strips : with short-range dipoles, less the field of the pattern
    slides : dipoles (m, layer, 3) in e.A of stackings (m, 2)

    Returns (order, layer, term, 3) in e.A and the root mean square of what is left, (layer, 3).
    JobError where the strips do not determine them.
    """
    found, left = [], []
    for layer in (LOWER, UPPER):
        rows, values = [], []
        for strip in strips:
            chosen = (strip.numbers == 7) & (strip.arrays["layer"] == layer)
            tau = stacking_at(strip, strip.positions[chosen, :2])
            e, here = strain_of(strip), terms(tau)
            rows.append(np.hstack([e * here, e**2 * here]))
            values.append(strip.arrays["dipole"][chosen] - slides(tau)[:, layer])
        matrix, values = np.concatenate(rows), np.concatenate(values)
        solved, _, rank, _ = np.linalg.lstsq(matrix, values, rcond=WELL_POSED)
        if rank < matrix.shape[1]:
            raise JobError(
                "the strips do not determine what strain adds: wanted are strips of compression "
                "and of tension, of each at three places across or more"
            )
        found.append(solved.reshape(2, len(TERMS), 3))
        left.append(np.sqrt(np.mean((values - matrix @ solved) ** 2, axis=0)))
    return np.swapaxes(found, 0, 1), np.array(left)


def read_fits(path: str | Path) -> xr.Dataset:
    """A file of `fit_heterostrain`."""
    return read_netcdf(path, "first_order", "left_out", "strip")


def first_orders(fits: xr.Dataset, unknown: str | None = None) -> np.ndarray:
    """First order of all fits, (fit, layer, term, 3) in e.A.

    unknown : a frame; of a strip that was fitted, only the fits that left it out
    """
    if unknown in fits["strip"].values:
        fits = fits.isel(fit=fits["left_out"].sel(strip=unknown).values.astype(bool))
    return fits["first_order"].values


def in_every_direction(t: np.ndarray, tau: np.ndarray, family: str) -> np.ndarray:
    """T (m, 3) in e.A at stackings tau (m, 2), from one layer's t (term, 3)."""
    total = np.zeros((len(tau), 3))
    for matrix, swap in layer_symmetries(family):
        if not swap:
            before = transform_slide(tau, (matrix.T, False))
            total += terms(before) @ t @ matrix.T / 3
    return total


def added(atoms: Atoms, first_order: np.ndarray) -> np.ndarray:
    """What strain adds to the dipoles of all N atoms of a bilayer: (n, 3) in e.A.

    first_order : t (layer, term, 3) of one fit. In a strip, t itself.
    """
    nitrogens = np.flatnonzero(atoms.numbers == 7)
    layer = atoms.arrays["layer"][nitrogens]
    tau = stacking_at(atoms, atoms.positions[nitrogens, :2])
    cells, change = atoms.info["layer_cell"], np.zeros((len(nitrogens), 3))
    uniaxial = not np.isclose(*(np.linalg.norm(vector) for vector in cells[LOWER]))
    for own in (LOWER, UPPER):
        here = layer == own
        if uniaxial:
            change[here] = terms(tau[here]) @ first_order[own]
        else:
            T = in_every_direction(first_order[own], tau[here], atoms.info["family"])
            change[here] = T @ _turn(cells[1 - own])
    return strain_of(atoms) * change


def _turn(cell):
    """Rotation (3, 3) of row vectors that turns a1 of the plain lattice onto that of `cell`."""
    c, s = cell[0] / np.linalg.norm(cell[0])
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


class LocalSlides:
    """The surroundings that N atoms would have in the slide of their local stacking.

    The slide has the upper layer's lattice, turned as the layer is that an N atom faces: of its own
    layer's orientation the network sees nothing. Takes the place of
    `moirepol.model.network.Neighbours`.
    """

    def __init__(self, atoms: Atoms, symbols: tuple[str, ...], cutoff: float):
        self.atoms, self.cutoff = atoms, cutoff
        self.cells = atoms.info["layer_cell"]
        a = float(np.linalg.norm(self.cells[UPPER][0]))
        self.lattice = a * PRIMITIVE
        slide = build(
            f"{atoms.info['family']}_slide-0-0-1", a, float(np.ptp(atoms.positions[:, 2]))
        )
        self.basis = {
            (layer, symbol): slide.positions[
                (slide.arrays["layer"] == layer) & (slide.symbols == symbol)
            ][0]
            for layer, symbol in product((LOWER, UPPER), symbols)
        }
        reach = int(np.ceil(cutoff / (a * np.sqrt(3) / 2))) + 2
        steps = np.array(list(product(range(-reach, reach + 1), repeat=2)))
        images = np.column_stack([steps @ self.lattice, np.zeros(len(steps))])
        self.images = images[np.linalg.norm(images, axis=1) < cutoff + 2 * a]
        self.symbols = symbols

    def of(self, centres: np.ndarray) -> Environments:
        """Environments of the N atoms `centres` (indices): all within the cut-off, by type."""
        tau = stacking_at(self.atoms, self.atoms.positions[centres, :2])
        slid = np.column_stack([((tau + 0.5) % 1 - 0.5) @ self.lattice, np.zeros(len(tau))])
        layer = self.atoms.arrays["layer"][centres]
        turns = np.array([_turn(self.cells[1 - own]) for own in (LOWER, UPPER)])[layer]
        vectors = []
        for symbol in self.symbols:
            found = np.full((len(centres), 2, len(self.images), 3), np.inf)
            for own, other in product((LOWER, UPPER), repeat=2):
                here = layer == own
                apart = self.basis[other, symbol] - self.basis[own, SPECIES[1]]
                moved = (other - own) * slid[here]
                found[here, other] = self.images + (apart + moved)[:, None]
            found = found.reshape(len(centres), -1, 3)
            length = np.linalg.norm(found, axis=-1)
            length[(length > self.cutoff) | (length < 1e-6)] = np.inf
            most = max(1, int(np.isfinite(length).sum(axis=1).max(initial=1)))
            order = np.argsort(length, axis=1)[:, :most]
            chosen = np.take_along_axis(found, order[..., None], axis=1) @ turns
            near = np.isfinite(np.take_along_axis(length, order, axis=1))
            vectors.append(np.where(near[..., None], chosen, np.inf))
        return Environments(vectors)
