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
e T_l. The network is evaluated at
the surroundings of the local stacking (`moirepol.model.local_stacking`): translated bilayers do not
contain the surroundings of the mismatched cell itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.model.local_stacking import turn_of
from moirepol.physics.expansion import Expansion
from moirepol.structure.bilayer import LOWER, UPPER, Bilayer
from moirepol.structure.symmetry import layer_symmetries, transform_slide
from moirepol.workflow.provenance import read_netcdf

#: The shortest waves of configuration space, one of each pair k, -k.
WAVES = np.array([[1, 0], [0, 1], [1, 1]])
TERMS = ("1", *(f"{part} {h}{k}" for part in ("cos", "sin") for h, k in WAVES))
WELL_POSED = 1e-6  # least singular value of the fit, of the largest


def strain_of(atoms: Bilayer) -> float:
    """Strain e of the lower layer against the upper one, along a1."""
    lower, upper = (np.linalg.norm(atoms.lattices[layer][0]) for layer in (LOWER, UPPER))
    return float(lower / upper - 1)


def terms(tau: np.ndarray) -> np.ndarray:
    """1, cosines and sines of the waves at stackings tau (m, 2): (m, TERMS)."""
    phase = 2 * np.pi * tau @ WAVES.T
    return np.hstack([np.ones((len(tau), 1)), np.cos(phase), np.sin(phase)])


def fit(
    strips: list[Bilayer], slides: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
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
        rows, parts = [], []
        for strip in strips:
            chosen = strip.is_site & (strip.layer == layer)
            tau = strip.stacking_at(strip.positions[chosen, :2])
            e, here = strain_of(strip), terms(tau)
            rows.append(np.hstack([e * here, e**2 * here]))
            parts.append(strip.arrays["dipole"][chosen] - slides(tau)[:, layer])
        matrix, values = np.concatenate(rows), np.concatenate(parts)
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
    """Read a file of `fit_heterostrain`."""
    return read_netcdf(path, "first_order", "left_out", "strip")


def first_orders(fits: xr.Dataset, unknown: str | None = None) -> np.ndarray:
    """First order of all fits, (fit, layer, term, 3) in e.A.

    unknown : a frame; of a strip that was fitted, only the fits that left it out
    """
    if unknown in fits["strip"].values:
        fits = fits.isel(fit=fits["left_out"].sel(strip=unknown).values.astype(bool))
    return fits["first_order"].values


def biaxial_response(t: np.ndarray, tau: np.ndarray, family: str) -> np.ndarray:
    """T (m, 3) in e.A at stackings tau (m, 2), from one layer's t (term, 3)."""
    total = np.zeros((len(tau), 3))
    for matrix, swap in layer_symmetries(family):
        if not swap:
            before = transform_slide(tau, (matrix.T, False))
            total += terms(before) @ t @ matrix.T / 3
    return total


def heterostrain_correction(bilayer: Bilayer, first_order: np.ndarray) -> np.ndarray:
    """Return the first-order change of the dipoles with the relative strain of the layers.

    Parameters
    ----------
    bilayer
        A mismatched bilayer or a uniaxial heterostrain cell.
    first_order
        t (layer, term, 3) of one fit in e.angstrom.

    Returns
    -------
    ndarray
        Change (m, 3) of the sites' dipoles in e.angstrom.
    """
    layer, tau = bilayer.site_layers, bilayer.site_stackings
    cells, change = bilayer.lattices, np.zeros((len(layer), 3))
    first, second = np.linalg.norm(cells[LOWER], axis=1)
    uniaxial = not np.isclose(first, second)
    for own in (LOWER, UPPER):
        here = layer == own
        if uniaxial:
            change[here] = terms(tau[here]) @ first_order[own]
        else:
            T = biaxial_response(first_order[own], tau[here], bilayer.family)
            change[here] = T @ turn_of(cells[1 - own])
    return strain_of(bilayer) * change


@dataclass(frozen=True)
class Heterostrain:
    """The term of a `Predictor` for layers with a relative strain.

    Attributes
    ----------
    fits
        A file of `fit_heterostrain`, read by `read_fits`.
    path
        The file.
    held_out
        Name of a uniaxial cell: only fits without it are used.
    """

    fits: xr.Dataset
    path: str
    held_out: str | None = None
    local_stackings = True

    @classmethod
    def from_file(cls, path: str | Path) -> "Heterostrain":
        """Read the fits of `fit_heterostrain`."""
        return cls(read_fits(path), str(path))

    def applies(self, bilayer: Bilayer) -> bool:
        """Whether the layers have a lattice mismatch."""
        return bool(bilayer.system.eta)

    def without(self, name: str) -> "Heterostrain | None":
        """Return the term without the fits to a frame; None if no fit is left."""
        term = Heterostrain(self.fits, self.path, name)
        return term if len(term.first_orders) else None

    @property
    def first_orders(self) -> np.ndarray:
        """First order (fit, layer, term, 3) of the fits used, in e.angstrom."""
        return first_orders(self.fits, self.held_out)

    def contribute(self, expansion: Expansion) -> None:
        """Add the correction to the dipoles without a field; member i takes fit i."""
        change = np.array(
            [heterostrain_correction(expansion.bilayer, order) for order in self.first_orders]
        )
        members = np.arange(len(expansion.coefficients[0]))
        expansion.add(0, change[members % len(change)])

    @property
    def settings(self) -> dict[str, Any]:
        """What the term depends on, for the provenance of a file."""
        return {"heterostrain": self.path}
