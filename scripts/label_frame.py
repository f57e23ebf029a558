"""Label one bilayer: the dipole of every site from a DFT code and wannier90.x."""

from collections.abc import Mapping
from typing import Any

from moirepol.dft.label_file import write_label


def label_frame(
    frame: str, settings: Mapping[str, Any], scratch: str, label: str, threads: int = 1
) -> None:
    """Label one bilayer: compute the dipole of each site from first principles.

    Parameters
    ----------
    frame
        Name of the system.
    settings
        Settings of the recipe, `moirepol.workflow.label_sets.settings_of`.
    scratch
        Folder for the programs' files.
    label
        NetCDF file to write. The reason for a rejected label is kept beside it.
    threads
        MPI processes.
    """
    write_label(frame, settings, scratch, label, threads)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(label_frame, globals().get("snakemake"))
