"""The environment of the jobs: what the shell of a user must not change."""

import os
import shlex
import sys
from collections.abc import MutableMapping
from pathlib import Path

#: Beginnings of variables that make Python, matplotlib, bokeh or git use other files than those of
#: the project, or work in another way.
FOREIGN = ("PYTHON", "MPL", "MATPLOTLIB", "BOKEH_", "GIT_")
#: Variables with one value for all jobs: text files are UTF-8 in every locale, figures need no
#: display, and packages in the user's home folder are not imported.
FIXED = {"PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1", "MPLBACKEND": "Agg"}


def isolate(environment: MutableMapping[str, str], scripts: str | Path, cache: str | Path) -> None:
    """Remove variables of the shell that change jobs, and set those that jobs need.

    Parameters
    ----------
    environment
        The environment of this process, from which the jobs inherit. It is changed.
    scripts
        Folder of the package, which jobs of other workflows can import, too.
    cache
        Folder for caches, used if the user's own folder cannot be made.
    """
    for name in list(environment):
        if name.startswith(FOREIGN):
            del environment[name]
    environment.update(FIXED, PYTHONPATH=str(scripts))
    home = Path(environment.get("HOME") or os.devnull)
    if not _can_be_made(Path(environment.get("XDG_CACHE_HOME") or home / ".cache")):
        folder = str(Path(cache).absolute())
        environment.update(XDG_CACHE_HOME=folder, XDG_CONFIG_HOME=folder, MPLCONFIGDIR=folder)


def allow_spaces(environment: MutableMapping[str, str]) -> None:
    """Let Snakemake start scripts by an interpreter whose path has spaces or other special marks.

    Snakemake writes `sys.executable` into a shell command without quotes. The bare name of the
    interpreter, found on the path, is the same program.

    Parameters
    ----------
    environment
        The environment of this process. The folder of the interpreter becomes the first of PATH.
    """
    if shlex.quote(sys.executable) != sys.executable:
        folder, name = os.path.split(sys.executable)
        environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
        sys.executable = name


def _can_be_made(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True
