"""Symmetry of translated bilayers: one calculation gives every equivalent stacking.

The operations are those of a monolayer with the point group -6m2. For AA without a field these are
the twelve operations of D3h. A field along z leaves the six operations of C3v. For AA' the
operations that exchange the layers are inversion times C3v. They map every translated bilayer onto
itself.
"""

from functools import cache

import numpy as np

from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build
from moirepol.structure.conventions import PRIMITIVE
from moirepol.structure.names import System, stacking_of


def layer_symmetries(family: str, field_V_per_A: float = 0.0) -> list[tuple[np.ndarray, bool]]:
    """Return the operations that map one translated bilayer of a family onto another.

    Parameters
    ----------
    family
        Stacking family.
    field_V_per_A
        Field along z in V/angstrom. A field removes the operations that exchange the layers.

    Returns
    -------
    list of (Q, swap)
        Q (3, 3), an orthogonal Cartesian matrix that maps tau and every dipole; swap, whether the
        operation exchanges the layers.
    """
    threefold = np.array([[-0.5, -np.sqrt(3) / 2], [np.sqrt(3) / 2, -0.5]])
    # B and N lie along a1 + a2 from a hexagon centre, so that direction lies in a mirror plane.
    along = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    mirror = 2 * np.outer(along, along) - np.eye(2)
    planar = [
        np.linalg.matrix_power(threefold, k) @ m for m in (np.eye(2), mirror) for k in range(3)
    ]
    operations = []
    for swap in (False, True):
        if swap and field_V_per_A:
            continue
        for matrix in planar:
            q = np.eye(3)
            q[:2, :2] = matrix
            if swap:
                q = q @ (np.diag([1.0, 1.0, -1.0]) if stacking_of(family) == "AA" else -np.eye(3))
            operations.append((q, swap))
    return operations


def transform_slide(tau: np.ndarray, operation: tuple[np.ndarray, bool]) -> np.ndarray:
    """Apply an operation of `layer_symmetries` to stackings.

    Parameters
    ----------
    tau
        Stackings (..., 2) in fractions of (a1, a2).
    operation
        The operation (Q, swap).

    Returns
    -------
    ndarray
        Stackings (..., 2) in [0, 1).
    """
    q, swap = operation
    image = np.asarray(tau) @ PRIMITIVE @ q[:2, :2].T @ np.linalg.inv(PRIMITIVE)
    return (-image if swap else image) % 1.0


@cache
def distinct_slides(n: int, family: str, field_V_per_A: float = 0.0) -> tuple[tuple[int, int], ...]:
    """Return one stacking of every symmetry orbit of a grid.

    Parameters
    ----------
    n
        Number of stackings along each primitive vector: tau = (i a1 + j a2) / n.
    family
        Stacking family.
    field_V_per_A
        Field along z in V/angstrom.

    Returns
    -------
    tuple of (i, j)
        The first stacking of each orbit, j fastest.
    """
    operations = layer_symmetries(family, field_V_per_A)
    seen, distinct = set(), []
    for i in range(n):
        for j in range(n):
            if (i, j) in seen:
                continue
            distinct.append((i, j))
            for operation in operations:
                image = transform_slide(np.array([i, j]) / n, operation)
                seen.add(tuple(int(k) for k in np.rint(image * n).astype(int) % n))
    return tuple(distinct)


def symmetry_copies(frame: Bilayer, reverse_field: bool = False) -> list[Bilayer]:
    """Return all distinct translated bilayers that symmetry makes of a labelled one.

    Every copy is the structure that `build` makes of its name. Its dipoles are those of the
    original, transformed by the operation and assigned to the atoms at the transformed positions.

    Parameters
    ----------
    frame
        Translated bilayer with the array ``dipole`` (n, 3) in e.angstrom and perhaps
        ``dipole_error``.
    reverse_field
        Whether to return the copies in the opposite field, too: those of an exchange of the layers.

    Returns
    -------
    list of Bilayer
        The copies, the original among them.

    Raises
    ------
    ValueError
        If an operation does not map the structure onto its target.
    """
    system = frame.system
    i, j, n = system.indices
    lattice_constant = np.linalg.norm(frame.cell.array[0]) / (1 + system.strain_percent / 100)
    z = frame.positions[:, 2]
    distance = z[frame.layer == 1].mean() - z[frame.layer == 0].mean()
    copies = {}
    field = system.field_V_per_A
    for operation in layer_symmetries(system.family, 0.0 if reverse_field else field):
        image = np.rint(n * transform_slide(np.array([i, j]) / n, operation)).astype(int) % n
        reduced = System(family=system.family, geometry="slide", indices=(*map(int, image), n))
        changed = {
            "indices": reduced.indices,
            "field_V_per_A": -field if operation[1] else field,
        }
        target = system.model_copy(update=changed)
        if target.name not in copies:
            atoms = build(target, float(lattice_constant), float(distance), frame.cell.array[2, 2])
            copies[target.name] = _turned(frame, atoms, operation)
    return list(copies.values())


def _turned(frame, target, operation):
    """Give `target` the transformed dipoles of `frame`; the structures must then coincide."""
    q, swap = operation
    centre = np.array([0, 0, frame.cell.array[2, 2] / 2])
    positions = (frame.positions - centre) @ q.T + centre
    if swap:
        # The old lower layer is now the upper one: put the new lower layer back on its origin.
        positions[:, :2] += frame.origins[0] - frame.origins[1] @ q[:2, :2].T
    layer = frame.layer ^ int(swap)
    cell = frame.cell.array
    step = (target.positions[:, None] - positions) @ np.linalg.inv(cell)
    same = np.abs((step + 0.5) % 1 - 0.5).max(axis=-1) < 1e-6
    same &= (target.numbers[:, None] == frame.numbers) & (target.layer[:, None] == layer)
    if not (same.sum(axis=1) == 1).all():
        raise ValueError(f"{frame.name} does not turn into {target.name}")
    partner = same.argmax(axis=1)
    target.set_array("dipole", (frame.arrays["dipole"] @ q.T)[partner])
    if "dipole_error" in frame.arrays:
        spread = np.sqrt(frame.arrays["dipole_error"] ** 2 @ (q.T**2))
        target.set_array("dipole_error", spread[partner])
    return target
