"""Pseudopotential files: a label uses exactly the files whose checksums it records."""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from moirepol.errors import JobError
from moirepol.workflow.provenance import sha256

CHECKSUMS = Path(__file__).with_name("pseudopotentials.sha256")
#: Folder, beside the input of a program, with links to the files that it must use.
LINKS = "pseudo"
PSEUDOPOTENTIAL_FOLDERS = ("/usr/share/espresso/pseudo",)


def find_pseudopotentials(
    files: dict[str, str],
    variable: str = "ESPRESSO_PSEUDO",
    folders: tuple[str, ...] = PSEUDOPOTENTIAL_FOLDERS,
    package: str = "quantum-espresso-data",
) -> dict[str, Path]:
    """Find the pseudopotential file of each element.

    Parameters
    ----------
    files
        Element -> file name.
    variable
        Environment variable that names a folder to search first. A relative path is taken from the
        working directory.
    folders
        Folders of installed pseudopotentials.
    package
        Debian package that contains them, for the error message.

    Returns
    -------
    dict
        Element -> absolute path. Each element is searched on its own.

    Raises
    ------
    JobError
        If a file is absent, or if its name is listed in ``pseudopotentials.sha256`` with another
        checksum. A name that is not listed there is the user's responsibility; every label
        contains its checksum.
    """
    searched = [os.environ.get(variable, ""), *folders]
    listed = dict(line.split()[::-1] for line in CHECKSUMS.read_text().splitlines())
    found = {}
    for element, name in files.items():
        places = [Path(folder).resolve() / name for folder in searched if folder]
        place = next((place for place in places if place.is_file()), None)
        if place is None:
            raise JobError(
                f"pseudopotential {name} is not in {' or '.join(str(p.parent) for p in places)}; "
                f"install {package} or set {variable}"
            )
        if listed.get(name, digest := sha256(place)) != digest:
            raise JobError(
                f"pseudopotential {place} is not the file of that name that "
                f"{CHECKSUMS.name} lists: its SHA-256 is {digest}, not {listed[name]}"
            )
        found[element] = place
    return found


def link_pseudopotentials(files: Iterable[Path], folder: Path) -> str:
    """Link pseudopotential files into a folder of their own beside the input of a program.

    Parameters
    ----------
    files
        The files to use.
    folder
        Folder in which the program runs.

    Returns
    -------
    str
        Path of the new folder, relative to `folder`. It contains no other file.
    """
    links = folder / LINKS
    links.mkdir(exist_ok=True)
    for old in links.iterdir():
        old.unlink()
    for file in files:
        (links / file.name).symlink_to(file.resolve())
    return f"./{LINKS}/"


def check_pseudopotentials_read(folder: Path, output: str) -> None:
    """Compare the pseudopotentials that pw.x reports with the linked files.

    Parameters
    ----------
    folder
        Folder in which pw.x ran.
    output
        Its standard output, with one MD5 check sum for each pseudopotential.

    Raises
    ------
    JobError
        If pw.x read a file with another content.
    """
    pattern = r"read from file:\s*\n\s*(\S.*?)\s*\n\s*MD5 check sum:\s*(\w+)"
    reported = {Path(name).name: found for name, found in re.findall(pattern, output)}
    for link in sorted((folder / LINKS).glob("*")):
        if reported.get(link.name) != (wanted := md5(link)):
            raise JobError(
                f"pw.x did not read {link.resolve()}: its MD5 is {wanted}, pw.x reports "
                f"{reported.get(link.name, 'none')}"
            )


def md5(path: Path) -> str:
    """Return the MD5 check sum of a file, which pw.x prints for its pseudopotentials."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def valence_charge(pseudopotential: Path) -> float:
    """Return the charge of the ion that a pseudopotential file (UPF 2) describes, in e."""
    text = pseudopotential.read_text(encoding="utf-8", errors="replace")
    return float(re.findall(r'z_valence="\s*([^"\s]+)', text)[0])
