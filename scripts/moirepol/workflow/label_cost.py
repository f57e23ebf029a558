"""How long new labels take, estimated from the shipped labels."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from moirepol.dft.engine import DEFAULT, engine_name
from moirepol.structure.names import System
from moirepol.workflow.label_sets import settings_from
from moirepol.workflow.provenance import read_netcdf


def announcement(labels: Iterable[tuple[str, str]], folder: str | Path) -> str:
    """Describe the labels that a run computes.

    Parameters
    ----------
    labels
        Bilayer and engine of each label, by name.
    folder
        Folder of the shipped label sets.

    Returns
    -------
    str
        Number, sizes and processor time in one line; empty without labels.
    """
    kinds = Counter((System.parse(frame).n_atoms, engine) for frame, engine in labels)
    if not kinds:
        return ""
    sizes: Counter[int] = Counter()
    for (n, _), count in kinds.items():
        sizes[n] += count
    listed = ", ".join(f"{count} of {n} atoms" for n, count in sorted(sizes.items()))
    seconds = sum(count * core_seconds(n, folder, engine) for (n, engine), count in kinds.items())
    time = f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"
    return f"labels to compute by DFT: {listed}; about {time} on one core"


def core_seconds(n_atoms: int, folder: str | Path, engine: str = DEFAULT) -> float:
    """Estimate the processor time of a label.

    Parameters
    ----------
    n_atoms
        Atoms of the cell.
    folder
        Folder of the shipped label sets.
    engine
        Name of the DFT code. The shipped labels of this code are used.

    Returns
    -------
    float
        Time in s. Between the sizes of the shipped labels it is a power law through the medians;
        beyond the largest it grows with the square of the number of atoms.
    """
    sizes, seconds = _measured(str(folder), engine)
    if not len(sizes):
        return 60.0 * n_atoms / 4
    estimate = float(np.exp(np.interp(np.log(n_atoms), np.log(sizes), np.log(seconds))))
    return estimate * max(1.0, n_atoms / sizes[-1]) ** 2


@cache
def _measured(folder: str, engine: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of atoms and median processor times (s) of the shipped labels of a DFT code."""
    times: dict[int, list[float]] = {}
    for path in sorted(Path(folder).glob("*.nc")):
        ds = read_netcdf(path)
        if engine_name(settings_from(ds)["recipe"]) != engine:
            continue
        used = ds["core_s"] if "core_s" in ds else ds["wall_s"]
        for name, seconds in zip(ds["frame"].values, used.values, strict=True):
            times.setdefault(System.parse(str(name)).n_atoms, []).append(float(seconds))
    known = {n: float(np.nanmedian(t)) for n, t in times.items() if np.isfinite(t).any()}
    sizes = sorted(known)
    return np.array(sizes, dtype=float), np.array([known[n] for n in sizes])
