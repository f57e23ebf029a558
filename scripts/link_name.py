"""Link another name to the file of a system."""

import os
from pathlib import Path

from moirepol.console import say
from moirepol.structure.names import describe


def link_name(file: str, link: str):
    """Make a link to the file of a system, and print the canonical name of the system.

    Parameters
    ----------
    file
        File with the canonical name of the system.
    link
        Link to make, in the same folder.
    """
    os.symlink(Path(file).name, link)
    system = Path(file).stem
    say(f"{Path(link).name.removeprefix('.part-')}: {system}, {describe(system)}")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(link_name, globals().get("snakemake"))
