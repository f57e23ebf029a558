"""Claims of Fig. 4: vertical field and antiparallel layers."""

from collections.abc import Mapping

import numpy as np

from moirepol.claims.framework import Found, Results, claim, claim_of_value
from moirepol.claims.measures import (
    ZERO_EA,
    at,
    direct_mapping,
    displacement,
    in_eA,
    par,
    perp,
    whole_charges,
)

#: The twisted bilayer of 1.085 degrees.
IN_FIELD = "AA_twist-30-31"
FIELD_V_PER_A = 0.02


@claim("F4-response", "fig4a, fig4d")
def response_along_path(results: Results) -> Found:
    """1.085 degrees, 0.02 V/A, along G-N-C-M-G (the long diagonal). The largest change of P_perp is
    at least five times that of P_par.
    """
    before, after = results.map(IN_FIELD), results.map(results.in_field(IN_FIELD, FIELD_V_PER_A))
    line = np.arange(before.sizes["i"])
    change = [np.abs(part(after) - part(before))[line, line].max() for part in (perp, par)]
    ours = f"change of P_perp, P_par at {FIELD_V_PER_A} V/A: {in_eA(2)}"
    return ours, change, bool(change[0] >= max(5 * change[1], ZERO_EA))


@claim("F4-0.02-map", "fig4b")
def shift_in_field(results: Results) -> Found:
    """1.085 degrees, 0.02 V/A. The change of P_perp has a standard deviation below half its mean.
    In one region, P_perp has the sign that it has at M without a field. This region covers less
    than half of the triangle around M. It does not extend beyond this triangle. The paper does not
    state the direction of its field. A downward field is used if its map exists.
    """
    before, after = results.map(IN_FIELD), results.map(results.in_field(IN_FIELD, FIELD_V_PER_A))
    change = perp(after) - perp(before)
    islands = perp(after) * np.sign(at(before, "M")[2]) > 0
    M, N = (np.linalg.norm(displacement(after, label), axis=-1) for label in "MN")
    outside = islands & (N < M)
    ours = f"shift {in_eA()} with deviation {in_eA()}; sign of P_perp(M) on {{:.0f}} % of the cell"
    numbers = change.mean(), change.std(), 100 * islands.mean()
    uniform = change.std() < abs(change.mean()) / 2
    return ours, numbers, bool(uniform and 0 < islands.mean() < 0.25 and not outside.any())


@claim_of_value("F4-0.02-Q", "fig4e, fig4j")
def charges_at_low_field(results: Results, paper: Mapping[str, float]) -> Found:
    """0.02 V/A. Q_M and Q_N by all three methods differ from those of the paper by at most 0.02.
    Field direction as in F4-0.02-map.
    """
    return whole_charges(results, results.in_field(IN_FIELD, FIELD_V_PER_A), paper)


@claim_of_value("F4-0.03-Q", "fig4c, fig4f, fig4j")
def charges_at_high_field(results: Results, paper: Mapping[str, float]) -> Found:
    """0.03 V/A. Q_M and Q_N by all three methods differ from those of the paper by at most 0.02.
    P_perp has the same sign everywhere.
    """
    system = results.in_field(IN_FIELD, 0.03)
    ours, numbers, none = whole_charges(results, system, paper)
    values = perp(results.map(system))
    extremes = values.min(), values.max()
    ours += f"; P_perp from {in_eA()} to {in_eA()}"
    return ours, (*numbers, *extremes), none and bool(extremes[0] * extremes[1] > 0)


@claim("F4-AAp-slide", "fig1d")
def antiparallel_slides(results: Results) -> Found:
    """Configuration map of AA'. |P| is at most 2e-5 e.A everywhere."""
    largest = np.abs(results.map("configuration_AAp")["P"].values).max()
    return f"largest component {in_eA()}", [largest], bool(largest <= ZERO_EA)


@claim("F4-AAp-perp", "fig4h")
def antiparallel_perp(results: Results) -> Found:
    """AA', 1.614 degrees. |P_perp| is at most 2e-5 e.A everywhere."""
    largest = np.abs(perp(results.map("AAp_twist-20-21"))).max()
    return in_eA(), [largest], bool(largest <= ZERO_EA)


@claim("F4-AAp-par", "fig4h")
def antiparallel_par(results: Results) -> Found:
    """AA', 1.614 degrees. The correlation of |P_par| with that of the AA configuration map at the
    same local stacking is at least 0.8. The ratio of the two largest |P_par| is between 1/30 and
    1/3.
    """
    ds = results.map("AAp_twist-20-21")
    ours, mapped = par(ds), np.hypot(*direct_mapping(ds, results.map("configuration_AA"))[:2])
    correlation = np.corrcoef(ours.ravel(), mapped.ravel())[0, 1]
    ratio = ours.max() / mapped.max()
    holds = bool(correlation >= 0.8 and 1 / 30 <= ratio <= 1 / 3)
    return "correlation {:.2f}, ratio {:.3f}", (correlation, ratio), holds


@claim("F4-AAp-theta", "fig4i")
def antiparallel_angles(results: Results) -> Found:
    """AA'. The largest |P_par| of a map decreases as the angle decreases, over all angles."""
    largest = {angle: par(ds).max() for angle, ds in results.twists("AAp")}
    ours = ", ".join(f"{angle:.2f} deg: {in_eA()}" for angle in largest)
    return ours, largest.values(), bool((np.diff(list(largest.values())) > 0).all())
