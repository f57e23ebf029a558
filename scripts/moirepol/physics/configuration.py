"""Dipoles in configuration space: what labels of untwisted slides say of every stacking."""

from collections.abc import Iterable

import numpy as np

from moirepol.errors import JobError
from moirepol.physics.polarization import Sites
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.symmetry import symmetry_copies


def labelled_slides(
    frames: Iterable[Bilayer], family: str, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the primitive cell (2, 2) in A and dipoles (n * n, layer, 3) in e.A of a grid.

    Of `frames` the unstrained slides of `family` without a field at the default distance count;
    their symmetry copies fill the grid tau = (i a1 + j a2) / n, j fastest. JobError where they
    leave a gap.
    """
    cell, slides = np.zeros((2, 2)), {}
    for frame in frames:
        system = frame.system
        wanted = system.family == family and system.geometry == "slide" and system == system.plain
        if not wanted or n % system.indices[2]:
            continue
        cell = frame.cell.array[:2, :2]
        for copy in symmetry_copies(frame):
            i, j, steps = copy.system.indices
            by_layer = np.argsort(copy.site_layers)
            slides[i * n // steps, j * n // steps] = copy.dipoles[by_layer]
    missing = [index for index in np.ndindex(n, n) if index not in slides]
    if missing:
        raise JobError(
            f"no label for {len(missing)} slides of {family}, such as {missing[0]} / {n}"
        )
    return cell, np.array([slides[index] for index in np.ndindex(n, n)])


def slide_waves(cell: np.ndarray, dipoles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plane waves k (K, 2), C (K, layer * 3) in tau through the dipoles of `labelled_slides`."""
    n = round(len(dipoles) ** 0.5)
    tau = np.indices((n, n)).reshape(2, -1).T @ cell / n
    return Sites(tau, cell / n, cell).waves(dipoles.reshape(n * n, -1))


def at_stackings(k: np.ndarray, C: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Dipoles (m, layer, 3) in e.A of the slides tau (m, 2), fractions of (a1, a2)."""
    return (np.exp(2j * np.pi * tau @ k.T) @ C).real.reshape(len(tau), 2, 3)
