"""How far the surroundings of an N atom are from all that a model was trained on.

The network cannot say so itself: its descriptor adds up neighbours one by one, and of a layer
around its own threefold axis that leaves no orientation. A twist of the layers is invisible to it,
and to every committee of its kind. In a flat bilayer the surroundings are two lattices, their
distance and the local stacking, so the distance to a frame of the training set can be stated as a
length: the root mean square displacement that turns one into the other, over the atoms of one layer
within the cut-off, in the layer where it is larger.
"""

from collections.abc import Iterable
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from moirepol.structure.bilayer import Bilayer
from moirepol.structure.symmetry import layer_symmetries, transform_slide

#: Beyond this deformation the network extrapolates: strains in steps of 1 % leave gaps of 0.021 A.
LIMIT_A = 0.025


def surroundings(frames: Iterable[Bilayer]) -> dict[str, np.ndarray]:
    """Return arrays of frames: layer_cell (k, 2, 2, 2), distance (k,) in A, stacking (k, 2).

    The stacking is in fractions, NaN for a moire cell, which holds all of them.
    """
    frames = list(frames)
    cells = np.array([frame.lattices for frame in frames])
    uniform = np.abs(cells[:, 0] - cells[:, 1]).max(axis=(1, 2)) < 1e-6
    stacking = np.array([frame.stacking_at(np.zeros(2)) for frame in frames])
    return {
        "layer_cell": cells,
        "distance": np.array([frame.layer_distance_A for frame in frames]),
        "stacking": np.where(uniform[:, None], stacking, np.nan),
    }


def environment_distance(
    atoms: Bilayer, known: dict[str, np.ndarray], cutoff_A: float
) -> tuple[np.ndarray, float]:
    """Distances (n,) in A of the N atoms' surroundings to the nearest known; NaN on B.

    Also returns the deformation in A: the same for the layers' lattices and distance alone, the
    part that more stackings cannot make smaller.
    """
    is_site = atoms.is_site
    found = np.full(len(atoms), np.nan)
    found[is_site] = np.inf
    deformations = [np.inf, np.inf]
    d = atoms.layer_distance_A
    groups = np.column_stack([known["layer_cell"].reshape(-1, 8), known["distance"]]).round(6)
    for group in np.unique(groups, axis=0):
        members = (groups == group).all(axis=1)
        lattices = group[:8].reshape(2, 2, 2)
        slides = known["stacking"][members]
        for layer in (0, 1):
            of_layer = np.flatnonzero(is_site & (atoms.layer == layer))
            own, other = _displacement(atoms.lattices, lattices, layer)
            reach = np.sqrt(max(cutoff_A**2 - d**2, 0.0))
            apart = np.hypot(reach / 2 * other, d - group[8])
            own *= cutoff_A / 2
            deformations[layer] = min(deformations[layer], max(own, apart))
            shift = np.zeros(len(of_layer))
            if not np.isnan(slides).any():
                points = _images(slides, atoms.family) @ lattices[1]
                here = atoms.stacking_at(atoms.positions[of_layer, :2]) @ lattices[1]
                shift = cKDTree(points).query(here)[0]
            found[of_layer] = np.fmin(found[of_layer], np.fmax(own, np.hypot(apart, shift)))
    return found, float(max(deformations))


def _displacement(cells, known, layer):
    """Sizes of the strain of a layer and of the change of the other, seen from the first."""
    strained = np.linalg.inv(known[layer]) @ cells[layer]
    u, s, vt = np.linalg.svd(strained)
    turn = u @ vt
    change = np.linalg.inv(known[1 - layer]) @ cells[1 - layer] @ turn.T
    return np.linalg.norm(s - 1), np.linalg.norm(change - np.eye(2))


def _images(stackings, family):
    """All stackings that symmetry makes of some, in the unit cell and around it."""
    images = [transform_slide(tau, op) for tau in stackings for op in layer_symmetries(family)]
    turned = np.unique(np.round(images, 6) % 1.0, axis=0)
    steps = np.array(list(product((-1, 0, 1), repeat=2)))
    return (turned[:, None] + steps).reshape(-1, 2)
