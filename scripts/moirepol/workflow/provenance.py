"""NetCDF files with their provenance. A file with a final name is always complete."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xarray as xr

from moirepol.errors import JobError, full_disk
from moirepol.version import __version__

#: The project's folder, and the file in which `git archive` writes the commit.
PROJECT = Path(__file__).resolve().parents[3]
REVISION = Path(__file__).parents[1] / "revision.txt"
#: Size in bytes from which a variable is not compressed. Compression would save a third of a map
#: and take longer than all other work with it.
LARGE = 1_000_000
PACKAGES = ("numpy", "scipy", "ase", "xarray", "deepmd-kit", "snakemake")


def stamp(ds: xr.Dataset, title: str, settings: Mapping[str, Any] | None = None) -> xr.Dataset:
    """Add the provenance of a data set to its attributes.

    Parameters
    ----------
    ds
        The data set.
    title
        One line that describes it.
    settings
        The settings that it was made with, kept as JSON.

    Returns
    -------
    xr.Dataset
        The data set with title, settings, versions of packages, version and revision of the
        project, and date.
    """
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ds.assign_attrs(
        Conventions="CF-1.11",
        title=title,
        date_created=now,
        history=f"{now}: written by {made_by()}",
        moirepol_version=__version__,
        git_revision=git_revision(),
        versions=json.dumps(versions),
        settings=json.dumps(settings or {}, sort_keys=True),
    )


def made_by() -> str:
    """Return name, version and revision of the project, for a page or a file.

    Returns
    -------
    str
        For example ``moirepol 0.2.0, revision 2fd670212345``.
    """
    return f"moirepol {__version__}, revision {git_revision()}"


def git_revision(project: Path = PROJECT) -> str:
    """Return the commit of the project.

    Parameters
    ----------
    project
        The project's folder. A repository around it does not count.

    Returns
    -------
    str
        Short hash, with '-dirty' if there are uncommitted changes. In an unpacked archive of a
        commit, the hash of the archive. 'unknown' without either.
    """
    options = ["-c", f"safe.directory={project}"]  # the checkout of another user
    command = ["git", *options, "describe", "--always", "--dirty", "--abbrev=12"]
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    environment = {key: value for key, value in os.environ.items() if key not in foreign}
    environment["GIT_CEILING_DIRECTORIES"] = str(project.parent)
    with contextlib.suppress(OSError):  # no git
        answer = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        if revision := answer.stdout.strip():
            return revision
    found = REVISION.read_text(encoding="utf-8").strip() if REVISION.is_file() else ""
    return found if re.fullmatch("[0-9a-f]+", found) else "unknown"


def write_netcdf(ds: xr.Dataset, path: str | Path) -> None:
    """Write a NetCDF file under a temporary name, then rename it.

    Variables smaller than `LARGE` are compressed. The file follows the CF conventions [CF]_. A
    variable without a long name gets its name.

    Parameters
    ----------
    ds
        The data set.
    path
        The file. Its folder is created if needed.

    Raises
    ------
    JobError
        If the file cannot be written.

    References
    ----------
    .. [CF] https://cfconventions.org
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    ds = ds.copy()
    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in ds.variables.items():
        if variable.dtype.kind in "fiu" and variable.ndim and variable.nbytes < LARGE:
            encoding[name] = {"zlib": True, "complevel": 1}
        # The conventions CF want a long name of every variable, and complete coordinates.
        variable.attrs.setdefault("long_name", str(name).replace("_", " "))
        if name in ds.coords:
            encoding.setdefault(name, {})["_FillValue"] = None
    try:
        ds.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise JobError(f"{full_disk(path.parent)}cannot write {path.name} ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_netcdf(path: str | Path, *needed: str) -> xr.Dataset:
    """Load a whole NetCDF file into memory.

    Parameters
    ----------
    path
        The file.
    *needed
        Variables that it must contain.

    Returns
    -------
    xr.Dataset
        The data set. The file is closed.

    Raises
    ------
    JobError
        If the file cannot be read or lacks a variable.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4") as ds:
            ds.load()
    except (OSError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())
        raise JobError(
            f"{path} is no readable NetCDF file ({words}); remove it and run the command again"
        ) from error
    if lacking := sorted(set(needed) - set(ds.variables)):
        raise JobError(
            f"{path} is of another kind, it contains no {', '.join(lacking)}; "
            "remove it and run the command again"
        )
    return ds


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
