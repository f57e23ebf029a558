"""Collect the shipped and computed frames of one label set in one NetCDF file."""

from moirepol.workflow.label_files import collect_labels

if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(collect_labels, globals().get("snakemake"))
