"""Topological charge of a polarization map, with its errors."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.physics.polarization import point_fractions, resample
from moirepol.physics.topology import METHODS, REGIONS, by_region, charges


def charge_of_map(ds: xr.Dataset, grids: Sequence[int], zero_tolerance: float) -> xr.Dataset:
    """Compute charges by finite differences (Eq. 3), solid angles (Berg-Luscher) and the sign rule.

    Parameters
    ----------
    ds
        Map with the data of `moirepol.physics.polarization.map_of_bilayer`.
    grids
        Grid points per cell vector, multiples of 6, for which Q is repeated.
    zero_tolerance
        Fraction of the largest |P| below which P counts as zero.

    Returns
    -------
    xr.Dataset
        Charges and their density (`docs/data.md`).

    Raises
    ------
    JobError
        If the cell has no G point at its origin.
    """
    P = ds["P"].values
    points = point_fractions(ds)
    if not np.allclose([ds["point_x"].sel(point="G"), ds["point_y"].sel(point="G")], 0, atol=1e-6):
        raise JobError(f"{ds.attrs['system']}: the cell has no G point at its origin")
    by_grid, left_out = [], []
    for n in grids:
        Q, _, without_angle = charges(resample(P, n), zero_tolerance)
        by_grid.append(by_region(Q, points))
        left_out.append(without_angle)
    n = P.shape[-1]
    _, density, _ = charges(P, zero_tolerance)
    area = abs(np.linalg.det(ds["cell"].values)) / n**2

    nodes = np.rint(np.array(list(points.values())) * n).astype(int) % n
    at_points = P[:, nodes[:, 0], nodes[:, 1]].T
    out = xr.Dataset(
        {
            "charge_density": (
                ("i", "j"),
                density / area,
                {"units": "angstrom-2", "long_name": "topological charge density, Eq. (3)"},
            ),
            "Q": (
                ("grid", "scheme", "region"),
                np.array(by_grid),
                {"units": "1", "long_name": "topological charge"},
            ),
            "left_out": (
                "grid",
                left_out,
                {"units": "1", "long_name": "grid triangles without a solid angle"},
            ),
            "P_point": (
                ("point", "component"),
                at_points,
                {"units": "e.angstrom", "long_name": "polarization per N pair at the named points"},
            ),
            "cell": ds["cell"],
        },
        coords={
            "scheme": list(METHODS),
            "region": list(REGIONS),
            "grid": ("grid", list(grids), {"long_name": "grid points per cell vector"}),
        }
        | {name: ds[name] for name in ("component", "point", "point_x", "point_y", "x", "y")},
        attrs={"system": ds.attrs["system"], "space": ds.attrs["space"]},
    )
    if len(grids) > 1:
        finest = sorted(grids)[-2:]
        grid_error = abs(out["Q"].sel(grid=finest).diff("grid").isel(grid=0, drop=True))
        out["Q_grid_error"] = grid_error.drop_vars("grid", errors="ignore")
        out["Q_grid_error"].attrs.update(long_name="change of Q between the two finest grids")
    if "P_member" in ds:
        members = [
            by_region(charges(field, zero_tolerance)[0], points) for field in ds["P_member"].values
        ]
        out["Q_member"] = ("member", "scheme", "region"), np.array(members)
        out["Q_member"].attrs.update(units="1", long_name="topological charge by each member")
        out["Q_model_error"] = ("scheme", "region"), np.std(members, axis=0, ddof=1)
        out["Q_model_error"].attrs.update(
            units="1", long_name="standard deviation of Q over the members of the committee"
        )
    return out
