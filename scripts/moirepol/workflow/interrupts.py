"""An interrupt of Snakemake ends its jobs and their programs, too."""

import contextlib
import os
import signal
import threading
from pathlib import Path
from types import FrameType

#: Time in s that jobs get to tidy up before they are killed.
GRACE_S = 3.0


def interrupt_jobs() -> None:
    """Pass an interrupt (Ctrl-C, SIGINT) of this process on to its jobs.

    Snakemake itself waits for running jobs, which can be long. A terminal sends Ctrl-C to all
    processes; `kill -INT` reaches Snakemake alone.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    jobs = descendants(os.getpid())
    _send(jobs, signal.SIGINT)
    later = threading.Timer(GRACE_S, _send, (jobs, signal.SIGKILL))
    later.daemon = True
    later.start()
    raise KeyboardInterrupt


def _send(processes: list[int], number: signal.Signals) -> None:
    for process in reversed(processes):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def descendants(process: int) -> list[int]:
    """Return the children of a process, their children, and so on.

    Parameters
    ----------
    process
        Number of the process.

    Returns
    -------
    list of int
        Process numbers; a parent comes before its children.
    """
    found = [process]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found[1:]
