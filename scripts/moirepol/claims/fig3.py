"""Claims of Fig. 3: lattice mismatch."""

from collections.abc import Mapping

import numpy as np

from moirepol.claims.framework import Found, Results, claim, claim_of_value
from moirepol.claims.measures import (
    ZERO_EA,
    cosine,
    direct_mapping,
    distance_to_segment,
    in_eA,
    nearest_image,
    node,
    perp,
    swirl,
    whole_charges,
)
from moirepol.physics.polarization import net_polarization
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.names import System

#: Largest lattice mismatch that represents eta -> 0.
NEAR_ZERO = 0.015


def extra_perp(results: Results, system: str) -> np.ndarray:
    """Return P_perp (n, n) minus that of the configuration map at the same local stacking."""
    ds = results.map(system)
    return perp(ds) - direct_mapping(ds, results.map("configuration_AA"))[2]


@claim("F3-unpaired", "fig3a, fig3b")
def unpaired_nitrogens(results: Results) -> Found:
    """An unpaired N atom is a lower N atom without a partner (docs/glossary.md). The lines from A,
    B and C to the neighbouring N and M points are the path and its images by threefold rotation.
    All unpaired N atoms lie within one lattice constant of these lines. Their mean distance from
    the lines is at most half that of all lower N atoms.
    """
    frame = results.frame("AA_mismatch-9-10")
    cell = np.asarray(frame.cell)[:2, :2]
    xy = frame.positions[:, :2]
    nitrogen, layer = frame.is_site, frame.layer
    lower, upper = xy[nitrogen & (layer == 0)], xy[nitrogen & (layer == 1)]
    apart = np.linalg.norm(nearest_image(lower[:, None] - upper[None], cell), axis=-1)
    partner = apart.argmin(axis=1)
    unpaired = apart.argmin(axis=0)[partner] != np.arange(len(lower))
    if not unpaired.any():
        return "none is unpaired", (), False
    points = frame.stacking_points()
    distance = np.min(
        [
            distance_to_segment(lower, points[middle], points[corner], cell)
            for middle in "ABC"
            for corner in "NM"
        ],
        axis=0,
    )
    constant = np.linalg.norm(frame.lattices[0][0])
    farthest, ratio = (
        distance[unpaired].max() / constant,
        distance[unpaired].mean() / distance.mean(),
    )
    ours = "{:.0f} of {:.0f} atoms, at most {:.2f} lattice constants from the lines"
    return ours, (unpaired.sum(), len(lower), farthest), bool(farthest < 1 and ratio < 0.5)


@claim("F3-par", "fig3c")
def parallel_of_strain(results: Results) -> Found:
    """Eta = 5 %. The similarity of P_par to the configuration map at the same local stacking is at
    least 0.95 (1: equal up to a factor). At M and N, P_par is within 15 degrees of the radial
    direction (Neel).
    """
    ds = results.map("AA_mismatch-19-20")
    similarity = cosine(ds["P"].values[:2], direct_mapping(ds, results.map("configuration_AA"))[:2])
    helicities = [swirl(ds, label)[1] for label in "NM"]
    ours = "similarity {:.3f}; helicities N {:.0f}, M {:.0f} deg"
    neel = all(min(abs(angle), 180 - abs(angle)) < 15 for angle in helicities)
    return ours, (similarity, *helicities), similarity >= 0.95 and neel


@claim("F3-extra", "fig3c, fig3g")
def extra_of_strain(results: Results) -> Found:
    """Eta = 5 %. The extra P_perp is P_perp minus the configuration map at the same local stacking.
    The size of its mean exceeds 2e-5 e.A. Its standard deviation is below half the mean (nearly
    uniform). Its value at G is at least half the mean.
    """
    extra = extra_perp(results, "AA_mismatch-19-20")
    at_G = extra[node(results.map("AA_mismatch-19-20"), "G")]
    mean, deviation = extra.mean(), extra.std()
    ours = f"mean {in_eA()}, deviation {in_eA()}, at G {in_eA()}"
    holds = abs(mean) > ZERO_EA and deviation < abs(mean) / 2 < at_G * np.sign(mean)
    return ours, (mean, deviation, at_G), bool(holds)


@claim("F3-decay", "fig3d, fig3g")
def decay_of_extra(results: Results) -> Found:
    """The mean extra P_perp is smaller in size at eta = 1 % than at 5 %."""
    small, large = (
        extra_perp(results, system).mean() for system in ("AA_mismatch-99-100", "AA_mismatch-19-20")
    )
    return f"1 %: {in_eA()}, 5 %: {in_eA()}", (small, large), bool(abs(small) < abs(large))


@claim_of_value("F3-Q-plus", "fig3e, fig3h")
def charges_of_positive_strain(results: Results, paper: Mapping[str, float]) -> Found:
    """Eta = +1 %. Q_N and Q_M by all three methods differ from those of the paper by at most 0.02.
    Orientation as in F2-Q.
    """
    return whole_charges(results, "AA_mismatch-99-100", paper)


@claim_of_value("F3-Q-minus", "fig3f, fig3h")
def charges_of_negative_strain(results: Results, paper: Mapping[str, float]) -> Found:
    """Eta = -1 %. Q_N and Q_M by all three methods differ from those of the paper by at most 0.02.
    Orientation as in F2-Q.
    """
    return whole_charges(results, "AA_mismatch-101-100", paper)


def net_along_z(frame: Bilayer) -> tuple[float, float]:
    """Return the out-of-plane dipole of a cell per area and its error, in pC/m.

    The error is the standard deviation over the members. It is 0 without members.
    """
    members = frame.arrays.get("dipole_member")
    error = 0.0
    if members is not None and members.shape[1] > 1:
        error = float(np.std(net_polarization(frame, members[frame.is_site])[:, 2], ddof=1))
    return float(net_polarization(frame, frame.dipoles)[2]), error


@claim("F3-net", "fig3g")
def net_of_strain(results: Results) -> Found:
    """The net polarization is the out-of-plane dipole of all N atoms of the cell, per area. It is
    downward at eta = +1 %, where the lower layer contains more cells. It is upward at -1 %. These
    are the smallest |eta| among the maps. The table also contains the values of other mismatched
    cells and of direct DFT. The mean of the map is another quantity. In this mean, both layers have
    the same weight, although one layer has more N atoms. The claim is undecided if a value is
    smaller than its error.
    """
    for system in ("AA_mismatch-99-100", "AA_mismatch-101-100"):
        results.frame(system)
    net: dict[str, dict[float, float]] = {"": {}, "direct DFT ": {}}
    spread: dict[float, float] = {}
    for source, frames in zip(net, (results.dipoles, results.labels), strict=True):
        for name, frame in frames.items():
            if name.startswith("AA_mismatch"):
                eta = System.parse(name).eta
                net[source][eta], error = net_along_z(frame)
                if not source:
                    spread[eta] = error
    found = [(source, eta, P) for source in net for eta, P in sorted(net[source].items())]
    ours = ", ".join(f"{source}{100 * eta:+.0f} %: {{:.3f}} pC/m" for source, eta, _ in found)
    near = {eta: P for eta, P in net[""].items() if abs(eta) < NEAR_ZERO}
    holds = all(P * eta < 0 for eta, P in near.items())
    clear = all(abs(P) > spread[eta] for eta, P in near.items())
    return ours, [P for _, _, P in found], holds if clear else None
