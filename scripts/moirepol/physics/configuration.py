"""Dipoles in configuration space: labels of translated bilayers, interpolated to every stacking."""

from collections.abc import Iterable

import numpy as np

from moirepol.errors import JobError
from moirepol.physics.polarization import Sites
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.symmetry import symmetry_copies


def labelled_slides(
    frames: Iterable[Bilayer], family: str, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Collect the labels of translated bilayers on a grid of stackings.

    Only unstrained translated bilayers of the family without a field and at the default layer
    distance are used. Their symmetry copies fill the grid tau = (i a1 + j a2) / n.

    Parameters
    ----------
    frames
        Labelled frames.
    family
        Stacking family.
    n
        Number of stackings along each primitive vector.

    Returns
    -------
    cell : ndarray
        Primitive cell (2, 2) as rows, in angstrom.
    dipoles : ndarray
        Dipoles (n * n, layer, 3) in e.angstrom, j fastest.

    Raises
    ------
    JobError
        If a stacking of the grid has no label.
    """
    cell, slides = np.zeros((2, 2)), {}
    for frame in _plain_slides(frames, family):
        if n % frame.system.indices[2]:
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
    """Interpolate the dipoles of `labelled_slides` by plane waves in tau.

    Parameters
    ----------
    cell
        Primitive cell (2, 2) as rows, in angstrom.
    dipoles
        Dipoles (n * n, layer, 3) in e.angstrom, j fastest.

    Returns
    -------
    k : ndarray
        Integer wave vectors (K, 2).
    C : ndarray
        Complex coefficients (K, layer * 3) in e.angstrom.
    """
    n = round(len(dipoles) ** 0.5)
    tau = np.indices((n, n)).reshape(2, -1).T @ cell / n
    return Sites(tau, cell / n, cell).waves(dipoles.reshape(n * n, -1))


def interpolation_error(
    frames: Iterable[Bilayer], family: str, n: int, waves: tuple[np.ndarray, np.ndarray]
) -> float | None:
    """Compare labels between the stackings of a grid with the interpolated dipoles.

    Parameters
    ----------
    frames, family, n
        As in `labelled_slides`.
    waves
        Plane waves (k, C) of `slide_waves`, from the labels of the grid alone.

    Returns
    -------
    float or None
        Root mean square of the difference over layers and components, in e.angstrom. None if all
        labels are on the grid.
    """
    between = [f for f in _plain_slides(frames, family) if n % f.system.indices[2]]
    if not between:
        return None
    tau = np.array([np.array(f.system.indices[:2]) / f.system.indices[2] for f in between])
    labels = np.array([f.dipoles[np.argsort(f.site_layers)] for f in between])
    return float(np.sqrt(np.mean((at_stackings(*waves, tau) - labels) ** 2)))


def _plain_slides(frames, family):
    """Return the unstrained frames of a family without a field, at the default layer distance."""
    systems = ((frame, frame.system) for frame in frames)
    return [
        frame
        for frame, system in systems
        if system.family == family and system.geometry == "slide" and system == system.plain
    ]


def at_stackings(k: np.ndarray, C: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Evaluate the plane waves of `slide_waves` at stackings.

    Parameters
    ----------
    k
        Integer wave vectors (K, 2).
    C
        Complex coefficients (K, layer * 3) in e.angstrom.
    tau
        Stackings (m, 2) in fractions of (a1, a2).

    Returns
    -------
    ndarray
        Dipoles (m, layer, 3) in e.angstrom.
    """
    return (np.exp(2j * np.pi * tau @ k.T) @ C).real.reshape(len(tau), 2, 3)
