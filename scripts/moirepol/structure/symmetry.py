"""Symmetry copies of labelled slides: one calculation gives every equivalent stacking."""

import numpy as np
from ase import Atoms

from moirepol.structure.building import build, layer_symmetries, transform_slide
from moirepol.structure.names import System


def symmetry_copies(frame: Atoms) -> list[Atoms]:
    """All distinct slides that symmetry makes of a labelled slide, itself among them.

    frame: a slide with arrays `dipole` (e.A) and perhaps `dipole_spread`. Every copy is the
    structure that `build` makes of its own name, and its dipoles are the original's, turned by the
    operation and given to the atoms on which the turned structure falls. An operation that does not
    carry the structure onto the target raises ValueError.
    """
    system = System.parse(frame.info["name"])
    i, j, n = system.indices
    lattice_constant = np.linalg.norm(frame.cell.array[0]) / (1 + system.strain_percent / 100)
    z = frame.positions[:, 2]
    distance = z[frame.arrays["layer"] == 1].mean() - z[frame.arrays["layer"] == 0].mean()
    copies = {}
    for operation in layer_symmetries(system.family, system.field_V_per_A):
        image = np.rint(n * transform_slide(np.array([i, j]) / n, operation)).astype(int) % n
        target = system.model_copy(update={"indices": (int(image[0]), int(image[1]), n)})
        if target.name not in copies:
            atoms = build(target, lattice_constant, distance, frame.cell.array[2, 2])
            copies[target.name] = _turned(frame, atoms, operation)
    return list(copies.values())


def _turned(frame, target, operation):
    """Give `target` the dipoles of `frame`, turned; the structures must then coincide."""
    q, swap = operation
    centre = np.array([0, 0, frame.cell.array[2, 2] / 2])
    positions = (frame.positions - centre) @ q.T + centre
    if swap:
        # The old lower layer is now the upper one: put the new lower layer back on its origin.
        positions[:, :2] += (
            frame.info["layer_origin"][0] - frame.info["layer_origin"][1] @ q[:2, :2].T
        )
    layer = frame.arrays["layer"] ^ int(swap)
    cell = frame.cell.array
    step = (target.positions[:, None] - positions) @ np.linalg.inv(cell)
    same = np.abs((step + 0.5) % 1 - 0.5).max(axis=-1) < 1e-6
    same &= (target.numbers[:, None] == frame.numbers) & (target.arrays["layer"][:, None] == layer)
    if not (same.sum(axis=1) == 1).all():
        raise ValueError(f"{frame.info['name']} does not turn into {target.info['name']}")
    partner = same.argmax(axis=1)
    target.set_array("dipole", (frame.arrays["dipole"] @ q.T)[partner])
    if "dipole_spread" in frame.arrays:
        spread = np.sqrt(frame.arrays["dipole_spread"] ** 2 @ (q.T**2))
        target.set_array("dipole_spread", spread[partner])
    return target
