"""Maps without atoms: the grid of local stackings gives the map of the atoms."""

import numpy as np
import pytest

from moirepol.physics.long_range import LongRange
from moirepol.physics.polarization import layer_fields
from moirepol.predictor import NetworkTerm, Predictor
from moirepol.structure.building import build, sample
from support.networks import SLIDES, A, D, labelled, member


@pytest.fixture(scope="module")
def predictor():
    frames = [labelled(name) for name in SLIDES]
    terms = [NetworkTerm(kind, [member(frames, 0, kind, 0.02)[2]]) for kind in ("zero_field",)]
    response = NetworkTerm("response", [member(frames, 1, "response", 0.02)[2]])
    return Predictor([*terms, response, LongRange(0.4)])


@pytest.mark.parametrize("name", ["AA_twist-8-9", "AA_mismatch-19-20"])
def test_the_grid_gives_the_map_of_the_atoms(predictor, name):
    """Up to waves that neither the atoms nor the grid resolve."""
    by_atoms, by_grid = (
        layer_fields(predictor.dipoles(bilayer), 24)
        for bilayer in (build(name, A, D), sample(name, A, D, 24))
    )
    assert np.abs(by_grid - by_atoms).max() < 1e-4 * np.abs(by_atoms).max()
