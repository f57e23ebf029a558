"""Start Snakemake for `run`: files of settings from the caller's folder, checked before the start.

Usage: ``python launch.py CALLERS_FOLDER ARGUMENT...`` in the project's folder. This file is called
by its path, so it adds the package to Python's path itself.
"""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])

from moirepol.errors import ConfigError  # noqa: E402
from moirepol.workflow.defaults import read_settings  # noqa: E402

#: Options of Snakemake with one path or several paths of files of settings.
SETTINGS = ("--configfile", "--configfiles")
#: Options with the path of a folder.
FOLDERS = ("--directory", "-d")


def resolve(arguments: Sequence[str], caller: Path) -> tuple[list[str], list[str]]:
    """Make the paths of settings and of the working directory absolute.

    Parameters
    ----------
    arguments
        Arguments for Snakemake.
    caller
        Folder that relative paths belong to. A file of settings that it lacks is taken from the
        project's folder.

    Returns
    -------
    tuple of list of str
        The arguments, and the files of settings among them. Targets that follow a file of settings
        come first, because Snakemake would read them as files of settings.

    Raises
    ------
    ConfigError
        If the working directory is a file.
    """
    resolved: list[str] = []
    settings: list[str] = []
    targets: list[str] = []
    option = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if argument.startswith("-"):
            option = name
            if not (equals and name in SETTINGS + FOLDERS):
                resolved.append(argument)
                continue
        else:
            name, equals, value = "", "", argument
        if option in SETTINGS and not equals and resolved[-1] != option and not _is_settings(value):
            targets.append(value)
            continue
        if option in SETTINGS:
            path = caller / value
            value = str(path if path.exists() else Path.cwd() / value)
            settings.append(value)
        elif option in FOLDERS:
            value, option = str(caller / value), ""
            if Path(value).exists() and not Path(value).is_dir():
                raise ConfigError(f"--directory {value}: this is a file, a folder is needed")
        resolved.append(f"{name}{equals}{value}")
    return [*targets, *resolved], settings


def _is_settings(path: str) -> bool:
    return Path(path).suffix in (".yaml", ".yml", ".json")


def keep_one_timer(scheduler: type[Any]) -> None:
    """Let each scheduler of Snakemake keep at most one timer.

    Every pass of Snakemake 9 over the ready jobs starts a timer for one more pass, so the passes
    multiply with the number of finished jobs. They took a sixth of the processor time of a run.
    Snakemake also waits for all timers at its end. One timer that it does not wait for is enough.

    Parameters
    ----------
    scheduler
        Snakemake's class of schedulers.
    """

    def start_timer(self: Any, delay: float) -> None:
        timer = vars(self).get("timer")
        if timer is None or not timer.is_alive():
            self.timer = threading.Timer(delay, self._open_jobs.release)
            self.timer.daemon = True
            self.timer.start()

    if hasattr(scheduler, "_schedule_reevalutation"):  # the spelling of Snakemake
        scheduler._schedule_reevalutation = start_timer


def main(caller: str, *arguments: str) -> None:
    """Check the files of settings, and become Snakemake.

    Parameters
    ----------
    caller
        Folder of the caller.
    *arguments
        Arguments for Snakemake.
    """
    try:
        resolved, settings = resolve(arguments, Path(caller))
        for path in settings:
            read_settings(path)
    except ConfigError as error:
        sys.exit(f"config error: {error}")
    from snakemake.cli import main as snakemake
    from snakemake.scheduling.job_scheduler import JobScheduler

    keep_one_timer(JobScheduler)
    sys.argv = ["snakemake", *resolved]
    snakemake(resolved)


if __name__ == "__main__":
    main(*sys.argv[1:])
