"""Relaxed heights: layers with an exponential repulsion, without a DFT code."""

import numpy as np
import pytest

from moirepol.dft.relaxation import LONG_STEP_A, relaxed_heights, shorten
from moirepol.structure.building import build
from moirepol.structure.conventions import UPPER

REST_A, DECAY_A, RUMPLING_A = 3.8, 0.4, 0.02


@pytest.mark.parametrize("repulsion", [0.01, 0.05, 0.3])
def test_the_heights_converge_and_the_layers_stay_near_each_other(repulsion):
    atoms = build("AA_slide-0-0-1", 2.51, 3.33)
    upper = atoms.layer == UPPER
    visited = []

    def forces(positions):
        height = positions[:, 2]
        distance = height[upper].mean() - height[~upper].mean()
        visited.append(distance)
        excess = (distance - REST_A) / DECAY_A
        between = repulsion * (np.exp(-excess) - np.exp(-excess / 2))
        found = np.where(upper, between, -between) / 2
        for layer in (upper, ~upper):
            first, second = np.flatnonzero(layer)
            spring = 5.0 * (height[first] - height[second] - RUMPLING_A)
            found[first] -= spring
            found[second] += spring
        return found

    height = relaxed_heights(atoms, forces)[:, 2]
    assert height[upper].mean() - height[~upper].mean() == pytest.approx(REST_A, abs=2e-3)
    assert max(visited) < REST_A + 1.0
    first, second = np.flatnonzero(upper)
    assert height[first] - height[second] == pytest.approx(RUMPLING_A, abs=1e-3)


def test_a_short_step_is_unchanged_and_a_long_one_grows_slowly():
    short = np.array([0.5, -1.0]) * LONG_STEP_A
    np.testing.assert_array_equal(shorten(short), short)
    long, longer = shorten(10 * short), shorten(20 * short)
    assert LONG_STEP_A < abs(long[1]) < abs(longer[1]) < 5 * LONG_STEP_A
    assert long[0] == pytest.approx(-long[1] / 2)
