"""Write a sweep as a table."""

import numpy as np
import pandas as pd
import xarray as xr

from moirepol.workflow.provenance import read_netcdf

#: Dimensions whose combinations are the rows.
ROWS = ("system", "strain", "field")


def export_sweep(sweep: str, csv: str) -> None:
    """Write the quantities of a sweep, a row for each system, strain and field.

    Parameters
    ----------
    sweep
        File of `collect_sweep`.
    csv
        Table to write. Units are in the names of the columns.
    """
    table(read_netcdf(sweep, *ROWS)).to_csv(csv, index=False, float_format="%.9g")


def table(ds: xr.Dataset) -> pd.DataFrame:
    """Return the variables that depend on all of `ROWS` as columns.

    Parameters
    ----------
    ds
        A sweep.

    Returns
    -------
    pd.DataFrame
        Columns are named by the variable, its other coordinates and its unit.
    """
    rows = ds[list(ROWS)].stack(row=ROWS).reset_index("row")
    columns = {name: rows[name].values for name in ROWS}
    for name, variable in ds.data_vars.items():
        if not set(ROWS) <= set(variable.dims):
            continue
        stacked = variable.stack(row=ROWS)
        others = [dim for dim in stacked.dims if dim != "row"]
        unit = variable.attrs.get("units", "1")
        ending = "" if unit == "1" else f" ({unit})"
        for index in np.ndindex(*(stacked.sizes[dim] for dim in others)):
            part = stacked.isel(dict(zip(others, index, strict=True)))
            words = [str(ds[dim].values[i]) for dim, i in zip(others, index, strict=True)]
            columns["_".join([str(name), *words]) + ending] = part.values
    return pd.DataFrame(columns)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_sweep, globals().get("snakemake"))
