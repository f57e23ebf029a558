"""First-order change of the dipoles with the relative strain of the layers.

Untwisted bilayers strain both layers alike. They contain no relative strain of the layers, so a
model trained on them cannot predict its effect. A lattice mismatch is such a relative strain.
Uniaxial heterostrain cells contain it: the lower layer is strained by e along a1 relative to the
upper layer. After the field of the pattern's own dipoles is subtracted, the dipole of layer l at
the local stacking tau is

    p_l(tau; e) = p0_l(tau) + e t_l(tau) + e^2 u_l(tau).

p0 is the dipole of translated bilayers. For each layer, t and u are expanded in a constant and the
shortest waves of configuration space. A least-squares fit gives both. The fit needs cells of
compression and of tension together, so that the second order does not bias the first.

In a mismatched cell the lower layer is strained by e in every direction. To first order, the change
of such a layer is the mean over C3v of the images of a uniaxial strain, times two:

    T_l(tau) = (1/3) sum_Q Q t_l(Q^-1 tau),   (1/3) sum_Q Q strain Q^T = e 1,

where Q are the six operations that do not exchange the layers. The mean removes two contributions
that a mismatched cell does not have. One is the piezoelectric dipole of a layer strained along one
direction, which is ten times larger than all other contributions. The other is the relative
rotation of the layers that belongs to the shear of a uniaxial cell.

The dipoles of a mismatched cell are those of translated bilayers at the local stacking, predicted
by the network, plus e T_l. The network is evaluated at the surroundings of the local stacking
(`moirepol.model.local_stacking`), because translated bilayers do not contain the surroundings of
the mismatched cell itself.
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
    """Return the strain e of the lower layer relative to the upper layer, along a1.

    Parameters
    ----------
    atoms
        A mismatched bilayer or a uniaxial heterostrain cell.

    Returns
    -------
    float
        Strain; below 0 if the lower layer is compressed.
    """
    lower, upper = (np.linalg.norm(atoms.lattices[layer][0]) for layer in (LOWER, UPPER))
    return float(lower / upper - 1)


def terms(tau: np.ndarray) -> np.ndarray:
    """Evaluate the constant, the cosines and the sines of the waves at stackings.

    Parameters
    ----------
    tau
        Stackings (m, 2) in fractions of (a1, a2).

    Returns
    -------
    ndarray
        Values (m, term) in the order of `TERMS`.
    """
    phase = 2 * np.pi * tau @ WAVES.T
    return np.hstack([np.ones((len(tau), 1)), np.cos(phase), np.sin(phase)])


def fit(
    strips: list[Bilayer], slides: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the first and the second order in the relative strain by least squares.

    Parameters
    ----------
    strips
        Uniaxial heterostrain cells with short-range dipoles: the field of the pattern is
        subtracted.
    slides
        Function: stackings (m, 2) -> dipoles (m, layer, 3) of translated bilayers in e.angstrom.

    Returns
    -------
    orders : ndarray
        First and second order (order, layer, term, 3) in e.angstrom.
    rms : ndarray
        Root mean square (layer, 3) of the residuals in e.angstrom.

    Raises
    ------
    JobError
        If the cells do not determine both orders.
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
    """Read a file of `fit_heterostrain`.

    Parameters
    ----------
    path
        The NetCDF file.

    Returns
    -------
    xr.Dataset
        ``first_order`` (fit, layer, term, component) in e.angstrom and ``left_out`` (fit, strip).

    Raises
    ------
    JobError
        If the file cannot be read or is of another kind.
    """
    return read_netcdf(path, "first_order", "left_out", "strip")


def first_orders(fits: xr.Dataset, unknown: str | None = None) -> np.ndarray:
    """Return the first order of the fits.

    Parameters
    ----------
    fits
        Data set of `read_fits`.
    unknown
        Name of a frame. If it is one of the fitted cells, only fits that left it out are returned.

    Returns
    -------
    ndarray
        First order (fit, layer, term, 3) in e.angstrom.
    """
    if unknown in fits["strip"].values:
        fits = fits.isel(fit=fits["left_out"].sel(strip=unknown).values.astype(bool))
    return fits["first_order"].values


def biaxial_response(t: np.ndarray, tau: np.ndarray, family: str) -> np.ndarray:
    """Return the first-order change of a layer with a biaxial relative strain.

    Parameters
    ----------
    t
        First order (term, 3) of the layer in a uniaxial strain, in e.angstrom.
    tau
        Stackings (m, 2) in fractions of (a1, a2).
    family
        Stacking family.

    Returns
    -------
    ndarray
        T (m, 3) in e.angstrom per unit of strain.
    """
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
        """Read the fits of `fit_heterostrain`.

        Parameters
        ----------
        path
            The NetCDF file.

        Returns
        -------
        Heterostrain
            The term with all fits.

        Raises
        ------
        JobError
            If the file cannot be read or is of another kind.
        """
        return cls(read_fits(path), str(path))

    def applies(self, bilayer: Bilayer) -> bool:
        """Return whether the layers have a lattice mismatch.

        Parameters
        ----------
        bilayer
            The bilayer.

        Returns
        -------
        bool
            True if the lattice mismatch is not zero.
        """
        return bool(bilayer.system.eta)

    def without(self, name: str) -> "Heterostrain | None":
        """Return the term without the fits to a frame.

        Parameters
        ----------
        name
            Name of the frame.

        Returns
        -------
        Heterostrain or None
            None if no fit is left.
        """
        term = Heterostrain(self.fits, self.path, name)
        return term if len(term.first_orders) else None

    @property
    def first_orders(self) -> np.ndarray:
        """First order (fit, layer, term, 3) of the fits used, in e.angstrom."""
        return first_orders(self.fits, self.held_out)

    def contribute(self, expansion: Expansion) -> None:
        """Add the correction to the dipoles without a field; member i takes fit i.

        Parameters
        ----------
        expansion
            Expansion that contains the zero-field dipoles. It is changed in place.
        """
        change = np.array(
            [heterostrain_correction(expansion.bilayer, order) for order in self.first_orders]
        )
        members = np.arange(len(expansion.coefficients[0]))
        expansion.add(0, change[members % len(change)])

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that the term depends on, for the provenance of a file."""
        return {"heterostrain": self.path}
