"""Claims of Fig. 2: twisted bilayers."""

from collections.abc import Mapping

import numpy as np

from moirepol.claims.framework import Found, Results, claim, claim_of_value
from moirepol.claims.measures import (
    CHARGE_TOLERANCE,
    ZERO_EA,
    angle_between,
    at,
    cosine,
    direct_mapping,
    displacement,
    finest_charges,
    in_eA,
    node,
    on_lines,
    par,
    perp,
    rms,
    swirl,
)
from moirepol.physics.polarization import layer_fields
from moirepol.structure.conventions import LAYERS, LOWER, UPPER
from moirepol.structure.frames import dipole_errors

#: The cell of 6.01 degrees, held out of training.
LARGE_CELL = "AA_twist-5-6"
#: Grid points per cell vector of P(r) in the comparison with direct first principles.
GRID = 96
#: Inner radius of the triangles around N and M, in lengths of the cell vectors.
INNER_RADIUS = np.sqrt(3) / 6


@claim_of_value("F2-mae", "fig2h")
def error_at_6_degrees(results: Results, paper: float) -> Found:
    """Mean absolute error (MAE) over all N atoms and components of the 364-atom cell, against
    direct DFT. This label is held out of training. The first MAE is that of the prediction. The
    second MAE is that of the prediction without the long range. The third MAE is that of P(r), the
    sum of the layers. P(r) does not depend on the division of a dipole between the layers. The
    MAEs of models and studies that contain this cell follow. The claim is reproduced if the first
    MAE is at most twice that of the paper.
    """
    label, frame = results.label(LARGE_CELL), results.frame(LARGE_CELL)
    arrays = {"prediction": "dipole", "short range": "dipole_short_range"}
    errors = {
        words: np.abs(dipole_errors(frame, label, array)).mean()
        for words, array in arrays.items()
        if array in frame.arrays
    }
    P, direct = (layer_fields(atoms, GRID).sum(axis=0) for atoms in (frame, label))
    errors["P(r)"] = np.abs(P - direct).mean()
    compared = [(ds.attrs["model"], ds) for ds in results.parities]
    compared += [(f"study {name}", ds) for name, ds in results.studies.items()]
    for words, ds in compared:
        tested = ((ds["frame"] == LARGE_CELL) & (ds["split"] == "test")).values
        if tested.any():
            errors[words] = np.abs((ds["model"] - ds["dft"]).values[tested]).mean()
    ours = "; ".join(f"{words} {in_eA()}" for words in errors)
    return ours, errors.values(), bool(errors["prediction"] <= 2 * paper)


@claim("F2-layers", "fig2b")
def layers_of_twist(results: Results) -> Found:
    """6.01 degrees. p_z is positive on every upper N and negative on every lower N. The in-plane
    fields of the layers are opposite, with a similarity below -1/2 (1: equal, -1: opposite).
    """
    frame, ds = results.frame(LARGE_CELL), results.map(LARGE_CELL)
    p, layer = frame.arrays["dipole"][:, 2], frame.layer
    up, down = p[frame.is_site & (layer == UPPER)], p[frame.is_site & (layer == LOWER)]
    lower, upper = (ds["P_layer"].sel(layer=name).values[:2] for name in LAYERS)
    similarity = cosine(lower, upper)
    ours = f"upper at least {in_eA()}, lower at most {in_eA()}; similarity {{:.2f}}"
    holds = bool(up.min() > 0 > down.max() and similarity < -0.5)
    return ours, (up.min(), down.max(), similarity), holds


@claim("F2-vortex", "fig2c, fig2h")
def vortices_of_twist(results: Results) -> Found:
    """6.01 degrees. P_par has index +1 at M and N, with helicities at least 150 degrees apart.
    P_perp is opposite and extreme at M and N. P_perp vanishes on the boundary and the short
    diagonal. |P_par| is largest at A, B and C. The tolerance is 2e-5 e.A.
    """
    ds = results.map(LARGE_CELL)
    (index_M, helicity_M), (index_N, helicity_N) = swirl(ds, "M"), swirl(ds, "N")
    M, N = at(ds, "M")[2], at(ds, "N")[2]
    ABC = min(np.hypot(*at(ds, label)[:2]) for label in "ABC")
    deviations = (
        abs(M + N),
        np.abs(perp(ds)).max() - min(abs(M), abs(N)),
        np.abs(perp(ds)[on_lines(ds.sizes["i"])]).max(),
        par(ds).max() - ABC,
    )
    ours = (
        "indices {:.0f}, {:.0f}, helicities {:.0f}, {:.0f} deg at M, N; "
        f"P_perp {in_eA(2)}; largest deviation {in_eA()}"
    )
    numbers = index_M, index_N, helicity_M, helicity_N, M, N, max(deviations)
    vortices = index_M == index_N == 1 and angle_between(helicity_M, helicity_N) >= 150
    return ours, numbers, bool(vortices and max(deviations) <= ZERO_EA < abs(M))


@claim("F2-map", "fig2d, fig2e, fig2g")
def closer_at_smaller_angles(results: Results) -> Found:
    """Each twisted map is compared with the configuration map at the same local stacking. The
    relative difference is the root mean square of the difference of the two maps, divided by that
    of the configuration map. It decreases as the angle decreases, over all angles.
    """
    configuration = results.map("configuration_AA")
    deviations = {}
    for angle, ds in results.twists("AA"):
        mapped = direct_mapping(ds, configuration)
        deviations[angle] = 100 * rms(ds["P"].values - mapped) / rms(mapped)
    ours = ", ".join(f"{angle:.2f} deg: {{:.1f}} %" for angle in deviations)
    return ours, deviations.values(), bool((np.diff(list(deviations.values())) > 0).all())


@claim_of_value("F2-Q", "fig2f")
def half_charges(results: Results, paper: Mapping[str, float]) -> Found:
    """1.54 degrees. Q is computed by finite differences (Eq. 3), by solid angles and by the sign
    rule. |Q| at N and M, and the total Q, differ from those of the paper by at most 0.02. Q at N
    and M have opposite signs. P_par is within 15 degrees of the tangential direction (Bloch). P_par
    has three zeros near G, at a tenth of the cell vectors. Because of these zeros, |Q| by the first
    two methods is below 1/2 (docs/methods.md). Orientation: z points from the lower to the upper
    layer, and P_perp is downward at N, so Q_N < 0. |Q| = 1/2 requires P_perp = 0 on the edges.
    Symmetry makes this condition exact.
    """
    ours, numbers, Q = finest_charges(results.charge("AA_twist-21-22"))
    helicities = [swirl(results.map("AA_twist-21-22"), label)[1] for label in "NM"]
    N, M, total = (Q.sel(region=region).values for region in ("N", "M", "total"))
    halves = (
        np.abs(np.abs([N, M]) - np.abs([paper["Q_N"], paper["Q_M"]])[:, None]).max()
        <= CHARGE_TOLERANCE
        and (N * M < 0).all()
    )
    bloch = all(abs(abs(angle) - 90) < 15 for angle in helicities)
    ours += "; helicities N {:.0f}, M {:.0f} deg"
    holds = halves and bloch and np.abs(total - paper["total"]).max() <= CHARGE_TOLERANCE
    return ours, (*numbers, *helicities), bool(holds)


@claim("F2-q-zero", "fig2f")
def charge_near_M_and_N(results: Results) -> Found:
    """1.54 degrees. On the paths G-A, G-B and G-C, |q| is below 1 % of its value at M and N. Points
    within a tenth of the cell from G are not included. The mean |q| near M and N is larger than
    that of the cell. Near means within half the inner radius of the triangles.
    """
    ds = results.charge("AA_twist-21-22")
    q = np.abs(ds["charge_density"].values)
    M, N, G = (np.linalg.norm(displacement(ds, label), axis=-1) for label in "MNG")
    far = on_lines(len(q)) & (G > 0.1)
    near = np.minimum(M, N) < INNER_RADIUS / 2
    share = q[far].max() / min(q[node(ds, label)] for label in "MN")
    ratio = q[near].mean() / q.mean()
    ours = "lines: {:.1e} of q(M, N); around M and N: {:.2f} of the mean |q|"
    return ours, (share, ratio), bool(share < 0.01 and ratio > 1)
