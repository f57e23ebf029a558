"""Distance of the surroundings of an N atom from all surroundings of the training frames.

The network itself cannot give this distance. Its descriptor is a sum over single neighbours. A
layer around its own threefold axis therefore contributes no orientation to it. A twist of the
layers does not change the descriptor, so no committee of such networks detects it.

In a flat bilayer the surroundings consist of two lattices, their distance and the local stacking.
The distance to a training frame is therefore a length. It is the root mean square displacement that
turns one set of surroundings into the other, over the atoms of one layer within the cut-off. The
layer with the larger displacement counts.
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
    """Return the surroundings that frames contain, as arrays.

    Parameters
    ----------
    frames
        Flat bilayers.

    Returns
    -------
    dict
        ``layer_cell`` (k, 2, 2, 2), primitive vectors (layer, vector, xy) in angstrom; ``distance``
        (k,), layer distance in angstrom; ``stacking`` (k, 2), in fractions of (a1, a2). The
        stacking is NaN for a moire cell, which contains all stackings.
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
    """Return the distances of the N atoms' surroundings to the nearest known surroundings.

    Parameters
    ----------
    atoms
        Flat bilayer with n atoms.
    known
        Known surroundings, as of `surroundings`.
    cutoff_A
        Cut-off of the network in angstrom.

    Returns
    -------
    distance : ndarray
        Distances (n,) in angstrom, NaN where there is no dipole site.
    deformation : float
        The same distance in angstrom for the lattices and the distance of the layers alone. More
        stackings in the training set cannot reduce it.
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
    """Sizes of the strain of a layer and of the change of the other, relative to the first."""
    strained = np.linalg.inv(known[layer]) @ cells[layer]
    u, s, vt = np.linalg.svd(strained)
    turn = u @ vt
    change = np.linalg.inv(known[1 - layer]) @ cells[1 - layer] @ turn.T
    return np.linalg.norm(s - 1), np.linalg.norm(change - np.eye(2))


def _images(stackings, family):
    """All symmetry images of stackings, in the unit cell and around it."""
    images = [transform_slide(tau, op) for tau in stackings for op in layer_symmetries(family)]
    turned = np.unique(np.round(images, 6) % 1.0, axis=0)
    steps = np.array(list(product((-1, 0, 1), repeat=2)))
    return (turned[:, None] + steps).reshape(-1, 2)
