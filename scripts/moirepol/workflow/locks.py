"""Locks: those that a killed run leaves behind, and that of a job on its folder."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from moirepol.console import say

_held = []


def clear_stale_locks(folder: str | Path = ".snakemake") -> None:
    """Remove Snakemake's lock files where no run is alive that could have made them.

    Every run holds a lock of the kernel's on `folder`, which ends with the run however it ends;
    Snakemake's own lock files stay when a run is killed, and the next run would refuse to start.
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
    """Work in a scratch folder while no other job does; wait where one does.

    On a cluster the jobs of a killed run, or of a lost node, may still be at work when the same
    jobs of the next run start. The file system must know locks.
    """
    path = Path(f"{folder}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"{folder}: waiting for another job that works there")
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(path, file):  # removed by the one before: not what a third would lock
                continue
            try:
                yield
            finally:
                path.unlink()
            return


def _is_at(path, file):
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False
