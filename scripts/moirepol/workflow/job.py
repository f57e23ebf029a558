"""The adapter between a pure function and a Snakemake job or a command line.

A script defines one function and ends with::

    if __name__ == "__main__":
        from moirepol.workflow.job import run

        run(the_function, globals().get("snakemake"))

In a job, the function's arguments are filled by name from the rule's inputs, outputs, params,
wildcards, resources and threads. Outputs are handed over as temporary paths beside their final
place and renamed only when the function returns, so a file under its final name is always whole.
By hand, the same arguments are options: ``python scripts/x.py --argument value`` (read as YAML).
"""

import argparse
import contextlib
import inspect
import os
import secrets
import select
import shutil
import signal
import sys
import threading
import traceback
from pathlib import Path

import yaml

from moirepol import console
from moirepol.console import say
from moirepol.errors import JobError, full_disk

#: Environment variable: the process that reads the Snakefile and starts the jobs.
PARENT = "MOIREPOL_PARENT"


def run(function, snakemake=None):
    """Call `function` as a Snakemake job, or from the command line where `snakemake` is None."""
    if snakemake is None:
        return _run_by_hand(function)
    given = {"threads": snakemake.threads}
    for source in (snakemake.wildcards, snakemake.resources, snakemake.params, snakemake.input):
        given.update(source.items())
    finals = {name: Path(path) for name, path in snakemake.output.items()}
    _end_with_parent()
    with _log_to(snakemake.log[0] if snakemake.log else None):
        _call(function, given, finals, snakemake.rule, snakemake.wildcards)


def _run_by_hand(function):
    parser = argparse.ArgumentParser(
        description=inspect.getdoc(function), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, parameter in inspect.signature(function).parameters.items():
        required = parameter.default is parameter.empty
        parser.add_argument(
            f"--{name}", required=required, default=parameter.default, type=yaml.safe_load
        )
    try:
        function(**vars(parser.parse_args()))
    except JobError as error:
        sys.exit(f"error: {error}")


def _call(function, given, finals, rule, wildcards):
    names = inspect.signature(function).parameters
    own = secrets.token_hex(4)  # another run's job, not yet ended on another node, has others
    temporary = {name: path.with_name(f".part-{own}-{path.name}") for name, path in finals.items()}
    for path in finals.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"*.part-{'?' * len(own)}-{path.name}"):
            _remove(left)
    values = given | {name: str(path) for name, path in temporary.items()}
    job = f"{rule} {' '.join(str(value) for _, value in wildcards.items())}".strip()
    try:
        function(**{name: values[name] for name in names if name in values})
        for name, path in temporary.items():
            if path.exists():
                _remove(finals[name])
                os.replace(path, finals[name])
    except Exception as error:
        words = " ".join(str(error).split())
        if not isinstance(error, JobError):
            cause = next(filter(None, (full_disk(path.parent) for path in temporary.values())), "")
            words = f"{cause}{type(error).__name__}: {words}"
        say(f"error: {job}: {words}")
        with contextlib.suppress(OSError):  # the log's disk may be full as well
            traceback.print_exc()
        sys.exit(1)
    finally:
        for path in temporary.values():
            _remove(path)


def _end_with_parent():
    """End this job, and the programs it runs, when the Snakemake that started it is killed.

    Without it the job would go on, beside the same job of the next run.
    """
    try:
        parent = os.pidfd_open(int(os.environ.get(PARENT, os.getppid())))
    except ProcessLookupError:
        os._exit(1)

    def watch():
        select.select([parent], [], [])
        for process in reversed(_descendants(os.getpid())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _descendants(process):
    """Process numbers of the children of a process, their children, and so on."""
    found = [process]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text().split())
    return found[1:]


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _log_to(path):
    """Send file descriptors 1 and 2 to `path`, children included; the console stays reachable."""
    if path is None:
        yield
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    stream = os.fdopen(os.dup(2), "w", buffering=1)
    before = console.redirect(stream)
    with open(path, "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
            console.redirect(before).close()
