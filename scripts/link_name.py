"""Give the file of a system another name."""

import os
from pathlib import Path

from moirepol.console import say
from moirepol.structure.names import System


def link_name(file: str, link: str):
    """Link to the file of the system that stands for a name in other words, and say which it is.

    file: named by the system. link: the link to make, in the same folder.
    """
    os.symlink(Path(file).name, link)
    system = Path(file).stem
    say(f"{Path(link).name.removeprefix('.part-')}: {system}, {System.parse(system).description}")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(link_name, globals().get("snakemake"))
