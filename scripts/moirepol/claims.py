"""The paper's claims, each judged from results by one small function.

A function's docstring says how it judges and why with that tolerance; it returns what was found,
as text, and whether the claim holds. Where a result is missing it raises `NotYet` on its own.
Nothing here feeds back into a computation.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import xarray as xr

from moirepol.polarization import point_fractions, resample
from moirepol.structures import HIGH_SYMMETRY
from moirepol.systems import System

#: Largest dipole, in e.A, that counts as zero where a symmetry demands zero: twice what the labels
#: break their own symmetries by, a two-hundredth of the polarization itself.
ZERO_EA = 2e-5
#: Deviation of a computed charge from an integer or a half: the finite differences' grid error.
CHARGE_TOLERANCE = 0.02
UPPER, LOWER = "upper", "lower"
#: Inner radius of the triangles around N and M, in lengths of the cell vectors.
INNER_RADIUS = np.sqrt(3) / 6
SHIFTS = np.array(list(product((-1, 0, 1), repeat=2)))

CLAIMS: dict[str, Callable[["Results"], tuple[str, bool]]] = {}


class NotYet(Exception):
    """A result that a claim needs is not there; the message names it."""


@dataclass(frozen=True)
class Results:
    """Computed results by kind and by name of the system or model."""

    maps: dict[str, xr.Dataset]
    charges: dict[str, xr.Dataset]
    parities: list[xr.Dataset]

    def map(self, system: str) -> xr.Dataset:
        return _take(self.maps, system, "map")

    def charge(self, system: str) -> xr.Dataset:
        return _take(self.charges, system, "charge")

    def twists(self, family: str) -> list[tuple[float, xr.Dataset]]:
        """All maps of plain twisted bilayers of a family with their angles, smallest first."""
        found = []
        for name, ds in self.maps.items():
            if name.startswith(f"{family}_twist"):
                system = System.parse(name)
                if system == System(family=family, geometry="twist", indices=system.indices):
                    found.append((system.twist_angle_deg, ds))
        if len(found) < 2:
            raise NotYet(f"needs maps of two or more twist angles of {family}")
        return sorted(found, key=lambda pair: pair[0])


def _take(found, name, kind):
    if name not in found:
        raise NotYet(f"needs the {kind} of {name}")
    return found[name]


def claim(name: str):
    """Register the judge of one claim."""

    def register(function):
        CLAIMS[name] = function
        return function

    return register


def judge(name: str, results: Results) -> dict[str, str]:
    """Columns ours, verdict and how of one claim."""
    if name not in CLAIMS:
        return {"ours": "", "verdict": "not yet", "how": "no judge yet"}
    function = CLAIMS[name]
    how = " ".join((function.__doc__ or "").split())
    try:
        ours, holds = function(results)
    except NotYet as missing:
        return {"ours": "", "verdict": "not yet", "how": f"{missing}. {how}"}
    return {"ours": ours, "verdict": "reproduced" if holds else "not reproduced", "how": how}


# Reading maps ---------------------------------------------------------------------------------


def node(ds: xr.Dataset, label: str) -> tuple[int, int]:
    """Grid node (i, j) of a named point."""
    n = ds.sizes["i"]
    i, j = np.rint(point_fractions(ds)[label] * n).astype(int) % n
    return int(i), int(j)


def at(ds: xr.Dataset, label: str) -> np.ndarray:
    """P (3,) in e.A at a named point."""
    return ds["P"].values[:, *node(ds, label)]


def perp(ds: xr.Dataset) -> np.ndarray:
    """P_perp (n, n) in e.A."""
    return ds["P"].sel(component="z").values


def par(ds: xr.Dataset) -> np.ndarray:
    """|P_par| (n, n) in e.A."""
    return np.hypot(*ds["P"].sel(component=["x", "y"]).values)


def on_lines(n: int) -> np.ndarray:
    """Mask (n, n) of the nodes on the G-G paths: the cell boundary and its short diagonal."""
    i, j = np.indices((n, n))
    return (i == 0) | (j == 0) | (i + j == n)


def stacking_matrix(ds: xr.Dataset) -> np.ndarray:
    """Integer W (2, 2) with tau = W (u, v), from where the named points stand in the map."""
    fractions = point_fractions(ds)
    fitting = []
    for entries in product(range(-2, 3), repeat=4):
        matrix = np.reshape(entries, (2, 2))
        apart = [matrix @ fractions[label] - tau for label, tau in HIGH_SYMMETRY.items()]
        if abs(entries[0] * entries[3] - entries[1] * entries[2]) == 1 and np.allclose(
            apart, np.rint(apart), atol=1e-6
        ):
            fitting.append(matrix)
    if not fitting:
        raise NotYet(f"the cell of {ds.attrs['system']} holds more than one moire period")
    return min(fitting, key=lambda matrix: np.abs(matrix).sum())


def direct_mapping(ds: xr.Dataset, configuration: xr.Dataset) -> np.ndarray:
    """P (3, n, n) that the configuration-space map gives every node's local stacking."""
    n = ds.sizes["i"]
    i, j = np.einsum("ab,bij->aij", stacking_matrix(ds), np.indices((n, n))) % n
    return resample(configuration["P"].values, n)[:, i, j]


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def in_eA(*values: float) -> str:
    """Values in e.A, as text."""
    return ", ".join(f"{float(value):.2e}" for value in values) + " e.A"


# Configuration space: Fig. 1 ------------------------------------------------------------------


@claim("F1-zero-G")
def zero_at_G(results):
    """Configuration map at G: |P| is at most 2e-5 e.A (what labels break their own symmetries by)
    and each layer's dipole is larger than that."""
    ds = results.map("configuration_AA")
    layers = ds["P_layer"].values[:, 2, *node(ds, "G")]
    net = np.abs(at(ds, "G")).max()
    ours = f"|P| = {in_eA(net)}; layers {in_eA(*layers)}"
    return ours, net <= ZERO_EA < np.abs(layers).min()


@claim("F1-MN")
def opposite_at_M_and_N(results):
    """Configuration map: P_perp(M) + P_perp(N) = 0, both the extremes of the map, and P_par = 0
    there, each to 2e-5 e.A."""
    ds = results.map("configuration_AA")
    M, N = at(ds, "M"), at(ds, "N")
    deviations = (
        abs(M[2] + N[2]),
        np.abs(perp(ds)).max() - min(abs(M[2]), abs(N[2])),
        max(np.hypot(*M[:2]), np.hypot(*N[:2])),
    )
    ours = f"P_perp(M), P_perp(N) = {in_eA(M[2], N[2])}; P_par at most {in_eA(deviations[2])}"
    return ours, max(deviations) <= ZERO_EA < abs(M[2])


@claim("F1-lines")
def only_parallel_on_lines(results):
    """Configuration map on the cell boundary and short diagonal: |P_perp| at most 2e-5 e.A, and
    P_par more than ten times that somewhere."""
    ds = results.map("configuration_AA")
    lines = on_lines(ds.sizes["i"])
    out, along = np.abs(perp(ds)[lines]).max(), par(ds)[lines].max()
    ours = f"largest P_perp {in_eA(out)}, largest P_par {in_eA(along)}"
    return ours, out <= ZERO_EA and along > 10 * ZERO_EA


@claim("F1-ABC")
def parallel_largest_at_ABC(results):
    """Configuration map: no node has a P_par above those at A, B and C by more than 2e-5 e.A, and
    these three agree to 2e-5 e.A."""
    ds = results.map("configuration_AA")
    values = [np.hypot(*at(ds, label)[:2]) for label in "ABC"]
    ours = f"A, B, C: {in_eA(*values)}; largest anywhere {in_eA(par(ds).max())}"
    return ours, par(ds).max() - min(values) <= ZERO_EA and np.ptp(values) <= ZERO_EA


@claim("F1-magnitude")
def same_magnitude(results):
    """Configuration map: the largest P_par and P_perp both lie between 1e-3 and 1e-2 e.A."""
    ds = results.map("configuration_AA")
    largest = par(ds).max(), np.abs(perp(ds)).max()
    return f"P_par, P_perp: {in_eA(*largest)}", all(1e-3 <= value < 1e-2 for value in largest)


@claim("F1-layers")
def layers_opposite(results):
    """Configuration maps: at N of AA the layers' dipoles have opposite signs and a sum below -2e-5
    e.A; at G of AA, and at every slide of AA', they cancel to 2e-5 e.A."""
    AA, AAp = results.map("configuration_AA"), results.map("configuration_AAp")
    lower, upper = (AA["P_layer"].sel(layer=layer).values for layer in (LOWER, UPPER))
    at_N = lower[2, *node(AA, "N")], upper[2, *node(AA, "N")]
    cancel = max(np.abs(at(AA, "G")).max(), np.abs(AAp["P"].values).max())
    ours = f"N lower, upper: {in_eA(*at_N)}; sums where they cancel: {in_eA(cancel)}"
    return ours, at_N[0] * at_N[1] < 0 and sum(at_N) < -ZERO_EA and cancel <= ZERO_EA


# Models: Fig. 1(f) ----------------------------------------------------------------------------


def model_errors(results: Results, family: str, kind: str) -> tuple[str, bool]:
    """Validation MAE for each way of splitting, and whether the strictest one is of order 1e-5."""
    errors = {}
    for ds in results.parities:
        settings = json.loads(ds.attrs["settings"])
        if (settings["family"], settings["kind"]) == (family, kind):
            left_out = (ds["split"] == "validation").values
            error = np.abs((ds["model"] - ds["dft"]).values[left_out])
            errors[settings["split"]] = float(error.mean())
    if STRICT_SPLIT not in errors:
        raise NotYet(f"needs a {kind} model of {family} judged by {STRICT_SPLIT} left out")
    ours = "; ".join(f"{split} left out: {error:.1e}" for split, error in errors.items())
    return ours, errors[STRICT_SPLIT] < 10**-4.5


STRICT_SPLIT = "stackings"


@claim("F1f-mae")
def zero_field_error(results):
    """Mean absolute error over all N and components of the validation frames, no copy of which by
    symmetry or strain was trained on; beside it that of the paper's kind of split, with copies on
    both sides. Order 1e-5 means below 10^-4.5 = 3.2e-5 e.A."""
    return model_errors(results, "AA", "zero_field")


# Twisted bilayers: Fig. 2 ---------------------------------------------------------------------


@claim("F2-map")
def closer_at_smaller_angles(results):
    """Deviation of each twisted map from the configuration map at the same local stacking, rms over
    the cell, relative to the rms of the latter: it must fall with the angle, over all angles
    mapped."""
    configuration = results.map("configuration_AA")
    deviations = {}
    for angle, ds in results.twists("AA"):
        mapped = direct_mapping(ds, configuration)
        deviations[angle] = rms(ds["P"].values - mapped) / rms(mapped)
    ours = ", ".join(f"{angle:.2f} deg: {100 * d:.1f} %" for angle, d in deviations.items())
    return ours, bool((np.diff(list(deviations.values())) > 0).all())


def charges(ds: xr.Dataset) -> tuple[str, xr.DataArray]:
    """Charges (method, region) on the finest grid, in words and in numbers."""
    Q = ds["Q"].sel(grid=ds["grid"].max())
    words = [
        f"{row['method'].item()}: N {row.sel(region='N'):+.3f}, M {row.sel(region='M'):+.3f}"
        for row in Q
    ]
    return "; ".join(words), Q


@claim("F2-Q")
def half_charges(results):
    """1.54 degrees: by finite differences (Eq. 3), solid angles and the sign rule alike, |Q| = 1/2
    to 0.02 at N and M with opposite signs, total 0 to 0.02. Orientation: z from the lower to the
    upper layer, N the point of downward P_perp, so Q_N < 0. A critical value: it rests on
    P_perp = 0 on the edges, exact by symmetry."""
    ours, Q = charges(results.charge("AA_twist-21-22"))
    N, M, total = (Q.sel(region=region).values for region in ("N", "M", "total"))
    halves = np.abs(np.abs([N, M]) - 0.5).max() <= CHARGE_TOLERANCE and (N * M < 0).all()
    return ours, bool(halves and np.abs(total).max() <= CHARGE_TOLERANCE)


@claim("F2-q-zero")
def charge_near_M_and_N(results):
    """1.54 degrees: |q| on the G-A/B/C paths, further from G than a tenth of the cell, is below 1 %
    of its value at M and N; and the mean |q| within half the inner radius of the triangles around M
    and N is larger than the cell's."""
    ds = results.charge("AA_twist-21-22")
    q = np.abs(ds["q"].values)
    n = len(q)
    unit_cell = ds["cell"].values / np.linalg.norm(ds["cell"].values[0])

    def distance(label):
        """Of every node from a named point, in lengths of the cell vectors."""
        apart = np.moveaxis(np.indices((n, n)) / n, 0, -1) - np.array(node(ds, label)) / n
        images = [(apart - np.rint(apart) + shift) @ unit_cell for shift in SHIFTS]
        return np.linalg.norm(images, axis=-1).min(axis=0)

    far = on_lines(n) & (distance("G") > 0.1)
    near = np.minimum(distance("M"), distance("N")) < INNER_RADIUS / 2
    share = q[far].max() / min(q[node(ds, label)] for label in "MN")
    ratio = q[near].mean() / q.mean()
    ours = f"lines: {share:.1e} of q(M, N); around M and N: {ratio:.2f} of the mean |q|"
    return ours, share < 0.01 and ratio > 1


def judge_all(table: Iterable[dict], results: Results) -> list[dict[str, str]]:
    """Rows of the claims table: id, claim, paper, ours, unit, verdict, how."""
    rows = []
    for entry in table:
        found = judge(entry["id"], results)
        paper = entry.get("paper")
        words = (
            ", ".join(f"{k} = {v}" for k, v in paper.items()) if isinstance(paper, dict) else paper
        )
        rows.append(
            {
                "id": entry["id"],
                "claim": entry["claim"],
                "paper": "" if words is None else str(words),
                "ours": found["ours"],
                "unit": entry.get("unit", ""),
                "verdict": found["verdict"],
                "how": found["how"],
            }
        )
    return rows
