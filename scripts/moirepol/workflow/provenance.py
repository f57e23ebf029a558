"""NetCDF files that say where they come from, written whole or not at all."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr

from moirepol.errors import JobError, full_disk

PACKAGES = ("numpy", "scipy", "ase", "xarray", "deepmd-kit", "snakemake")


def stamp(ds: xr.Dataset, title: str, settings: dict | None = None) -> xr.Dataset:
    """Add title, settings (JSON), versions, git revision and date to the attributes of `ds`."""
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
        history=f"{now}: written by moirepol {git_revision()}",
        git_revision=git_revision(),
        versions=json.dumps(versions),
        settings=json.dumps(settings or {}, sort_keys=True),
    )


def git_revision() -> str:
    """Commit of the project, '-dirty' with uncommitted changes; 'unknown' outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    here = Path(__file__).parent
    answer = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def write_netcdf(ds: xr.Dataset, path: str | Path) -> None:
    """Write `ds` under a temporary name, compressed, and rename it when it is whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    encoding = {
        name: {"zlib": True, "complevel": 5}
        for name, variable in ds.variables.items()
        if variable.dtype.kind in "fiu" and variable.ndim
    }
    try:
        ds.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise JobError(f"{full_disk(path.parent)}cannot write {path.name} ({error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_netcdf(path: str | Path, *needed: str) -> xr.Dataset:
    """Load a whole NetCDF file into memory.

    JobError, one line, names a file that cannot be read or has not all the variables `needed`.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4") as ds:
            ds.load()
    except (OSError, ValueError, RuntimeError) as error:
        words = " ".join(str(error).split())
        raise JobError(
            f"{path} is no readable NetCDF file ({words}); remove it to have it made again"
        ) from error
    if lacking := sorted(set(needed) - set(ds.variables)):
        raise JobError(
            f"{path} is of another kind, it lacks {', '.join(lacking)}; "
            "remove it to have it made again"
        )
    return ds


def sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
