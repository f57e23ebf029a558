"""How long new labels take, estimated from the shipped labels."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from moirepol.dft.engine import engine_name
from moirepol.dft.grids import divisions
from moirepol.structure.conventions import PRIMITIVE, UPPER
from moirepol.structure.names import System
from moirepol.workflow.label_sets import settings_from
from moirepol.workflow.provenance import read_netcdf


def announcement(labels: Iterable[tuple[str, Mapping[str, Any]]], folder: str | Path) -> str:
    """Describe the labels that a run computes.

    Parameters
    ----------
    labels
        Name of the bilayer and recipe of each label.
    folder
        Folder of the shipped label sets.

    Returns
    -------
    str
        Number, sizes and processor time in one line; empty without labels.
    """
    sizes: Counter[int] = Counter()
    seconds = 0.0
    for frame, recipe in labels:
        system = System.parse(frame)
        sizes[system.n_atoms] += 1
        seconds += core_seconds(system, recipe, folder)
    if not sizes:
        return ""
    listed = ", ".join(f"{count} of {n} atoms" for n, count in sorted(sizes.items()))
    time = f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"
    return f"labels to compute by DFT: {listed}; about {time} on one core"


def core_seconds(system: System, recipe: Mapping[str, Any], folder: str | Path) -> float:
    """Estimate the processor time of a label.

    Parameters
    ----------
    system
        The bilayer.
    recipe
        The recipe. The shipped labels of its DFT code are used.
    folder
        Folder of the shipped label sets.

    Returns
    -------
    float
        Time in s: the number of k points times the time of a k point. Between the sizes of the
        shipped labels, the time of a k point is a power law through the medians. Beyond the largest
        size, it grows with the square of the number of atoms.
    """
    lengths = np.linalg.norm(np.array(system.supercells[UPPER]) @ PRIMITIVE, axis=1)
    n_k, n_atoms = math.prod(divisions(lengths, recipe["mesh_4_atom_cell"])), system.n_atoms
    sizes, seconds = _measured(str(folder), engine_name(recipe))
    if not len(sizes):
        return n_k * n_atoms / 4
    estimate = float(np.exp(np.interp(np.log(n_atoms), np.log(sizes), np.log(seconds))))
    return n_k * estimate * max(1.0, n_atoms / sizes[-1]) ** 2


@cache
def _measured(folder: str, engine: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of atoms and median times (s) of a k point, of the shipped labels of a DFT code."""
    times: dict[int, list[float]] = {}
    for path in sorted(Path(folder).glob("*.nc")):
        ds = read_netcdf(path)
        if engine_name(settings_from(ds)["recipe"]) != engine:
            continue
        used = ds["core_s"] if "core_s" in ds else ds["wall_s"]
        used = used / (ds["mesh_1"] * ds["mesh_2"])
        for name, seconds in zip(ds["frame"].values, used.values, strict=True):
            times.setdefault(System.parse(str(name)).n_atoms, []).append(float(seconds))
    known = {n: float(np.nanmedian(t)) for n, t in times.items() if np.isfinite(t).any()}
    sizes = sorted(known)
    return np.array(sizes, dtype=float), np.array([known[n] for n in sizes])
