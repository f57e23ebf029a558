"""The adapter between a pure function and a Snakemake job or a command line.

A script defines one function and ends with::

    if __name__ == "__main__":
        from moirepol.workflow.job import run

        run(the_function, globals().get("snakemake"))

In a job, the function's arguments are filled by name from the rule's inputs, outputs, params,
wildcards, resources and threads. An argument that is annotated with a dataclass is filled from the
values with the names of its fields. The function receives temporary paths for its outputs. They are
renamed when the function returns, so a file with its final name is always complete. A named input,
output or param that the function does not have is an error, except `code`, the digest of the code.
On the command line, the same arguments are options: ``python scripts/x.py --argument value`` (read
as YAML). In both cases, one value becomes a list of one if the argument is annotated as a list.
"""

import argparse
import contextlib
import dataclasses
import inspect
import os
import secrets
import select
import shutil
import signal
import sys
import threading
import traceback
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from moirepol import console
from moirepol.console import say
from moirepol.errors import JobError, full_disk
from moirepol.workflow.interrupts import descendants

#: Environment variable: the process that reads the Snakefile and starts the jobs.
PARENT = "MOIREPOL_PARENT"


#: Annotations of an argument that takes a list, and the types of a union of annotations.
LISTS = (list, tuple, Sequence, Iterable)
UNIONS = (types.UnionType, typing.Union)
#: Params of a rule that its function does not take. `code` determines when the rule runs again,
#: `plot` names the script of a generated rule.
RULE_ONLY = frozenset({"code", "plot"})


def run(function: Callable[..., None], snakemake: Any = None) -> None:
    """Call a function as a Snakemake job or from the command line.

    Parameters
    ----------
    function
        The function of a script. Its arguments have the names of the rule's inputs, outputs,
        params, wildcards and resources.
    snakemake
        The job's object, None on the command line.

    Raises
    ------
    SystemExit
        If the function fails, or if its arguments and the given names do not agree.
    """
    if snakemake is None:
        return _run_by_hand(function)
    context = {"threads": snakemake.threads}
    for source in (snakemake.resources, snakemake.wildcards):
        context.update(source.items())
    given: dict[str, Any] = {}
    for source in (snakemake.params, snakemake.input):
        given.update(source.items())
    finals = {name: Path(path) for name, path in snakemake.output.items()}
    _end_with_parent()
    with _log_to(snakemake.log[0] if snakemake.log else None):
        _call(function, context, given, finals, snakemake.rule, snakemake.wildcards)


def check_names(
    function: Callable[..., None], given: Iterable[str], context: Iterable[str] = ()
) -> None:
    """Check that the named values of a rule are the arguments of its function.

    Parameters
    ----------
    function
        The function of the rule's script.
    given
        Names of the rule's inputs, outputs and params.
    context
        Names of its wildcards, resources and threads, which the function may ignore.

    Raises
    ------
    JobError
        If the function has no argument of a given name, or if a required argument is missing.
    """
    parameters = parameters_of(function)
    given, context = set(given), set(context)
    if unknown := sorted(given - set(parameters) - RULE_ONLY):
        raise JobError(
            f"{function.__name__} has no argument {unknown[0]!r}; allowed: {', '.join(parameters)}"
        )
    required = [name for name, one in parameters.items() if one.default is one.empty]
    if missing := [name for name in required if name not in given | context]:
        raise JobError(f"{function.__name__}: argument {missing[0]!r} is missing")


def groups_of(function: Callable[..., None]) -> dict[str, type]:
    """Return the dataclasses among the annotations of a function, by argument."""
    hints = typing.get_type_hints(function)
    kinds = {name: hint for name, hint in hints.items() if isinstance(hint, type)}
    return {name: kind for name, kind in kinds.items() if dataclasses.is_dataclass(kind)}


def parameters_of(function: Callable[..., None]) -> dict[str, inspect.Parameter]:
    """Return the named values that a function takes: its arguments, and the fields of dataclasses.

    Parameters
    ----------
    function
        The function of a script.

    Returns
    -------
    dict
        Parameters by name.
    """
    groups = groups_of(function)
    found: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        group = groups.get(name)
        found |= inspect.signature(group).parameters if group else {name: parameter}
    return found


def arguments_of(function: Callable[..., None], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a function, with lists and dataclasses where it takes them.

    Parameters
    ----------
    function
        The function of a script.
    values
        Values by the names of `parameters_of`. Others are dropped.

    Returns
    -------
    dict
        Arguments by name.
    """
    groups = groups_of(function)
    given = coerce_lists(function, values)
    found = {}
    for name in inspect.signature(function).parameters:
        if name in groups:
            fields = inspect.signature(groups[name]).parameters
            found[name] = groups[name](**{key: given[key] for key in fields if key in given})
        elif name in given:
            found[name] = given[name]
    return found


def coerce_lists(function: Callable[..., None], values: Mapping[str, Any]) -> dict[str, Any]:
    """Make a list of one of a single value for an argument that takes a list.

    Parameters
    ----------
    function
        A function with annotations. `list[str]` and `Sequence[str]` take a list, also together with
        None.
    values
        Values by the names of `parameters_of`.

    Returns
    -------
    dict
        The values. A single value for a list is in a list of its own.
    """
    hints = typing.get_type_hints(function)
    for group in groups_of(function).values():
        hints |= typing.get_type_hints(group)
    return {
        name: [value]
        if isinstance(value, str | int | float) and _takes_list(hints.get(name))
        else value
        for name, value in values.items()
    }


def _takes_list(hint: Any) -> bool:
    """Whether an annotation is that of a list of any kind, and of nothing else but None."""
    options = typing.get_args(hint) if typing.get_origin(hint) in UNIONS else (hint,)
    kinds = [typing.get_origin(option) or option for option in options if option is not NoneType]
    return bool(kinds) and all(kind in LISTS for kind in kinds)


def _run_by_hand(function):
    groups = [f"{name}: {inspect.getdoc(group)}" for name, group in groups_of(function).items()]
    parser = argparse.ArgumentParser(
        description="\n\n".join([inspect.getdoc(function) or "", *groups]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, parameter in parameters_of(function).items():
        required = parameter.default is parameter.empty
        parser.add_argument(
            f"--{name}", required=required, default=parameter.default, type=yaml.safe_load
        )
    try:
        function(**arguments_of(function, vars(parser.parse_args())))
    except JobError as error:
        sys.exit(f"error: {error}")


def _call(function, context, given, finals, rule, wildcards):
    own = secrets.token_hex(4)  # a job of another run on another node has another token
    temporary = {name: path.with_name(f".part-{own}-{path.name}") for name, path in finals.items()}
    for path in finals.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f"*.part-{'?' * len(own)}-{path.name}"):
            _remove(left)
    named = given | {name: str(path) for name, path in temporary.items()}
    job = f"{rule} {' '.join(str(value) for _, value in wildcards.items())}".strip()
    try:
        check_names(function, named, context)
        function(**arguments_of(function, context | named))
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
        with contextlib.suppress(OSError):  # the disk of the log may be full too
            if isinstance(
                error, JobError
            ):  # an expected error needs no traceback; Snakemake shows the log
                print(f"error: {words}")
            else:
                traceback.print_exc()
        sys.exit(1)
    finally:
        for path in temporary.values():
            _remove(path)


def _end_with_parent():
    """End this job, and the programs it runs, when the Snakemake that started it is killed.

    Otherwise the job would continue at the same time as the same job of the next run.
    """
    try:
        parent = os.pidfd_open(int(os.environ.get(PARENT, os.getppid())))
    except ProcessLookupError:
        os._exit(1)

    def watch():
        select.select([parent], [], [])
        for process in reversed(descendants(os.getpid())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _log_to(path):
    """Send the output of this process and its children to `path`, but not console messages."""
    if path is None:
        yield
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    stream = os.fdopen(os.dup(2), "w", buffering=1)
    before = console.redirect(stream)
    with open(path, "w", encoding="utf-8") as log:
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
