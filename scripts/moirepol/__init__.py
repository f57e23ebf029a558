"""Shared science of the workflow: bilayers, labels, dipole models, polarization, topology."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from moirepol.interface import Models

from moirepol.version import __version__ as __version__


def load(folder: str | Path = ".") -> "Models":
    """Load the trained models of a project, see `moirepol.interface.load`."""
    # The rules import this package; only predictions need the time of this import.
    from moirepol.interface import load as load_models

    return load_models(folder)
