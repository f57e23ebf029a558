"""Run the programs that compute labels, and report failures in one line."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from moirepol.errors import JobError, full_disk

#: Folder in which the state of an interrupted calculation is kept.
CHECKPOINT = "checkpoint"
WATCH_S = 5.0
#: Debian package and oldest tested version of every program.
PROGRAMS = {
    "pw.x": ("quantum-espresso", (6, 7)),
    "ph.x": ("quantum-espresso", (6, 7)),
    "pp.x": ("quantum-espresso", (6, 7)),
    "pw2wannier90.x": ("quantum-espresso", (6, 7)),
    "wannier90.x": ("wannier90", (3, 1)),
}
#: Signals from a user, a scheduler or a full memory. They do not mean that the program failed.
KILLS = (signal.SIGKILL, signal.SIGTERM)


class Killed(JobError):
    """A program was ended from outside: another attempt may continue from its state."""


def require_programs(programs: Iterable[str] = tuple(PROGRAMS)) -> None:
    """Check that programs are installed and new enough.

    Parameters
    ----------
    requirements
        The requirement of each program, by the program's name.

    Raises
    ------
    JobError
        If a program is not installed or too old.
    """
    for program in programs:
        package, minimum = PROGRAMS[program]
        if shutil.which(program) is None:
            raise JobError(
                f"{program} is not installed; on Debian or Ubuntu: apt install {package}"
            )
        found = _version(program)
        if found < minimum:
            version, wanted = (".".join(map(str, v)) for v in (found, minimum))
            raise JobError(
                f"{shutil.which(program)} is version {version or 'unknown'}, "
                f"needed is {wanted} or later"
            )


@cache
def _version(program: str) -> tuple[int, ...]:
    """Return major and minor version from the program's own output; empty if it has none."""
    with tempfile.TemporaryDirectory() as folder:
        # The programs of Quantum ESPRESSO print their version before they fail without an input.
        with contextlib.suppress(JobError):
            run_program([program, "-v"], Path(folder))
        text = "".join(out.read_text(errors="replace") for out in Path(folder).glob("*.out"))
    found = re.search(r"(?:Program [\w-]+ v\.|Wannier90: )(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


def run_program(
    command: list[str],
    folder: Path,
    stdin: str | None = None,
    watch: Callable[[str], None] | None = None,
    excused: str = "",
) -> str:
    """Run a program in a folder with one OpenMP thread and return its output.

    The program runs on this machine, also inside a Slurm job: Open MPI would otherwise use Slurm's
    step as its own launcher, and processes stay free to use any core that the job has. The program
    ends when this process ends, also when this process is killed.

    Parameters
    ----------
    command
        The program and its arguments.
    folder
        Working directory. The output goes to ``<program>.out`` in it.
    stdin
        Name of a file in `folder` for the standard input; an empty input if None.
    watch
        Called with the output so far every `WATCH_S` seconds.
    excused
        Text in the output with which an exit code is no failure.
    reason
        Function that extracts the cause of a failure from the output.

    Returns
    -------
    str
        Standard output and standard error together.

    Raises
    ------
    Killed
        If SIGKILL or SIGTERM ended the program.
    JobError
        If the program failed.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SLURM_", "PMI_", "PMIX_"))
    } | {
        "OMP_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }
    out = folder / f"{Path(command[-1] if command[0] != 'mpirun' else command[3]).stem}.out"
    with open(folder / stdin if stdin else os.devnull) as source, open(out, "w") as sink:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=folder,
            stdin=source,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        while True:
            try:
                code = process.wait(timeout=WATCH_S if watch else None)
                break
            except subprocess.TimeoutExpired:
                assert watch
                watch(out.read_text(errors="replace"))
            except BaseException:
                process.kill()
                process.wait()
                raise
    text = out.read_text(errors="replace")
    if code and not (excused and excused in text):
        number = -code if code < 0 else code - 128  # mpirun returns the latter
        killed = number in KILLS
        ended = signal.Signals(number).name if killed else f"exit code {code}"
        words = f"{full_disk(folder)}{' '.join(command)} ended with {ended}: {failure_reason(text)}"
        raise Killed(words) if killed else JobError(words)
    return text


def failure_reason(text: str) -> str:
    """Return what a program's output gives as the reason of its failure, in one line."""
    if steps := re.search(r"convergence NOT achieved after\s+(\d+) iterations", text):
        return f"the scf did not converge within {steps.group(1)} iterations"
    error = re.search(r"Error in routine[^\n]*\n[^\n]*", text)
    lines = (
        error.group(0).splitlines()
        if error
        else [line for line in text.splitlines() if line.strip()][-1:]
    )
    return " ".join(" ".join(lines).split()) or "no output"
