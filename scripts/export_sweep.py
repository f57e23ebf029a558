"""Write a sweep as a table."""

from moirepol.export import SWEEP_ROWS, sweep_table
from moirepol.workflow.provenance import read_netcdf


def export_sweep(sweep: str, csv: str) -> None:
    """Write the quantities of a sweep, a row for each system, strain and field.

    Parameters
    ----------
    sweep
        File of `collect_sweep`.
    csv
        Table to write. Units are in the names of the columns.
    """
    sweep_table(read_netcdf(sweep, *SWEEP_ROWS)).to_csv(csv, index=False, float_format="%.9g")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_sweep, globals().get("snakemake"))
