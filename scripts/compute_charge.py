"""Topological charge of a polarization map around its points N and M."""

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.physics.polarization import point_fractions, resample
from moirepol.physics.topology import METHODS, REGIONS, by_region, charges
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def compute_charge(
    polarization_map: str,
    charge: str,
    grids: list[int],
    zero_tolerance: float,
    offsets: list[float],
) -> None:
    """Charges by finite differences (Eq. 3), Berg-Luscher solid angles and the sign rule.

    polarization_map: the map. charge: the file to write. grids: grid points per cell vector,
    multiples of 6, for which Q is repeated. zero_tolerance: fraction of the largest |P| that counts
    as zero.
    offsets: uniform P_perp added to the map, as fractions of its largest |P_perp|, for which Q is
    repeated on the finest grid: near offset 0 the half charges are critical.
    """
    ds = read_netcdf(polarization_map, "P", "point_x")
    P = ds["P"].values
    points = point_fractions(ds)
    if not np.allclose([ds["point_x"].sel(point="G"), ds["point_y"].sel(point="G")], 0, atol=1e-6):
        raise JobError(f"{polarization_map}: the cell has no G point at its origin")
    by_grid, left_out = [], []
    for n in grids:
        Q, _, without_angle = charges(resample(P, n), zero_tolerance)
        by_grid.append(by_region(Q, points))
        left_out.append(without_angle)
    n = P.shape[-1]
    _, density, _ = charges(P, zero_tolerance)
    area = abs(np.linalg.det(ds["cell"].values)) / n**2

    fine = resample(P, max(grids))
    shifts = np.array(offsets) * np.abs(fine[2]).max()
    shifted = [fine + np.array([0, 0, shift])[:, None, None] for shift in shifts]
    by_offset = [by_region(charges(field, zero_tolerance)[0], points) for field in shifted]

    nodes = np.rint(np.array(list(points.values())) * n).astype(int) % n
    at_points = P[:, nodes[:, 0], nodes[:, 1]].T
    dipole = {"units": "e.angstrom"}
    out = xr.Dataset(
        {
            "q": (
                ("i", "j"),
                density / area,
                {"units": "angstrom-2", "long_name": "topological charge density, Eq. (3)"},
            ),
            "Q": (
                ("grid", "method", "region"),
                np.array(by_grid),
                {"units": "1", "long_name": "topological charge"},
            ),
            "left_out": (
                "grid",
                left_out,
                {"units": "1", "long_name": "grid triangles without a solid angle"},
            ),
            "Q_offset": (
                ("offset", "method", "region"),
                np.array(by_offset),
                {"units": "1", "long_name": "topological charge with a uniform P_perp added"},
            ),
            "P_point": (
                ("point", "component"),
                at_points,
                dipole | {"long_name": "polarization per N pair at the named points"},
            ),
            "P_at_G": (
                (),
                np.linalg.norm(at_points[list(points).index("G")]),
                dipole | {"long_name": "size of the polarization at G"},
            ),
            "P_perp_extreme": (
                (),
                np.abs(P[2]).max(),
                dipole | {"long_name": "largest |P_perp|"},
            ),
            "cell": ds["cell"],
        },
        coords={
            "method": list(METHODS),
            "region": list(REGIONS),
            "grid": ("grid", grids, {"long_name": "grid points per cell vector"}),
            "offset": ("offset", shifts, dipole | {"long_name": "uniform P_perp added"}),
        }
        | {name: ds[name] for name in ("component", "point", "point_x", "point_y", "x", "y")},
        attrs={"system": ds.attrs["system"], "space": ds.attrs["space"]},
    )
    if "dipole_spread" in ds:
        out["dipole_spread"] = ds["dipole_spread"]
    if len(grids) > 1:
        finest = sorted(grids)[-2:]
        grid_error = np.abs(out["Q"].sel(grid=finest).diff("grid").isel(grid=0, drop=True))
        out["Q_grid_error"] = grid_error.drop_vars("grid", errors="ignore")
        out["Q_grid_error"].attrs.update(long_name="change of Q between the two finest grids")
    if "P_member" in ds:
        members = [
            by_region(charges(resample(field, max(grids)), zero_tolerance)[0], points)
            for field in ds["P_member"].values
        ]
        out["Q_member"] = ("member", "method", "region"), np.array(members)
        out["Q_member"].attrs.update(units="1", long_name="topological charge by each member")
        out["Q_model_error"] = ("method", "region"), np.std(members, axis=0, ddof=1)
        out["Q_model_error"].attrs.update(
            units="1", long_name="standard deviation of Q over the members of the committee"
        )
    settings = {"grids": grids, "zero_tolerance": zero_tolerance, "offsets": offsets}
    write_netcdf(stamp(out, f"Topological charge of {ds.attrs['system']}", settings), charge)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compute_charge, globals().get("snakemake"))
