"""Locks that a killed run leaves behind."""

import contextlib
import fcntl
import shutil
from pathlib import Path

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
