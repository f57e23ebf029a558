"""Link another name to the file of a system."""

import os
from pathlib import Path

from moirepol.console import note, say
from moirepol.structure.names import System, describe, describe_difference, split_own_name


def link_name(file: str, link: str, other_name: str) -> None:
    """Make a link to the file of a system, and print the canonical name of the system.

    Parameters
    ----------
    file
        File with the canonical name of the system.
    link
        Link to make, in the same folder.
    other_name
        The other name.
    """
    os.symlink(Path(file).name, link)
    system = Path(file).stem
    say(f"{other_name}: {system}, {describe(system)}")
    if not split_own_name(system)[0]:
        note(other_name, describe_difference(other_name, System.parse(system)))


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(link_name, globals().get("snakemake"))
