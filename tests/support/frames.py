"""Frames with dipoles of a known form."""

import numpy as np

from moirepol.structure.building import build
from moirepol.structure.conventions import PRIMITIVE

A, D = 2.51, 3.33
#: The three shortest reciprocal vectors (over 2 pi) of the primitive cell, at 120 degrees.
STAR = np.array([[1, 0], [0, 1], [-1, -1]])


def stacked(name):
    """A frame whose layers hold known smooth functions of the stacking, with AA's symmetry."""
    return with_dipoles(build(name, A, D))


def with_dipoles(atoms):
    """A bilayer with these dipoles."""
    place = atoms.positions[:, :2]
    if "_slide-" in atoms.name:
        place = np.zeros_like(place)
    phase = 2 * np.pi * atoms.stacking_at(place) @ STAR.T
    # tau -> -tau with a layer swap: the sum of the layers' z is odd and their difference even.
    sign = np.where(atoms.layer == 1, 1.0, -1.0)[:, None]
    odd, even = np.sin(phase), np.cos(phase)
    dipole = np.zeros((len(atoms), 3))
    dipole[:, 2:] = (odd + sign * (1 + even / 2)).sum(axis=1, keepdims=True)
    dipole[:, :2] = (even + sign * odd) @ STAR @ np.linalg.inv(PRIMITIVE).T
    dipole[atoms.symbols == "B"] = np.nan
    atoms.set_array("dipole", dipole)
    return atoms
