"""Locks: stale locks of killed runs, and the lock of a job on its scratch folder."""

import atexit
import contextlib
import fcntl
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from moirepol.console import say
from moirepol.errors import ConfigError

#: Beginning of the names of the files that runs hold a lock on, one for each machine.
ALIVE = "alive-"
_held: list = []


def require_writable(folder: Path) -> None:
    """Check that a working directory can be written.

    Parameters
    ----------
    folder
        The working directory.

    Raises
    ------
    ConfigError
        If not, or if a folder of results is a link to a folder that does not exist.
    """
    results = folder / "results"
    for place in (results, *results.glob("*")):
        if place.is_symlink() and not place.exists():
            raise ConfigError(f"{place} is a link to {os.readlink(place)}, which does not exist")
    for place in (folder, folder / ".snakemake", results):
        if place.exists() and not os.access(place, os.W_OK):
            raise ConfigError(
                f"{place} cannot be written; choose a folder for the results with "
                "`--directory NAME`"
            )


def clear_stale_locks(folder: str | Path = ".snakemake") -> None:
    """Remove Snakemake's lock files if no run is alive that can have made them.

    Each run holds a lock of the kernel on a file of its machine. That lock ends with the run in all
    cases. Snakemake's own lock files remain when a run is killed, and then the next run does not
    start. A lock of the kernel may be invisible on other machines. The lock files therefore stay
    if a run on another machine has not ended in order, or if the file system has no locks.

    Parameters
    ----------
    folder
        Snakemake's folder in the project.
    """
    folder = Path(folder)
    path = folder / f"{ALIVE}{platform.node() or 'localhost'}.lock"
    folder.mkdir(parents=True, exist_ok=True)
    file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - open until the end of this run
    _held.append(file)
    others = [other for other in folder.glob(f"{ALIVE}*.lock") if other != path]
    try:
        if _locked(file, fcntl.LOCK_EX | fcntl.LOCK_NB) and not others:
            shutil.rmtree(folder / "locks", ignore_errors=True)
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError:
        path.unlink(missing_ok=True)
        return
    if not _is_at(path, file):  # another run has ended and removed the file meanwhile
        return clear_stale_locks(folder)
    atexit.register(_end, path, file, os.getpid())


def _end(path, file, process):
    """Remove the file of this machine if no other run on this machine holds it."""
    if os.getpid() != process:
        return
    with contextlib.suppress(OSError, ValueError):  # a closed file holds no lock
        if _locked(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
            path.unlink(missing_ok=True)


def _locked(file, kind):
    """Take a lock; return False if another process holds it."""
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def alone_in(folder: str | Path) -> Iterator[None]:
    """Wait until no other job works in a scratch folder, then keep other jobs out.

    On a cluster, jobs of a killed run or of a lost node may still run when the same jobs of the
    next run start. Without locks of the file system there is a note, and no protection.

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
        with open(path, "w", encoding="utf-8") as file:
            try:
                if not _locked(file, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    say(f"{folder}: waiting for another job in this folder")
                    fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                say(
                    f"note: {folder}: this file system has no locks ({error.strerror}); wait for "
                    "the end of one run before the next"
                )
            # The job before removed this file, so another job would lock a new one.
            if not _is_at(path, file):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
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
