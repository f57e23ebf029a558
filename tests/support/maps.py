"""Maps of a known form."""

import numpy as np

from moirepol.physics.polarization import map_dataset
from moirepol.structure.conventions import HIGH_SYMMETRY

N = 48
STAR = np.array([[1, 0], [0, 1], [-1, -1]])
CELL = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def first_harmonics(perp=3e-3, par=3.5e-3, offset=0.0):
    """A field with the symmetry of {E|tau}: P_perp odd and down at (1/3, 1/3), (2, 3, N, N)."""
    phase = 2 * np.pi * np.einsum("ka,aij->kij", STAR, np.indices((N, N)) / N)
    directions = STAR @ np.linalg.inv(CELL).T
    in_plane = np.einsum("kij,ka->aij", np.cos(phase), directions)
    up = np.sin(phase).sum(axis=0)
    P = np.concatenate(
        [par * in_plane / np.hypot(*in_plane).max(), [offset - perp * up / up.max()]]
    )
    opposite = np.array([0, 0, 8e-3])[:, None, None]
    return np.stack([P / 2 - opposite, P / 2 + opposite])


def a_map(layers, system="configuration_AA", matrix=((1, 0), (0, 1)), turn_deg=0.0):
    """A map whose named points stand where tau = matrix (u, v), its cell turned (twist: by 90)."""
    inverse = np.linalg.inv(matrix)
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    cell = CELL @ [[c, s], [-s, c]]
    points = {label: (inverse @ tau % 1) @ cell for label, tau in HIGH_SYMMETRY.items()}
    return map_dataset(layers, cell, points).assign_attrs(system=system)
