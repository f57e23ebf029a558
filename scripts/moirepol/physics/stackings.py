"""Properties of relaxed translated bilayers as functions of the stacking.

Layer distance and rumpling are interpolated by plane waves from a grid of stackings. The energy and
the dipole that couples to a field are expanded in six functions of the stacking tau = (t1, t2), the
form that the relaxation of a moire needs. With v = 2 pi t1 and w = 2 pi t2 they are [Carr2018]_

    1,   cos v + cos w + cos(v + w),   cos(v + 2w) + cos(v - w) + cos(2v + w),
    cos 2v + cos 2w + cos(2v + 2w),   sin v + sin w - sin(v + w),
    sin(2v + 2w) - sin 2v - sin 2w.

They contain all waves of the first three shells that the threefold axis and the mirror planes
allow.

References
----------
.. [Carr2018] S. Carr et al., Phys. Rev. B 98, 224102 (2018).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.polynomial import Chebyshev

from moirepol.errors import JobError
from moirepol.physics.polarization import Sites
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, PRIMITIVE, UPPER
from moirepol.structure.symmetry import layer_symmetries, transform_slide
from moirepol.workflow.provenance import read_netcdf

#: Names of the six functions, in their order.
FUNCTIONS = ("1", "cos 1", "cos 2", "cos 3", "sin 1", "sin 3")
#: Properties of a translated bilayer: name -> (unit, long name, factor under layer exchange).
PROPERTIES = {
    "energy": ("eV", "energy of a cell at relaxed heights, from its smallest value", 1),
    "distance": ("angstrom", "layer distance of least energy", 1),
    "label_distance": ("angstrom", "layer distance of the relaxed label", 1),
    "rumpling": ("angstrom", "height of the dipole site above the other atoms of its layer", -1),
    "polarization": ("e.angstrom", "out-of-plane dipole of a cell", -1),
    "response": ("e.angstrom2/V", "change of the out-of-plane dipole of a cell with a field", 1),
}
#: Decay of the repulsion of the layers in `repulsion`. With four distances it hardly matters.
DECAY_PER_A = 3.0
#: Degree of the polynomial in d that interpolates the dispersion energy, here to 2e-6 eV. The
#: energy itself has steps of this size, where a pair of atoms crosses the cut-off.
DISPERSION_DEGREE = 8
#: Properties by the way they are interpolated.
EXPANDED = ("energy", "polarization", "response")
GRIDDED = ("distance", "label_distance", "rumpling")


def functions(tau: np.ndarray) -> np.ndarray:
    """Evaluate the six functions at stackings.

    Parameters
    ----------
    tau
        Stackings (..., 2) in fractions of (a1, a2).

    Returns
    -------
    ndarray
        Values (..., 6).
    """
    v, w = np.moveaxis(2 * np.pi * np.asarray(tau), -1, 0)
    return np.stack(
        [
            np.ones_like(v),
            np.cos(v) + np.cos(w) + np.cos(v + w),
            np.cos(v + 2 * w) + np.cos(v - w) + np.cos(2 * v + w),
            np.cos(2 * v) + np.cos(2 * w) + np.cos(2 * v + 2 * w),
            np.sin(v) + np.sin(w) - np.sin(v + w),
            np.sin(2 * v + 2 * w) - np.sin(2 * v) - np.sin(2 * w),
        ],
        axis=-1,
    )


def images(tau: np.ndarray, family: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the stackings that are equivalent to a stacking by symmetry.

    Parameters
    ----------
    tau
        Stacking (2,).
    family
        Stacking family.

    Returns
    -------
    tau : ndarray
        Images (operation, 2).
    swapped : ndarray of bool
        Whether the operation (operation,) exchanges the layers.
    """
    operations = layer_symmetries(family)
    return (
        np.array([transform_slide(tau, operation) for operation in operations]),
        np.array([swap for _, swap in operations]),
    )


def fit(
    tau: np.ndarray, values: np.ndarray, family: str, parity: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a scalar property of translated bilayers by least squares.

    Parameters
    ----------
    tau
        Stackings (m, 2).
    values
        Values (m,).
    family
        Stacking family.
    parity
        Factor of the property under an exchange of the layers, 1 or -1.

    Returns
    -------
    coefficients : ndarray
        Coefficients (6,) of the functions.
    residuals : ndarray
        Values minus fit (m,).
    """
    rows, right = [], []
    for place, value in zip(tau, values, strict=True):
        copies, swapped = images(place, family)
        rows.append(functions(copies))
        right.append(np.where(swapped, parity * value, value))
    coefficients = np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0]
    return coefficients, values - functions(tau) @ coefficients


def on_grid(tau: np.ndarray, values: np.ndarray, family: str, parity: int, n: int) -> np.ndarray:
    """Return a property on the n x n grid of stackings, from its distinct stackings.

    Parameters
    ----------
    tau
        Stackings (m, 2), further ones than those of the grid among them.
    values
        Values (m, ...). A property of the layers has the layer as its first further dimension.
    family
        Stacking family.
    parity
        Factor of the property under an exchange of the layers, 1 or -1.
    n
        Stackings along each primitive vector.

    Returns
    -------
    ndarray
        Values (n, n, ...).

    Raises
    ------
    JobError
        If a stacking of the grid has no value.
    """
    found, counts = np.zeros((n, n, *values.shape[1:])), np.zeros((n, n))
    for place, value in zip(tau, values, strict=True):
        for image, swap in zip(*images(place, family), strict=True):
            i, j = np.rint(image * n).astype(int)
            if np.abs(image * n - (i, j)).max() < 1e-6:
                turned = value[::-1] if swap and np.ndim(value) else value
                found[i % n, j % n] += parity * turned if swap else turned
                counts[i % n, j % n] += 1
    if not counts.all():
        missing = tuple(map(int, np.argwhere(counts == 0)[0]))
        raise JobError(f"no relaxed label of the stacking {missing} / {n} of {family}")
    return found / counts.reshape(n, n, *[1] * (found.ndim - 2))


def rumpling_of(bilayer: Bilayer) -> np.ndarray:
    """Return the height (layer,) of the dipole sites above the other atoms of each layer."""
    z = bilayer.positions[:, 2]
    return np.array(
        [
            z[(bilayer.layer == layer) & bilayer.is_site].mean()
            - z[(bilayer.layer == layer) & ~bilayer.is_site].mean()
            for layer in (LOWER, UPPER)
        ]
    )


def properties(frames: Iterable[Bilayer], in_field: Iterable[Bilayer]) -> xr.Dataset:
    """Collect the properties of relaxed translated bilayers from their labels.

    Parameters
    ----------
    frames
        Labels at relaxed heights.
    in_field
        Labels of the same structures in one field.

    Returns
    -------
    xr.Dataset
        The properties of `PROPERTIES` on the dimension ``stacking``, and ``rigid_energy`` in eV.
        The rumpling has the dimension ``layer``, too. ``distance`` is left empty.
    """
    rows: dict[str, list] = {name: [] for name in ("name", "tau", "rigid_energy", *PROPERTIES)}
    fields = {
        frame.system.model_copy(update={"field_V_per_A": 0.0}).name: frame for frame in in_field
    }
    for frame in frames:
        i, j, n = frame.system.indices
        dipole = frame.dipoles[:, 2].sum()
        strong = fields.get(frame.name)
        rows["name"].append(frame.name)
        rows["tau"].append((i / n, j / n))
        rows["energy"].append(frame.info["relaxed_energy_eV"])
        rows["rigid_energy"].append(frame.info["rigid_energy_eV"])
        rows["label_distance"].append(frame.layer_distance_A)
        rows["distance"].append(np.nan)
        rows["rumpling"].append(rumpling_of(frame))
        rows["polarization"].append(dipole)
        rows["response"].append(
            np.nan
            if strong is None
            else (strong.dipoles[:, 2].sum() - dipole) / strong.field_V_per_A
        )
    lowest = min(rows["energy"])
    ds = xr.Dataset(coords={"stacking": rows["name"], "component": ["t1", "t2"]})
    ds["tau"] = ("stacking", "component"), np.array(rows["tau"])
    ds["tau"].attrs.update(units="1", long_name="stacking in fractions of a1 and a2")
    for name, (unit, long_name, _) in PROPERTIES.items():
        dims = ("stacking", "layer") if name == "rumpling" else ("stacking",)
        ds[name] = dims, np.array(rows[name]), {"units": unit, "long_name": long_name}
    ds["rigid_energy"] = "stacking", np.array(rows["rigid_energy"]) - lowest
    ds["rigid_energy"].attrs.update(
        units="eV", long_name="energy of a cell of flat layers at the configured distance"
    )
    ds["energy"] -= lowest
    return ds


def repulsion(distances_A: np.ndarray, energies_eV: np.ndarray) -> Callable[[float], float]:
    """Interpolate the energy without dispersion of flat layers between n layer distances.

    The layers repel each other through the overlap of their densities. The form is
    c0 + (c1 + c2 d + ...) exp(-`DECAY_PER_A` d), with n coefficients.

    Parameters
    ----------
    distances_A
        Layer distances (n,), four or more.
    energies_eV
        Energies (n,) of a cell.

    Returns
    -------
    callable
        Function: layer distance in angstrom -> energy in eV.
    """

    def basis(d):
        decay = np.exp(-DECAY_PER_A * d)
        powers = range(len(distances_A) - 1)
        return np.stack([np.ones_like(d), *(d**power * decay for power in powers)], axis=-1)

    centre = np.mean(distances_A)
    coefficients = np.linalg.solve(basis(np.asarray(distances_A) - centre), energies_eV)
    return lambda d: float(basis(np.asarray(d - centre)) @ coefficients)


def relaxed_distance(
    repulsion_at: Callable[[float], float],
    dispersion_at: Callable[[float], float],
    bounds_A: tuple[float, float],
) -> tuple[float, float]:
    """Return the layer distance of least energy and the force constant there.

    Parameters
    ----------
    repulsion_at, dispersion_at
        Functions: layer distance in angstrom -> parts of the energy in eV.
    bounds_A
        Layer distances between which the minimum is.

    Returns
    -------
    distance_A, stiffness_eV_per_A2 : float
        The distance, and the second derivative of the energy.

    Raises
    ------
    JobError
        If the minimum is not between the bounds.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and predictions do not need it

    # The dispersion energy is smooth in d and slow to compute.
    dispersion = Chebyshev.interpolate(
        np.vectorize(dispersion_at), DISPERSION_DEGREE, domain=bounds_A
    )

    def energy(d):
        return repulsion_at(d) + dispersion(d)

    found = minimize_scalar(energy, bounds=bounds_A, method="bounded", options={"xatol": 1e-6})
    if min(abs(found.x - bound) for bound in bounds_A) < 1e-3:
        lowest, highest = bounds_A
        raise JobError(
            f"layer distance of least energy {found.x:.3f} A: allowed is between the smallest and "
            f"the largest distance of the labels, {lowest:g} and {highest:g} A"
        )
    step = 0.02
    curvature = energy(found.x + step) + energy(found.x - step) - 2 * energy(found.x)
    return float(found.x), curvature / step**2


@dataclass(frozen=True)
class Stackings:
    """Properties of relaxed translated bilayers as functions of the stacking.

    Attributes
    ----------
    coefficients
        ``energy``, ``polarization``, ``response`` -> coefficients (6,) of `functions`.
    grids
        `GRIDDED` properties (n, n, ...) on the grid of stackings, in angstrom.
    stiffness_eV_per_A2
        Force constant of the layer distance, per primitive cell.
    """

    coefficients: dict[str, np.ndarray]
    grids: dict[str, np.ndarray]
    stiffness_eV_per_A2: float

    @classmethod
    def from_file(cls, path: str | Path) -> "Stackings":
        """Read a file of `fit_stackings`."""
        names = [f"{name}_coefficient" for name in EXPANDED] + [f"{name}_grid" for name in GRIDDED]
        ds = read_netcdf(path, "stiffness", *names)
        return cls(
            {name: ds[f"{name}_coefficient"].values for name in EXPANDED},
            {name: ds[f"{name}_grid"].values for name in GRIDDED},
            float(ds["stiffness"]),
        )

    def energy_coefficients(self, field_V_per_A: float = 0.0) -> np.ndarray:
        """Return the coefficients (6,) of the energy of a cell in a field along z, in eV.

        E(tau) - P(tau) F - R(tau) F^2 / 2, with the dipole P and its response R to the field F.
        """
        c, field = self.coefficients, field_V_per_A
        if not field:
            return c["energy"]
        return c["energy"] - field * c["polarization"] - field**2 / 2 * c["response"]

    def at(self, name: str, tau: np.ndarray) -> np.ndarray:
        """Return the layer ``distance`` (m,) or ``rumpling`` (m, layer) at stackings (m, 2)."""
        grid = self.grids[name]
        n = len(grid)
        places = np.indices((n, n)).reshape(2, -1).T @ PRIMITIVE / n
        k, C = Sites(places, PRIMITIVE / n, PRIMITIVE).waves(grid.reshape(n * n, -1))
        values = (np.exp(2j * np.pi * tau @ k.T) @ C).real
        return values.reshape(len(tau), *grid.shape[2:])
