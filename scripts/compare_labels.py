"""Compare the labels that two label sets have in common."""

import numpy as np
import pandas as pd
import xarray as xr

from moirepol.dft.agreement import largest_difference
from moirepol.errors import JobError
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf

#: name -> long name; the unit is e.angstrom
COLUMNS = {
    "in_plane": "mean absolute difference of the in-plane components",
    "out_of_plane": "mean absolute difference of the out-of-plane components",
    "net": "largest absolute difference of a component of the net dipole per site",
    "largest": "largest absolute difference of a component",
}


def compare_labels(labels: str, others: str, differences: str, table: str) -> None:
    """Compare the dipoles of the same systems in two label sets.

    Parameters
    ----------
    labels, others
        Label sets, for example by two recipes. The sites of a system have the same order in both.
    differences
        NetCDF to write: `COLUMNS` by frame, in e.A.
    table
        CSV to write, the same.

    Raises
    ------
    JobError
        If the sets have no system in common.
    """
    first, second = (
        {frame.name: frame for frame in read_frames(file)} for file in (labels, others)
    )
    common = [name for name in first if name in second]
    if not common:
        raise JobError(f"{labels} and {others} have no system in common")
    rows = []
    for name in common:
        change = second[name].dipoles - first[name].dipoles
        rows.append(
            (
                np.abs(change[:, :2]).mean(),
                np.abs(change[:, 2]).mean(),
                np.abs(change.mean(axis=0)).max(),
                largest_difference(first[name], second[name]),
            )
        )
    found = pd.DataFrame(rows, columns=list(COLUMNS), index=pd.Index(common, name="frame"))
    found.to_csv(table, float_format="%.3g")
    ds = xr.Dataset.from_dataframe(found)
    for name, meaning in COLUMNS.items():
        ds[name].attrs.update(units="e.angstrom", long_name=meaning)
    write_netcdf(stamp(ds, "Differences of labels", {}), differences)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compare_labels, globals().get("snakemake"))
