"""Collect all geometries of a sweep in one data set."""

import numpy as np
import xarray as xr

from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

#: Quantities that differ between the systems of a sweep: coordinates of the dimension `system`.
AXES = {
    "twist_angle": ("degree", "twist angle", lambda system: system.twist_angle_deg),
    "eta": ("1", "lattice mismatch, > 0 if the lower layer is compressed", lambda s: s.eta),
}


def collect_sweep(geometries: list[str], sweep: str, systems: list[str], strains: list[float]):
    """Stack the files of `sweep_fields` along the dimensions (system, strain, field, ...).

    Parameters
    ----------
    geometries
        One file for every strain of every system, all strains of the first system first.
    sweep
        NetCDF file to write. If the systems differ in twist angle or eta, ``threshold_<axis>``
        contains the values at which Q changes, interpolated linearly between neighbouring systems.
    systems
        Names of the systems.
    strains
        Biaxial strains in percent.
    """
    found = [read_netcdf(path, "Q", "threshold_field") for path in geometries]
    rows = [found[i : i + len(strains)] for i in range(0, len(found), len(strains))]
    out = xr.combine_nested(
        rows,
        concat_dim=["system", "strain"],
        combine_attrs="override",
        coords="minimal",
        join="exact",
    )
    parsed = [System.parse(name) for name in systems]
    out = out.assign_coords(
        system=list(systems), strain=("strain", list(strains), {"units": "percent"})
    )
    out["strain"].attrs["long_name"] = "biaxial strain of both layers"
    for axis, (unit, meaning, value) in AXES.items():
        values = [value(system) for system in parsed]
        out = out.assign_coords({axis: ("system", values, {"units": unit, "long_name": meaning})})
        if len(set(values)) > 1:
            P_perp = out["P_point"].sel(component="z", point=out["deciding"].values)
            crossings = along(out[axis].values, P_perp.transpose("system", ...).values)
            out[f"threshold_{axis}"] = (
                ("strain", "field", "deciding", "crossing"),
                crossings,
                {"units": unit, "long_name": f"where P_perp at the point changes sign, by {axis}"},
            )
    out.attrs.pop("system", None)
    out = out.transpose("system", "strain", "field", ..., missing_dims="ignore")
    write_netcdf(stamp(out, f"Sweep over {len(systems)} systems"), sweep)


def along(places, values):
    """Find the zeros of values by linear interpolation between neighbouring systems.

    Parameters
    ----------
    places
        Twist angle or eta (system,).
    values
        Values (system, ...).

    Returns
    -------
    ndarray
        Sorted zeros (..., crossing), NaN beyond the last one.
    """
    order = np.argsort(places)
    x, y = places[order], np.moveaxis(values[order], 0, -1)
    low, high = y[..., :-1], y[..., 1:]
    crossed = (low < 0) != (high < 0)
    share = np.divide(low, low - high, out=np.zeros_like(low), where=crossed)
    zeros = np.sort(np.where(crossed, x[:-1] + share * np.diff(x), np.nan), axis=-1)
    return zeros[..., : max(1, int(crossed.sum(axis=-1).max()))]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(collect_sweep, globals().get("snakemake"))
