"""Change of the dipoles with the displacement gradient of a bilayer, to second order.

A moire pattern is a stacking tau(r) that varies slowly. Each layer l is a hexagonal lattice with a
deformation F_l = R(angle_l) (1 + strain_l), by polar decomposition. The short-range dipole of a
site in layer l is

    p_l(r) = R { p0_l(tau) + sum_a g_a t_l^a(tau) + sum_ab g_a g_b s_l^ab(tau) + O(g^3) },
    g = (strain_lower, strain_upper, twist),   twist = angle_upper - angle_lower in radian,

with seven components g_a: xx, yy, xy of both strains, and the twist. p0 is the dipole of translated
bilayers. R is the mean orientation of the layers. p0, t and tau therefore refer to a bilayer whose
lattices have a1 along x on average. The strains refer to `Bilayer.reference_lattice_constant_A`.

For each layer and component, t and s are expanded in a constant and the shortest waves of
configuration space (`WAVES`). The symmetry of the family leaves a small number of independent
coefficients (`invariants`). These include the relations between the layers: their exchange in AA,
inversion in AA'.

The coefficients are fitted to uniaxial cells and to small moire cells. Uniaxial cells are
heterostrain cells (one layer stretched along a1) and simple-shear cells. These are the cheapest
direct DFT of a slowly varying stacking. The relative displacement gradient of the layers has the
determinant 0 in every uniaxial cell. They cannot determine a second order that is proportional to
the determinant, and moire cells determine it. Without a moire cell, predictions contain the first
order alone.

The fit (`fit`) is a Bayesian linear regression. Its parameters are the first and the second order
and the interlayer coupling of the long-range electrostatics. At small gradients, the effects of the
first order and of the coupling are linear in g, so cells of several lengths are needed to separate
them. A uniform in-plane dipole of each layer of each cell is a nuisance parameter. The noise has
three parts: that of a label, and two that represent the third order. They grow as the third power
of the twist and of the size of the strains. The evidence of the labels determines the prior widths
and the noise [Bishop2006]_.

The error of predictions contains the covariance of the fit. It also contains the orders that the
expansion omits: `remainder` is drawn at random, with a width that is calibrated on held-out cells
(`moirepol.model.calibration`).

References
----------
.. [Bishop2006] C. M. Bishop, Pattern Recognition and Machine Learning, Springer (2006),
   section 3.5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.model.calibration import Calibration, read_calibration
from moirepol.physics.expansion import Expansion
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, UPPER
from moirepol.structure.symmetry import layer_symmetries, transform_slide
from moirepol.workflow.provenance import read_netcdf

#: The shortest waves of configuration space, one of each pair k, -k.
WAVES = np.array([[1, 0], [0, 1], [1, 1]])
#: Functions of the stacking: a constant, then the cosines and the sines of the waves.
TERMS = ("1", *(f"{part} {h}{k}" for part in ("cos", "sin") for h, k in WAVES))
#: Components of the displacement gradient.
GRADIENT = (
    *(f"{layer} {axes}" for layer in ("lower", "upper") for axes in ("xx", "yy", "xy")),
    "twist",
)
#: Products of two components of the gradient.
PRODUCTS = list(combinations_with_replacement(range(len(GRADIENT)), 2))
#: Prior width of first-order coefficients in e.angstrom: wide, so that the labels determine them.
FIRST_ORDER_WIDTH_EA = 1.0
#: Prior of the interlayer coupling: that of slabs, and its width.
COUPLING, COUPLING_WIDTH = 1.0, 1.0
#: Where the search for the other prior widths and the noise starts, in e.angstrom: second order of
#: the waves and of the constants, uniform in-plane dipoles of the cells, noise of a label, noise
#: per third power of the twist, and of the strain. The best of two searches is used, because the
#: evidence may have several maxima.
STARTS_EA = ((0.05, 0.3, 5e-3, 6e-5, 0.01, 0.1), (1.0, 0.3, 5e-3, 3e-5, 0.01, 0.1))
#: Gradients below this size are round-off.
SMALLEST_GRADIENT = 1e-9
#: Independent deviations in the file. Each is used with both signs.
DRAWS = 4


def gradient_of(bilayer: Bilayer) -> np.ndarray:
    """Return the displacement gradient of a bilayer of two rigid layers.

    Parameters
    ----------
    bilayer
        The bilayer.

    Returns
    -------
    ndarray
        g (7,) in the order of `GRADIENT`; strains without a unit, twist in radian.
    """
    strains = [(e[0, 0], e[1, 1], e[0, 1]) for e in bilayer.strains]
    lower, upper = np.radians(bilayer.orientations_deg)
    return np.array([*strains[LOWER], *strains[UPPER], upper - lower])


def local_gradients(bilayer: Bilayer) -> np.ndarray:
    """Return the displacement gradient g (m, 7) at every dipole site of a bilayer.

    In rigid layers it is that of `gradient_of` everywhere.
    """
    return bilayer.local_geometry.gradients(bilayer.reference_lattice_constant_A)


def size_of(gradient: np.ndarray) -> np.ndarray:
    """Return the size (...) of gradients (..., 7).

    It is the square root of the sum of squares of strains and twist.
    """
    return np.hypot(strain_of(gradient), gradient[..., 6])


def strain_of(gradient: np.ndarray) -> np.ndarray:
    """Return the size (...) of the strains of gradients (..., 7).

    It is the square root of their sum of squares.
    """
    shear = gradient[..., 2] ** 2 + gradient[..., 5] ** 2
    return np.sqrt((gradient[..., :6] ** 2).sum(axis=-1) + shear)


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


def powers(gradient: np.ndarray, order: int) -> np.ndarray:
    """Return all products (..., product) of `order` components of gradients (..., 7).

    The order is 1 or 2.
    """
    if order == 1:
        return gradient
    return np.stack([gradient[..., i] * gradient[..., j] for i, j in PRODUCTS], axis=-1)


@cache
def invariants(family: str, order: int) -> np.ndarray:
    """Return the independent coefficients that the symmetry of a family leaves.

    Every symmetry operation turns a bilayer with given tau and g into another one with known
    dipoles. The mean over all operations projects any coefficients on those that are allowed.

    Parameters
    ----------
    family
        Stacking family.
    order
        Order in the gradient, 1 or 2.

    Returns
    -------
    ndarray
        Basis (invariant, layer, product, term, component). Each element has either constants or
        waves, and either in-plane or out-of-plane components.
    """
    random = np.random.default_rng(0)
    tau, gradients = random.random((40, 2)), random.random((120, len(GRADIENT)))
    here = np.linalg.pinv(terms(tau))
    products = np.array([powers(g, order) for g in gradients])
    shape = (2, products.shape[1], len(TERMS), 3)
    projector = np.zeros((np.prod(shape), np.prod(shape)))
    operations = layer_symmetries(family)
    for matrix, swap in operations:
        # The coefficients c of one bilayer become c' of its image: c' = layers x products x terms
        # x matrix. The image has the stacking tau' and the gradient g'; g = back g'.
        back = gradient_map(matrix.T, swap)
        mapped = np.array([powers(back @ g, order) for g in gradients])
        of_products = np.linalg.lstsq(products, mapped, rcond=None)[0]
        of_terms = here @ terms(transform_slide(tau, (matrix.T, swap)))
        layers = np.eye(2)[::-1] if swap else np.eye(2)
        projector += np.einsum(
            "xl,ba,ut,ck->xbuclatk", layers, of_products, of_terms, matrix
        ).reshape(projector.shape) / len(operations)
    found = []
    for few in (slice(0, 1), slice(1, None)):
        for components in (slice(0, 2), slice(2, 3)):
            block = np.zeros(shape, dtype=bool)
            block[:, :, few, components] = True
            part = projector[np.ix_(block.ravel(), block.ravel())]
            number = round(np.trace(part))
            basis = np.zeros((number, np.prod(shape)))
            span = part @ random.normal(size=(len(part), number))
            basis[:, block.ravel()] = np.linalg.qr(span)[0].T
            found.append(basis)
    return np.concatenate(found).reshape(-1, *shape)


def gradient_map(matrix: np.ndarray, swap: bool) -> np.ndarray:
    """Return the linear map (7, 7) of the gradient under an operation of the layers.

    Parameters
    ----------
    matrix
        Orthogonal matrix Q (3, 3) of the operation.
    swap
        Whether the operation exchanges the layers.

    Returns
    -------
    ndarray
        Map (7, 7).
    """
    q = matrix[:2, :2]
    columns = []
    for unit in ([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [1, 0]]):
        e = q @ np.array(unit, dtype=float) @ q.T
        columns.append([e[0, 0], e[1, 1], e[0, 1]])
    strain = np.transpose(columns)
    layers = np.eye(2)[::-1] if swap else np.eye(2)
    mapped = np.zeros((7, 7))
    mapped[:6, :6] = np.kron(layers, strain)
    mapped[6, 6] = np.linalg.det(q) * (-1 if swap else 1)
    return mapped


def change(
    coefficients: np.ndarray, bilayer: Bilayer, gradients: np.ndarray | None = None
) -> np.ndarray:
    """Evaluate an order of the expansion at the sites of a bilayer.

    Parameters
    ----------
    coefficients
        Coefficients (..., layer, product, term, 3) in e.angstrom, with 7 products for the first
        order and 28 for the second order.
    bilayer
        The bilayer.
    gradients
        Gradients (m, 7) at the sites; by default those of the bilayer.

    Returns
    -------
    ndarray
        Change (..., m, 3) of the dipoles in e.angstrom.
    """
    gradients = local_gradients(bilayer) if gradients is None else gradients
    g = powers(gradients, 1 if coefficients.shape[-3] == len(GRADIENT) else 2)
    geometry, layers = bilayer.local_geometry, bilayer.site_layers
    values = (g[:, :, None] * terms(geometry.stackings)[:, None]).reshape(len(layers), -1)
    by_layer = coefficients.reshape(*coefficients.shape[:-3], values.shape[1], 3)
    result = np.empty((*by_layer.shape[:-3], len(layers), 3))
    for layer in (LOWER, UPPER):
        here = layers == layer
        result[..., here, :] = values[here] @ by_layer[..., layer, :, :]
    return np.einsum("mij,...mj->...mi", geometry.orientations, result)


@dataclass(frozen=True)
class Coefficients:
    """Values of what `fit` determines, or deviations of them with a further first axis.

    Attributes
    ----------
    first_order
        Coefficients t (..., layer, 7, term, 3) in e.angstrom.
    second_order
        Coefficients s (..., layer, 28, term, 3) in e.angstrom; 0 without a moire cell.
    coupling
        Interlayer coupling (...) of the long range.
    """

    first_order: np.ndarray
    second_order: np.ndarray
    coupling: np.ndarray


@dataclass(frozen=True)
class Fit:
    """Result of `fit`.

    Attributes
    ----------
    mean
        The fitted values.
    deviations
        Deviations (draw, ...) from them, drawn from the covariance of the fit.
    coupling_error
        Standard deviation of the interlayer coupling.
    widths
        The six numbers of `STARTS_EA` after the search, in e.angstrom.
    rms
        Root mean square (3,) of the residuals in e.angstrom.
    """

    mean: Coefficients
    deviations: Coefficients
    coupling_error: float
    widths: np.ndarray
    rms: np.ndarray


def fit(
    cells: Sequence[Bilayer],
    translated: Callable[[np.ndarray], np.ndarray],
    widths: np.ndarray | None = None,
) -> Fit:
    """Fit the expansion in the displacement gradient to uniaxial cells and small moire cells.

    Parameters
    ----------
    cells
        Cells of one family, perhaps with the arrays (n, 3) in e.angstrom that are
        subtracted from their dipoles: ``long_range``, what the long range adds without interlayer
        coupling, and ``coupled``, what an interlayer coupling of 1 adds.
    translated
        Function: stackings (m, 2) -> dipoles p0 (m, layer, 3) of translated bilayers in e.angstrom.
    widths
        Prior widths and noise as `STARTS_EA`; by default those of largest evidence.

    Returns
    -------
    Fit
        The fit.

    Raises
    ------
    JobError
        If the cells are of several families or do not determine the first order.
    """
    families = sorted({cell.family for cell in cells})
    if len(families) != 1:
        raise JobError(f"cells of {' and '.join(families) or 'no family'}: allowed is one family")
    bases = [invariants(families[0], order) for order in (1, 2)]
    rows, values = [], []
    for number, cell in enumerate(cells):
        layer, sites = cell.site_layers, np.arange(len(cell.sites))
        p0 = translated(cell.site_stackings)[sites, layer] @ cell.mean_orientation.T
        uniform = np.zeros((4 * len(cells), len(sites), 3))
        for own in (LOWER, UPPER):
            for component in (0, 1):
                uniform[4 * number + 2 * own + component, layer == own, component] = 1
        long_range, coupled = (
            cell.arrays[name][cell.is_site] if name in cell.arrays else np.zeros_like(p0)
            for name in ("long_range", "coupled")
        )
        first, second = (change(basis, cell) for basis in bases)
        columns = np.concatenate([first, coupled[None], second, uniform])
        rows.append(columns.reshape(-1, 3 * len(sites)).T)
        values.append((cell.dipoles - long_range - COUPLING * coupled - p0).ravel())
    matrix, value = np.concatenate(rows), np.concatenate(values)
    n_first, n_second = map(len, bases)
    if np.linalg.matrix_rank(matrix[:, :n_first], rtol=1e-6) < n_first:
        raise JobError(
            "the cells do not determine the first order in the displacement gradient: needed are "
            "stretched or sheared cells at several places"
        )
    constant = np.array([not np.any(element[:, :, 1:]) for element in bases[1]])
    known = np.append(np.full(n_first, FIRST_ORDER_WIDTH_EA), COUPLING_WIDTH)
    group = np.concatenate([np.where(constant, 1, 0), np.full(4 * len(cells), 2)])
    grams = np.array([each.T @ each for each in rows])
    moments = np.array([each.T @ found for each, found in zip(rows, values, strict=True)])
    powers_of_value = np.array([found @ found for found in values])
    counts = np.array([len(found) for found in values])
    gradients = np.array([gradient_of(cell) for cell in cells])
    cubes = np.abs([gradients[:, 6], strain_of(gradients)]) ** 3  # of the twists, of the strains

    def posterior(logarithms):
        scales = np.exp(logarithms)
        noise = np.sqrt(scales[3] ** 2 + scales[4:] ** 2 @ cubes**2)  # of each cell
        precision = 1 / np.append(known, scales[group]) ** 2
        inverse = np.tensordot(noise**-2, grams, 1) + np.diag(precision)
        moment = noise**-2 @ moments
        return scales, noise, precision, inverse, np.linalg.solve(inverse, moment), moment

    def minus_log_evidence(logarithms):
        _, noise, precision, inverse, mean, moment = posterior(logarithms)
        # At the maximum of the posterior, the two quadratic forms add up to this difference.
        left = noise**-2 @ powers_of_value - mean @ moment
        return 0.5 * (
            left
            + np.linalg.slogdet(inverse)[1]
            - np.log(precision).sum()
            + 2 * counts @ np.log(noise)
        )

    if widths is None:
        from scipy.optimize import minimize  # slow to import, and predictions do not need it

        options = {"xatol": 0.02, "fatol": 0.1, "maxiter": 600}
        searches = []
        for start in np.log(STARTS_EA):
            # A factor of e in each direction: the default step of a logarithm of 0 is too small.
            simplex = start + np.vstack([np.zeros(len(start)), np.eye(len(start))])
            options["initial_simplex"] = simplex
            searches.append(
                minimize(minus_log_evidence, start, method="Nelder-Mead", options=options)
            )
        logarithms = min(searches, key=lambda search: search.fun).x
    else:
        logarithms = np.log(widths)
    scales, _, _, inverse, mean, _ = posterior(logarithms)
    used = n_first + 1 + n_second * any(cell.system.n_periods for cell in cells)
    covariance = np.linalg.inv(inverse)[:used, :used]
    draws = np.random.default_rng(0).multivariate_normal(np.zeros(used), covariance, DRAWS)

    def unpacked(parameters):
        second = np.zeros((*parameters.shape[:-1], n_second))
        second[..., : used - n_first - 1] = parameters[..., n_first + 1 : used]
        return Coefficients(
            np.tensordot(parameters[..., :n_first], bases[0], 1),
            np.tensordot(second, bases[1], 1),
            parameters[..., n_first],
        )

    fitted = unpacked(mean)
    residual = (value - matrix @ mean).reshape(-1, 3)
    return Fit(
        replace(fitted, coupling=COUPLING + fitted.coupling),
        unpacked(draws),
        float(np.sqrt(covariance[n_first, n_first])),
        scales,
        np.sqrt((residual**2).mean(axis=0)),
    )


def remainder(family: str) -> np.ndarray:
    """Draw second-order coefficients of unit width, for the error by the omitted orders.

    A uniform in-plane dipole is left out: the threefold axis of a moire removes it.

    Parameters
    ----------
    family
        Stacking family.

    Returns
    -------
    ndarray
        Coefficients (draw, layer, 28, term, 3) in e.angstrom.
    """
    basis = invariants(family, 2)
    uniform = np.array([not np.any(e[:, :, 1:]) and not np.any(e[..., 2]) for e in basis])
    basis = basis[~uniform]
    return np.tensordot(np.random.default_rng(1).normal(size=(DRAWS, len(basis))), basis, 1)


#: A relaxed bilayer rotates and strains its layers a little more than the rigid one.
SLACK = 1.01


@dataclass(frozen=True)
class DisplacementGradient:
    """The term of a `Predictor` for the displacement gradient.

    Attributes
    ----------
    fits
        A file of `fit_gradient`.
    path
        The file.
    calibration
        Width of the remainder; None leaves it out of the error.
    largest_strain, largest_twist_deg
        Largest size of the strains, and largest twist angle, of the cells that the error was
        calibrated on.
    held_out
        Name of a fitted cell: only the fit without it is used.
    """

    fits: xr.Dataset
    path: str
    calibration: Calibration | None = None
    largest_strain: float = np.inf
    largest_twist_deg: float = np.inf
    held_out: str | None = None

    @classmethod
    def from_files(
        cls, path: str | Path, errors: str | Path | None = None
    ) -> "DisplacementGradient":
        """Read the fits of `fit_gradient` and their calibration.

        Parameters
        ----------
        path
            The NetCDF file of `fit_gradient`.
        errors
            The NetCDF file of `calibrate_errors`.

        Returns
        -------
        DisplacementGradient
            The term with the fit to all cells.

        Raises
        ------
        JobError
            If a file cannot be read or is of another kind.
        """
        needed = "first_order", "first_order_deviation", "second_order", "second_order_deviation"
        coupling = "coupling", "coupling_deviation"
        fits = read_netcdf(path, *needed, *coupling, "remainder", "left_out", "cell")
        if not errors:
            return cls(fits, str(path))
        return cls(fits, str(path), *read_calibration(errors))

    def applies(self, bilayer: Bilayer) -> bool:
        """Return whether the bilayer has a displacement gradient."""
        return bool(size_of(local_gradients(bilayer)).max() > SMALLEST_GRADIENT)

    def without(self, name: str) -> "DisplacementGradient | None":
        """Return the term without a cell: itself if it was not fitted, None without such a fit."""
        if name not in self.fits["cell"].values:
            return self
        known = name in self.fits["left_out"].values
        return replace(self, held_out=name) if known else None

    def beyond(self, bilayer: Bilayer) -> str:
        """Describe in what a bilayer lies beyond the cells that the error was calibrated on."""
        gradients, known = local_gradients(bilayer), "the error was calibrated on cells of up to"
        strain, twist = strain_of(gradients).max(), np.abs(np.degrees(gradients[:, 6])).max()
        words = []
        if strain > SLACK * self.largest_strain + 1e-6:
            words.append(f"strains of size {strain:.3f}, {known} {self.largest_strain:.3f}")
        if twist > SLACK * self.largest_twist_deg + 1e-6:
            words.append(f"a twist of {twist:.2f}°, {known} {self.largest_twist_deg:.2f}°")
        return "; ".join(words)

    def remainder(self, bilayer: Bilayer) -> np.ndarray:
        """Return the remainder (draw, m, 3) of unit width in e.angstrom."""
        return change(self.fits["remainder"].values, bilayer)

    def contribute(self, expansion: Expansion) -> None:
        """Add both orders and, with both signs, their deviations; set the interlayer coupling.

        Parameters
        ----------
        expansion
            Expansion that contains the zero-field dipoles. It is changed in place.
        """
        chosen = self.fits["left_out"].values == (self.held_out or "")
        (number,) = np.flatnonzero(chosen)
        fit, bilayer = self.fits.isel(fit=number), expansion.bilayer
        mean, deviations = (
            change(fit[f"first_order{kind}"].values, bilayer)
            + change(fit[f"second_order{kind}"].values, bilayer)
            for kind in ("", "_deviation")
        )
        if self.calibration:
            widths = self.calibration.widths(size_of(local_gradients(bilayer)))
            deviations = deviations + widths * self.remainder(bilayer)
        expansion.interlayer_coupling = float(fit["coupling"])
        expansion.add(0, mean[None])
        expansion.deviate(0, deviations, fit["coupling_deviation"].values)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that the term depends on, for the provenance of a file."""
        scale = self.calibration and self.calibration.scale
        return {"gradient": {"file": self.path, "remainder_width_eA": scale}}
