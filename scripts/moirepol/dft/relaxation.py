"""Relax the heights of the atoms of a translated bilayer from the forces of a DFT code.

The stacking of the layers is fixed, so only heights move. Optimizers for general structures fail
here: the layer distance is a hundred times softer than the bonds within a layer. Broyden's method
in scaled heights needs about five forces.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import NoConvergence, broyden1

from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, UPPER

#: Force constants of the first step in eV/angstrom^2: of the layer distance in a four-atom cell,
#: and of heights within a layer. They influence the number of steps only.
DISTANCE_STIFFNESS, LAYER_STIFFNESS = 0.25, 17.0
#: Largest step of a height that is left at the end, in angstrom.
TOLERANCE_A = 3e-5
MAXIMUM_STEPS = 20
#: Step of a height in angstrom above which a step grows as its logarithm only. The repulsion of the
#: layers is exponential in their distance, so a step that is linear in the force is too long.
LONG_STEP_A = 0.2


def relaxed_heights(atoms: Bilayer, force_at: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the positions of a bilayer with relaxed heights.

    Parameters
    ----------
    atoms
        The bilayer.
    force_at
        Function: positions (n, 3) in angstrom -> forces (n,) along z in eV/angstrom.

    Returns
    -------
    ndarray
        Positions (n, 3) in angstrom.

    Raises
    ------
    JobError
        If the relaxation does not converge.
    """
    side = np.where(atoms.layer == UPPER, 1.0, -1.0)
    counts = np.array([(atoms.layer == layer).sum() for layer in (LOWER, UPPER)])
    apart = side / counts[atoms.layer]
    apart /= np.linalg.norm(apart)
    # A change of distance by 1 is a move along `apart` of this length.
    length = 1 / np.sqrt((1 / counts).sum())
    of_distance = DISTANCE_STIFFNESS * counts.sum() / 4 / length**2
    together = np.full(len(side), len(side) ** -0.5)
    projectors = np.outer(apart, apart), np.outer(together, together)
    within = np.eye(len(side)) - sum(projectors)
    # Steps are the forces divided by these stiffnesses.
    compliance = projectors[0] / of_distance + within / LAYER_STIFFNESS

    def step(heights):
        positions = atoms.positions.copy()
        positions[:, 2] = heights
        return shorten(compliance @ force_at(positions))

    start = atoms.positions[:, 2]
    try:
        found = broyden1(
            step, start, alpha=1.0, f_tol=TOLERANCE_A, maxiter=MAXIMUM_STEPS, line_search=None
        )
    except NoConvergence:
        raise JobError(
            f"{atoms.name}: the heights do not converge in {MAXIMUM_STEPS} steps"
        ) from None
    positions = atoms.positions.copy()
    positions[:, 2] = found
    return positions


def shorten(step: np.ndarray) -> np.ndarray:
    """Shorten a step whose largest component exceeds `LONG_STEP_A`.

    Parameters
    ----------
    step
        Step (n,) in angstrom.

    Returns
    -------
    ndarray
        Step (n,) of the same direction. Its largest component is a smooth, increasing function of
        that of `step`.
    """
    ratio = np.abs(step).max() / LONG_STEP_A
    return step * (1 + np.log(ratio)) / ratio if ratio > 1 else step
