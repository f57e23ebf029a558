"""Find the field in which all P_perp have one sign, by layer distance."""

import numpy as np
import xarray as xr

from moirepol.dft.labels import total_dipole
from moirepol.errors import JobError
from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.structure.frames import read_frames
from moirepol.workflow.label_sets import settings_from
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

#: The stackings N and M have the largest |P_perp|. tau -> -tau maps one onto the other.
EXTREMES = ((1, 1, 3), (2, 2, 3))


def find_critical_field(labels: str, critical_field: str, pdf: str, png: str) -> None:
    """Compute P_perp at N and M, its response, and E_c = |P_perp| / response, by layer distance.

    P_perp(M) in the field +E equals -P_perp(N) in the field -E. The response is therefore half the
    sum of P_perp(N) and P_perp(M) in the field +E, divided by E. The second order cancels.

    Parameters
    ----------
    labels
        Label set with the stackings N and M of AA at one or more layer distances, without a field
        and in one field E > 0.
    critical_field
        NetCDF file to write.
    pdf, png
        Figure to write.

    Raises
    ------
    JobError
        If no layer distance has all four labels.
    """
    ds = read_netcdf(labels, "frame")
    standard = settings_from(ds)["layer_distance_A"]
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
            rows.append((distance, at_N, (N_in_field + M_in_field) / (2 * field)))
    if not rows:
        raise JobError(f"{labels}: no distance has labels of N and M with and without a field")
    distance, at_N, response = np.array(rows).T
    ds = xr.Dataset(
        {
            "P_perp": ("distance", np.abs(at_N), {"units": "e.angstrom"}),
            "response": ("distance", response, {"units": "e.angstrom2/V"}),
            "critical_field": ("distance", np.abs(at_N) / response, {"units": "V/angstrom"}),
        },
        coords={
            "distance": ("distance", distance, {"units": "angstrom", "long_name": "layer distance"})
        },
    )
    write_netcdf(stamp(ds, "Critical field of AA by layer distance"), critical_field)

    figure, ax = new_figure(2.2)
    ax.plot(distance, UNIT * ds["P_perp"], "o-", color="tab:blue", markersize=3)
    ax.set(xlabel=r"layer distance ($\AA$)", ylim=(0, None))
    ax.set_ylabel(rf"$|P_\perp|$ at N, M ({DIPOLE})", color="tab:blue")
    right = ax.twinx()
    right.plot(distance, ds["critical_field"], "s-", color="tab:red", markersize=3)
    right.set_ylabel(r"critical field (V/$\AA$)", color="tab:red")
    right.set_ylim(bottom=0)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(find_critical_field, globals().get("snakemake"))
