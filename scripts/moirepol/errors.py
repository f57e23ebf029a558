"""Failures that are reported to the user in one line."""

import shutil
from pathlib import Path


class JobError(Exception):
    """A foreseen failure. The message is one line: what is wrong, its value, what is allowed."""


class RejectedLabel(JobError):
    """A label that its own numbers exclude, not a failure of the machine or of a program."""


def full_disk(folder: str | Path, enough: int = 1 << 20) -> str:
    """Return the cause to put before an error message if the disk of `folder` is full.

    Parameters
    ----------
    folder
        A folder on the disk.
    enough
        Free space in bytes that counts as room.

    Returns
    -------
    str
        "the disk of <folder> is full: ", or an empty text.
    """
    return f"the disk of {folder} is full: " if shutil.disk_usage(folder).free < enough else ""


class ConfigError(ValueError):
    """A setting or a name that is not allowed. The message is one line for the user."""
