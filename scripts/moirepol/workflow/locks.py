"""Locks: stale locks of killed runs, and the lock of a job on its scratch folder."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from moirepol.console import say

_held: list = []


def clear_stale_locks(folder: str | Path = ".snakemake") -> None:
    """Remove Snakemake's lock files if no run is alive that can have made them.

    Each run holds a lock of the kernel on the folder. That lock ends with the run in all cases.
    Snakemake's own lock files remain when a run is killed, and then the next run does not start.

    Parameters
    ----------
    folder
        Snakemake's folder in the project.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / "alive.lock", "w")  # noqa: SIM115 - open as long as this run lives
    _held.append(file)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder / "locks", ignore_errors=True)
    fcntl.flock(file, fcntl.LOCK_SH)


@contextlib.contextmanager
def alone_in(folder: str | Path) -> Iterator[None]:
    """Wait until no other job works in a scratch folder, then keep other jobs out.

    On a cluster, jobs of a killed run or of a lost node may still run when the same jobs of the
    next run start. The file system must support locks.

    Parameters
    ----------
    folder
        The scratch folder. The lock is the file ``<folder>.lock``.

    Yields
    ------
    None
        While the lock is held.
    """
    path = Path(f"{folder}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"{folder}: waiting for another job in this folder")
                fcntl.flock(file, fcntl.LOCK_EX)
            # The job before removed this file, so another job would lock a new one.
            if not _is_at(path, file):
                continue
            try:
                yield
            finally:
                path.unlink()
            return


@contextlib.contextmanager
def scratch_folder(folder: str | Path) -> Iterator[Path]:
    """Make an empty scratch folder for one job alone, and remove it at the end.

    Parameters
    ----------
    folder
        The scratch folder.

    Yields
    ------
    Path
        The folder.
    """
    folder = Path(folder)
    with alone_in(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _is_at(path, file):
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False
