"""Files that are part of the repository: where they are, and whether they are all there."""

from pathlib import Path

from moirepol.errors import ConfigError
from moirepol.workflow.label_sets import CHECKSUMS

#: Folders of `resources` with a table of checksums of their files.
FOLDERS = ("labels", "polarizability")


def shipped_path(root: Path, path: str) -> str:
    """Return the path of a file of the repository as rules name it.

    Parameters
    ----------
    root
        The repository's folder.
    path
        Path of the file in it.

    Returns
    -------
    str
        The path itself if the repository is the working directory, otherwise an absolute path.
    """
    return path if root.samefile(Path.cwd()) else str(root / path)


def check_shipped(resources: Path, source: str) -> None:
    """Check that no shipped file is absent. Otherwise DFT would be planned without a word.

    Parameters
    ----------
    resources
        The repository's folder ``resources``.
    source
        The setting `labels.source`. With `compute` no shipped file is needed.

    Raises
    ------
    ConfigError
        If a table of checksums, or a file that it lists, is absent.
    """
    if source == "compute":
        return
    for folder in FOLDERS:
        table = resources / folder / CHECKSUMS
        listed = table.read_text(encoding="utf-8").split()[1::2] if table.is_file() else [CHECKSUMS]
        for name in listed:
            if not (table.parent / name).is_file():
                raise ConfigError(
                    f"{table.parent / name} is absent: restore it from the repository, or compute "
                    "all labels with `labels: {source: compute}`"
                )
