"""Find the field in which all P_perp have one sign, by layer distance."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.dft.audit import total_dipole
from moirepol.errors import JobError
from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.predictor import Predictor
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.workflow.provenance import stamp, write_netcdf

#: The stackings N and M have the largest |P_perp|. tau -> -tau maps one onto the other.
EXTREMES = ((1, 1, 3), (2, 2, 3))


#: Layer distances of the curve.
POINTS = 56


def find_critical_field(
    labels: str,
    zero_field: Sequence[str],
    response: Sequence[str],
    heights: str,
    critical_field: str,
    pdf: str,
    png: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    distances_A: Sequence[float],
) -> None:
    """Compute P_perp at N, its response, and E_c = |P_perp| / response, by layer distance.

    The prediction is a curve. Its error is the root mean square of its relative deviations from the
    labels, which are held out of every fit.

    P_perp(M) in the field +E equals -P_perp(N) in the field -E. The response is therefore half the
    sum of P_perp(N) and P_perp(M) in the field +E, divided by E. The second order cancels.

    Parameters
    ----------
    labels
        Label set with the stackings N and M of AA at one or more layer distances, without a field
        and in one field E > 0.
    zero_field, response, heights
        As in `predict_dipoles`.
    critical_field
        NetCDF file to write.
    pdf, png
        Figure to write.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    distances_A
        Smallest and largest layer distance of the curve.

    Raises
    ------
    JobError
        If no layer distance has all four labels.
    """
    predictor = Predictor.from_files(zero_field, response, heights=heights)
    distance, P_perp, R = labelled(labels, layer_distance_A)
    lowest, highest = distances_A
    curve = np.linspace(lowest, highest, POINTS)
    lengths = lattice_constant_A, layer_distance_A
    predicted = np.array([at_N(predictor, d, *lengths) for d in (*curve, *distance)])
    of_model = predicted[:, 0] / predicted[:, 1]
    critical = P_perp / R
    relative = float(np.sqrt(np.mean((of_model[POINTS:] / critical - 1) ** 2)))
    field = {"units": "V/angstrom", "long_name": "critical field"}
    ds = xr.Dataset(
        {
            "P_perp": ("distance", P_perp, {"units": "e.angstrom"}),
            "response": ("distance", R, {"units": "e.angstrom2/V"}),
            "critical_field": ("distance", critical, field),
            "predicted_P_perp": ("curve", predicted[:POINTS, 0], {"units": "e.angstrom"}),
            "predicted_critical_field": ("curve", of_model[:POINTS], field),
            "relative_error": (
                (),
                relative,
                {"units": "1", "long_name": "error of the prediction relative to it"},
            ),
        },
        coords={
            "distance": ("distance", distance, {"units": "angstrom", "long_name": "label"}),
            "curve": ("curve", curve, {"units": "angstrom", "long_name": "layer distance"}),
        },
    )
    write_netcdf(stamp(ds, "Critical field of AA by layer distance"), critical_field)
    draw(ds, pdf, png)


def labelled(labels: str, standard: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return layer distances, |P_perp| at N and its response, from labels.

    Parameters
    ----------
    labels
        Label set.
    standard
        Layer distance in angstrom of labels whose name has none.

    Returns
    -------
    distance, P_perp, response : ndarray
        In angstrom, e.angstrom and e.angstrom^2/V.

    Raises
    ------
    JobError
        If no layer distance has all labels.
    """
    P = {}
    for frame in read_frames(labels):
        system = frame.system
        if system.indices in EXTREMES and system.geometry == "slide" and not system.strain_percent:
            key = system.distance_A or standard, system.field_V_per_A, system.indices
            P[key] = total_dipole(frame)[2]
    rows = []
    for distance, field in sorted({(d, E) for d, E, _ in P if E > 0}):
        needed = [(distance, E, slide) for E in (0.0, field) for slide in EXTREMES[: 1 + (E > 0)]]
        if all(key in P for key in needed):
            at_N, N_in_field, M_in_field = (P[key] for key in needed)
            rows.append((distance, abs(at_N), (N_in_field + M_in_field) / (2 * field)))
    if not rows:
        raise JobError(f"{labels}: no distance has labels of N and M with and without a field")
    distance, P_perp, response = np.array(rows).T
    return distance, P_perp, response


def at_N(
    predictor: Predictor, distance_A: float, lattice_constant_A: float, layer_distance_A: float
) -> tuple[float, float]:
    """Return the predicted |P_perp| of the stacking N and its response, at a layer distance.

    Parameters
    ----------
    predictor
        Models with the change of the dipoles with the heights.
    distance_A
        The layer distance.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.

    Returns
    -------
    P_perp, response : float
        In e.angstrom and e.angstrom^2/V.
    """
    system = System.parse("AA_slide-1-1-3").model_copy(update={"distance_A": distance_A})
    powers = predictor.expand(build(system, lattice_constant_A, layer_distance_A)).powers()
    zero_field, response = powers[:2].mean(axis=1)[..., 2].sum(axis=-1)
    return abs(zero_field), response


def draw(ds: xr.Dataset, pdf: str, png: str) -> None:
    """Draw |P_perp| and the critical field against the layer distance.

    Parameters
    ----------
    ds
        Data of `find_critical_field`.
    pdf, png
        Pictures to write.
    """
    figure, axes = new_figure(3.6, nrows=2, sharex=True)
    axes[0].plot(ds["curve"], UNIT * ds["predicted_P_perp"], color="tab:blue", label="prediction")
    axes[0].plot(
        ds["distance"], UNIT * ds["P_perp"], "o", color="black", markersize=3, label="DFT, held out"
    )
    axes[0].set_ylabel(rf"$|P_\perp|$ at N ({DIPOLE})")
    field, error = ds["predicted_critical_field"], float(ds["relative_error"])
    axes[1].fill_between(
        ds["curve"], (1 - error) * field, (1 + error) * field, alpha=0.3, linewidth=0
    )
    axes[1].plot(ds["curve"], field, color="tab:blue")
    axes[1].plot(ds["distance"], ds["critical_field"], "o", color="black", markersize=3)
    axes[1].set(xlabel="layer distance (Å)", ylabel="critical field (V/Å)")
    for ax in axes:
        ax.set_ylim(bottom=0)
        ax.margins(x=0.02)
    axes[0].legend()
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(find_critical_field, globals().get("snakemake"))
