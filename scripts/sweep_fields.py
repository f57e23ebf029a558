"""Evaluate one moire bilayer in many fields: charges, polarization and thresholds."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.physics.expansion import first_zero, polynomial_at
from moirepol.physics.polarization import (
    COMPONENTS,
    cell_points,
    layer_fields,
    net_polarization,
    point_fractions,
)
from moirepol.physics.topology import METHODS, REGIONS, by_region, charges
from moirepol.prediction import Prediction
from moirepol.structure.bilayer import Bilayer
from moirepol.workflow.provenance import stamp, write_netcdf

#: Points whose sign of P_perp determines the charges.
DECIDING = ("G", "N", "M")
#: Quantities in each field: name -> (dimensions, unit, long name).
QUANTITIES = {
    "Q": (("scheme", "region"), "1", "topological charge"),
    "P_perp_lowest": ((), "e.angstrom", "lowest P_perp of the map"),
    "P_perp_highest": ((), "e.angstrom", "highest P_perp of the map"),
    "P_perp_mean": ((), "e.angstrom", "mean P_perp of the map"),
    "P_par_largest": ((), "e.angstrom", "largest |P_par| of the map"),
    "P_point": (("point", "component"), "e.angstrom", "polarization at the named points"),
    "net_polarization": ((), "pC/m", "dipole of the cell along z, all N atoms, per area"),
}


def sweep_fields(
    prediction: Prediction,
    geometry: str,
    fields_V_per_A: Sequence[float],
    grid_points: int,
    points_per_period: int,
    zero_tolerance: float,
) -> None:
    """Predict the powers of the field once, and evaluate the pattern in every field.

    Parameters
    ----------
    prediction
        The bilayer, without a field, and the files of the prediction.
    geometry
        NetCDF file to write.
    fields_V_per_A
        Fields along z in V/angstrom.
    grid_points
        Number of points of the coarse grid along each cell vector, a multiple of 6. The members are
        evaluated on the coarse grid. Q is evaluated on a grid that is twice as fine.
    points_per_period
        Number of points along each vector of the pattern at which dipoles are evaluated.
    zero_tolerance
        Fraction of the largest |P| that counts as zero in Q.
    """
    system, predictor = prediction.system, prediction.predictor
    atoms = prediction.sampled(points_per_period)
    powers = predictor.expand(atoms).powers()
    net, P = map_powers(atoms, powers, grid_points)
    _, fine = map_powers(atoms, powers.mean(axis=1, keepdims=True), 2 * grid_points)
    named = cell_points(atoms.cell.array[:2, :2], atoms.stacking_points())
    points = point_fractions(named)

    def found_in(field):
        """Return all quantities on the coarse grid, for the mean and for every member."""
        found = [in_field(one, points, zero_tolerance) for one in polynomial_at(P, field)]
        values = {name: np.array([one[name] for one in found]) for name in found[0]}
        values["net_polarization"] = polynomial_at(net, field)
        at_fine_nodes = polynomial_at(fine, field)[0]
        values["Q_fine"] = by_region(charges(at_fine_nodes, zero_tolerance)[0], points)
        return values

    by_field = [found_in(field) for field in fields_V_per_A]
    values = {name: np.array([found[name] for found in by_field]) for name in by_field[0]}
    out = xr.Dataset()
    for name, (dims, unit, meaning) in QUANTITIES.items():
        mean, members = values[name][:, 0], values[name][:, 1:]
        error = members.std(axis=1, ddof=1) if members.shape[1] > 1 else np.nan * mean
        out[name] = ("field", *dims), mean, {"units": unit, "long_name": meaning}
        out[f"{name}_error"] = ("field", *dims), error
        out[f"{name}_error"].attrs.update(
            units=unit, long_name=f"committee standard deviation: {meaning}"
        )
    out["Q_grid_error"] = out["Q"].dims, np.abs(values["Q_fine"] - out["Q"].values)
    out["Q_grid_error"].attrs.update(
        units="1", long_name="change of Q on a grid with half the points"
    )
    out["Q"].values = values["Q_fine"]

    nodes = [tuple(np.rint(points[label] * P.shape[-1]).astype(int)) for label in DECIDING]
    zeros = np.array([[first_zero(one[:, 2, *node]) for node in nodes] for one in P.swapaxes(0, 1)])
    error = zeros[1:].std(axis=0, ddof=1) if len(zeros) > 2 else np.nan * zeros[0]
    field = {"units": "V/angstrom"}
    for name, threshold, meaning in (
        ("threshold_field", zeros[0], "field at which P_perp at the point changes sign"),
        ("threshold_field_error", error, "committee standard deviation: threshold_field"),
    ):
        out[name] = "deciding", threshold, field | {"long_name": meaning}
    out = out.assign_coords(
        field=("field", list(fields_V_per_A), field | {"long_name": "electric field along z"}),
        scheme=list(METHODS),
        region=list(REGIONS),
        point=list(points),
        component=list(COMPONENTS),
        deciding=list(DECIDING),
    )
    settings = {"grid_points": grid_points, "zero_tolerance": zero_tolerance}
    settings |= predictor.settings
    out.attrs["system"] = system
    write_netcdf(stamp(out, f"{system} in many fields", settings), geometry)


def map_powers(bilayer: Bilayer, powers: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Map the coefficients of the dipoles' expansion in the field.

    Parameters
    ----------
    bilayer
        A moiré cell.
    powers
        Coefficients (power, member, m, 3) of the sites' dipoles in e.angstrom (angstrom/V)^power.
    n
        Grid points along each cell vector.

    Returns
    -------
    tuple of ndarray
        Net polarization (power, case) in pC/m and map (power, case, 3, n, n) in e.angstrom per
        pair of sites. The first case is the committee mean; the members follow, if there are
        several.
    """
    cases = powers.mean(axis=1, keepdims=True)
    if powers.shape[1] > 1:
        cases = np.concatenate([cases, powers], axis=1)
    cases = np.moveaxis(cases, 2, 0)
    bilayer = bilayer.copy()
    bilayer.set_site_array("powers", cases)
    net = net_polarization(bilayer, cases)[..., 2]
    return net, layer_fields(bilayer, n, "powers").sum(axis=0)


def in_field(P, points, zero_tolerance):
    """Return all quantities of one map P (3, n, n) in e.A."""
    nodes = np.rint(np.array(list(points.values())) * P.shape[-1]).astype(int)
    return {
        "Q": by_region(charges(P, zero_tolerance)[0], points),
        "P_perp_lowest": P[2].min(),
        "P_perp_highest": P[2].max(),
        "P_perp_mean": P[2].mean(),
        "P_par_largest": np.hypot(*P[:2]).max(),
        "P_point": P[:, nodes[:, 0], nodes[:, 1]].T,
    }


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(sweep_fields, globals().get("snakemake"))
