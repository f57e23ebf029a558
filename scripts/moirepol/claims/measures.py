"""Quantities that the evaluators of several figures measure on maps and charges."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import product

import numpy as np
import xarray as xr
from ase.geometry import find_mic

from moirepol.claims.framework import Found, NotYet, Results
from moirepol.physics.polarization import point_fractions, resample
from moirepol.structure.conventions import HIGH_SYMMETRY

#: Largest dipole in e.A that counts as zero where a symmetry requires zero. It is twice the largest
#: symmetry residual of the labels, and a two-hundredth of the polarization.
ZERO_EA = 2e-5
#: Largest deviation of a charge from an integer or a half: the error of the finite differences.
CHARGE_TOLERANCE = 0.02
#: The 3 x 3 nearest lattice translations, in cell vectors.
SHIFTS = np.array(list(product((-1, 0, 1), repeat=2)))
#: Integer matrices (m, 2, 2) of determinant 1 or -1 with small elements.
UNIMODULAR = np.array(
    [[[a, b], [c, d]] for a, b, c, d in product(range(-2, 3), repeat=4) if abs(a * d - b * c) == 1]
)


def node(ds: xr.Dataset, label: str) -> tuple[int, int]:
    """Return the grid node (i, j) of a named point."""
    n = ds.sizes["i"]
    i, j = np.rint(point_fractions(ds)[label] * n).astype(int) % n
    return int(i), int(j)


def at(ds: xr.Dataset, label: str) -> np.ndarray:
    """Return P (3,) in e.A at a named point."""
    return ds["P"].values[:, *node(ds, label)]


def perp(ds: xr.Dataset) -> np.ndarray:
    """Return P_perp (n, n) in e.A."""
    return ds["P"].sel(component="z").values


def par(ds: xr.Dataset) -> np.ndarray:
    """Return |P_par| (n, n) in e.A."""
    return np.hypot(*ds["P"].sel(component=["x", "y"]).values)


def on_lines(n: int) -> np.ndarray:
    """Return a mask (n, n) of the G-G paths: the cell boundary and its short diagonal."""
    i, j = np.indices((n, n))
    return (i == 0) | (j == 0) | (i + j == n)


def displacement(ds: xr.Dataset, label: str) -> np.ndarray:
    """Return the shortest vectors (n, n, 2) from a named point to all nodes, in cell vectors."""
    unit_cell = ds["cell"].values / np.linalg.norm(ds["cell"].values[0])
    return _shortest(ds.sizes["i"], node(ds, label), tuple(map(tuple, unit_cell.round(12))))


@lru_cache(maxsize=64)  # it is the same for all members of a committee
def _shortest(n, place, unit_cell):
    apart = np.moveaxis(np.indices((n, n)) / n, 0, -1) - np.array(place) / n
    images = [(apart - np.rint(apart) + shift) @ np.array(unit_cell) for shift in SHIFTS]
    nearest = np.linalg.norm(images, axis=-1).argmin(axis=0)
    return np.take_along_axis(np.array(images), nearest[None, ..., None], axis=0)[0]


def swirl(ds: xr.Dataset, label: str) -> tuple[int, float]:
    """Return the index of P_par around a named point, and its helicity in degrees for index +1.

    The helicity is the angle from the outward direction to P_par, averaged over a ring of radius
    0.1 to 0.2 cell vectors. It is 0 or 180 for Neel type, and +90 or -90 for Bloch type.
    """
    away = displacement(ds, label)
    distance = np.linalg.norm(away, axis=-1)
    ring = (distance > 0.1) & (distance < 0.2)
    x, y = ds["P"].values[:2, ring]
    P, outward = np.arctan2(y, x), np.arctan2(away[ring, 1], away[ring, 0])
    means = {index: np.exp(1j * (P - index * outward)).mean() for index in range(-3, 4)}
    index = max(means, key=lambda k: abs(means[k]))
    return index, float(np.degrees(np.angle(means[1])))


def stacking_matrix(ds: xr.Dataset) -> np.ndarray:
    """Return the integer W (2, 2) with tau = W (u, v), from the named points of the map."""
    fractions = point_fractions(ds)
    places = np.array([fractions[label] for label in HIGH_SYMMETRY])
    apart = np.einsum("mab,pb->mpa", UNIMODULAR, places) - np.array([*HIGH_SYMMETRY.values()])
    fitting = UNIMODULAR[np.abs(apart - np.rint(apart)).max(axis=(1, 2)) < 1e-6]
    if not len(fitting):
        raise NotYet(f"the cell of {ds.attrs['system']} holds more than one moire period")
    return min(fitting, key=lambda matrix: np.abs(matrix).sum())


def direct_mapping(ds: xr.Dataset, configuration: xr.Dataset) -> np.ndarray:
    """Return P (3, n, n) of the configuration map at the local stacking of every node."""
    n = ds.sizes["i"]
    i, j = np.einsum("ab,bij->aij", stacking_matrix(ds), np.indices((n, n))) % n
    return resample(configuration["P"].values, n)[:, i, j]


def nearest_image(vectors: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return the shortest periodic images of in-plane vectors (..., 2)."""
    cell_3d = np.eye(3)
    cell_3d[:2, :2] = cell
    flat = np.pad(np.reshape(vectors, (-1, 2)), ((0, 0), (0, 1)))
    nearest, _ = find_mic(flat, cell_3d, pbc=[True, True, False])
    return nearest[:, :2].reshape(np.shape(vectors))


def distance_to_segment(
    places: np.ndarray, start: np.ndarray, end: np.ndarray, cell: np.ndarray
) -> np.ndarray:
    """Return distances (n,) of places (n, 2) from the shortest line between two points."""
    line = nearest_image(end - start, cell)
    away = nearest_image(places - start, cell)
    along = np.clip(away @ line / (line @ line), 0, 1)
    return np.linalg.norm(nearest_image(away - along[:, None] * line, cell), axis=-1)


def angle_between(first: float, second: float) -> float:
    """Return the angle between two directions, 0 to 180; all in degrees."""
    return abs((first - second + 180) % 360 - 180)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Return the similarity of two fields: 1 if equal up to a factor, -1 if opposite."""
    return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))


def rms(values: np.ndarray) -> float:
    """Return the root mean square of all values."""
    return float(np.sqrt(np.mean(np.square(values))))


def in_eA(count: int = 1) -> str:
    """Return a format string for `count` numbers in e.A."""
    return ", ".join(["{:.2e}"] * count) + " e.A"


def finest_charges(ds: xr.Dataset) -> tuple[str, list[float], xr.DataArray]:
    """Return text, its numbers, and all charges (method, region) on the finest grid."""
    Q = ds["Q"].isel(grid=ds["grid"].values.argmax()) if "grid" in ds["Q"].dims else ds["Q"]
    words = "; ".join(f"{method}: N {{:+.3f}}, M {{:+.3f}}" for method in Q["scheme"].values)
    return words, Q.sel(region=["N", "M"]).values.ravel().tolist(), Q


def whole_charges(results: Results, system: str, paper: Mapping[str, float]) -> Found:
    """Compare the charges by all three methods with the paper's `Q_N` and `Q_M`, to 0.02.

    The third value is None if the standard deviation of the committee is larger than 0.02.
    """
    ours, numbers, Q = finest_charges(results.charge(system))
    deviation = np.abs(Q.sel(region=["N", "M"]).values - [paper["Q_N"], paper["Q_M"]]).max()
    error = float(results.charge(system).get("Q_model_error", xr.DataArray(0.0)).max())
    return ours, numbers, bool(deviation <= CHARGE_TOLERANCE) if error <= CHARGE_TOLERANCE else None
