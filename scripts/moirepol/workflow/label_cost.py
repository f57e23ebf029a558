"""How long new labels take, estimated from the shipped labels."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf


def announcement(frames: Iterable[str], folder: str | Path) -> str:
    """Describe the labels that a run computes.

    Parameters
    ----------
    frames
        Names of the bilayers to label.
    folder
        Folder of the shipped label sets.

    Returns
    -------
    str
        Number, sizes and processor time in one line; empty without frames.
    """
    sizes = Counter(System.parse(frame).n_atoms for frame in frames)
    if not sizes:
        return ""
    listed = ", ".join(f"{count} of {n} atoms" for n, count in sorted(sizes.items()))
    seconds = sum(count * core_seconds(n, folder) for n, count in sizes.items())
    time = f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"
    return f"labels to compute by DFT: {listed}; about {time} on one core"


def core_seconds(n_atoms: int, folder: str | Path) -> float:
    """Estimate the processor time of a label.

    Parameters
    ----------
    n_atoms
        Atoms of the cell.
    folder
        Folder of the shipped label sets.

    Returns
    -------
    float
        Time in s. Between the sizes of the shipped labels it is a power law through the medians;
        beyond the largest it grows with the square of the number of atoms.
    """
    sizes, seconds = _measured(str(folder))
    if not len(sizes):
        return 60.0 * n_atoms / 4
    estimate = float(np.exp(np.interp(np.log(n_atoms), np.log(sizes), np.log(seconds))))
    return estimate * max(1.0, n_atoms / sizes[-1]) ** 2


@cache
def _measured(folder: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of atoms and median processor times (s) of the shipped labels."""
    times: dict[int, list[float]] = {}
    for path in sorted(Path(folder).glob("*.nc")):
        ds = read_netcdf(path)
        used = ds["core_s"] if "core_s" in ds else ds["wall_s"]
        for name, seconds in zip(ds["frame"].values, used.values, strict=True):
            times.setdefault(System.parse(str(name)).n_atoms, []).append(float(seconds))
    known = {n: float(np.nanmedian(t)) for n, t in times.items() if np.isfinite(t).any()}
    sizes = sorted(known)
    return np.array(sizes, dtype=float), np.array([known[n] for n in sizes])
