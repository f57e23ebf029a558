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

from moirepol.errors import JobError, RejectedLabel, full_disk

#: Folder in which the state of an interrupted calculation is kept.
CHECKPOINT = "checkpoint"
WATCH_S = 5.0
#: What pw.x prints if an scf does not converge.
UNCONVERGED = re.compile(r"convergence NOT achieved after\s+(\d+) iterations")
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
    programs
        Names of the programs.

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
        found, output = _version(program)
        if not found:
            raise JobError(
                f"{shutil.which(program)} does not run, its version is unknown: "
                f"{failure_reason(output)}"
            )
        if found < minimum:
            version, wanted = (".".join(map(str, v)) for v in (found, minimum))
            raise JobError(
                f"{shutil.which(program)} is version {version}, needed is {wanted} or later"
            )


@cache
def _version(program: str) -> tuple[tuple[int, ...], str]:
    """Return major and minor version, empty if the program prints none, and all that it prints."""
    with tempfile.TemporaryDirectory() as folder:
        # The programs of Quantum ESPRESSO print their version before they fail without an input.
        with contextlib.suppress(JobError):
            run_program([program, "-v"], Path(folder))
        text = "".join(out.read_text(errors="replace") for out in Path(folder).glob("*.out"))
    found = re.search(r"(?:Program [\w-]+ v\.|Wannier90: )(\d+)\.(\d+)", text)
    return (tuple(map(int, found.groups())) if found else ()), text


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

    Returns
    -------
    str
        Standard output and standard error together.

    Raises
    ------
    Killed
        If SIGKILL or SIGTERM ended the program.
    RejectedLabel
        If an scf did not converge.
    JobError
        If the program failed.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SLURM_", "PMI_", "PMIX_"))
    } | {
        "OMP_NUM_THREADS": "1",
        # Open MPI has one folder per user by default: a program that ends can remove it while
        # another program starts.
        "TMPDIR": str(folder.resolve()),
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        # More processes than cores, if there are as many threads (Open MPI 4 and 5).
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        # One process starts without a network, even without a loopback interface.
        "OMPI_MCA_ess_singleton_isolated": "1",
    }
    out = folder / f"{Path(command[-1] if command[0] != 'mpirun' else command[3]).stem}.out"
    with (
        open(folder / stdin if stdin else os.devnull, encoding="utf-8") as source,
        open(out, "w", encoding="utf-8") as sink,
    ):
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
        if killed:
            raise Killed(words)
        raise RejectedLabel(words) if UNCONVERGED.search(text) else JobError(words)
    return text


def failure_reason(text: str) -> str:
    """Return what a program's output gives as the reason of its failure, in one line.

    The last line is often no reason. Programs print lines of marks around their message, and
    `mpirun` puts its own message in a frame of dashes.
    """
    if steps := UNCONVERGED.search(text):
        return f"the scf did not converge within {steps.group(1)} iterations"
    for pattern in (r"Error in routine[^\n]*\n[^\n]*", r"^-{20,}\n(.+?)(?=\n\s*\n|\n-{20,})"):
        if found := re.search(pattern, text, re.MULTILINE | re.DOTALL):
            return " ".join(found.group(found.lastindex or 0).split())
    lines = [line for line in text.splitlines() if re.search(r"\w", line)]
    return " ".join("".join(lines[-1:]).split()) or "no output"
