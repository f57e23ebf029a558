"""Link another name to the file of a system."""

import os
from html import escape
from pathlib import Path

from moirepol.console import say
from moirepol.structure.names import describe_request

#: First line of a page that names the request.
LINE = "<p style='font-family: sans-serif; margin: 8px'>{}</p>"


def link_name(file: str, link: str, other_name: str, ending: str) -> None:
    """Make a link to the file of a system, and print the canonical name of the system.

    A page becomes a copy, whose first line names the request and the system.

    Parameters
    ----------
    file
        File with the canonical name of the system.
    link
        Link to make, in the same folder.
    other_name
        The other name.
    ending
        What follows the name in both files.
    """
    system = Path(file).name.removesuffix(ending)
    words = describe_request(other_name, system)
    if file.endswith(".html"):
        # Scripts of the head contain the text "<body>", too.
        head, body, rest = Path(file).read_text(encoding="utf-8").rpartition("<body>")
        Path(link).write_text(head + body + LINE.format(escape(words)) + rest, encoding="utf-8")
    else:
        os.symlink(Path(file).name, link)
    say(words)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(link_name, globals().get("snakemake"))
