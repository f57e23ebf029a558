"""Dipoles in configuration space: the error between the labelled stackings."""

import pytest

from moirepol.physics.configuration import interpolation_error, labelled_slides, slide_waves
from moirepol.structure.frames import read_frames
from support import ROOT

FAMILY = "SiC-AA"


@pytest.fixture(scope="module")
def frames():
    return read_frames(ROOT / "resources" / "labels" / "sic_aa.nc")


def error(frames, n, waves=None):
    waves = waves or slide_waves(*labelled_slides(frames, FAMILY, n))
    return interpolation_error(frames, FAMILY, n, waves)


def test_the_error_of_the_interpolation_decreases_with_the_grid(frames):
    assert error(frames, 3) > 5 * error(frames, 6) > 0


def test_the_error_is_that_of_the_labels_between_the_stackings(frames):
    waves = slide_waves(*labelled_slides(frames, FAMILY, 6))
    between = [frame.copy() for frame in frames if 6 % frame.system.indices[2]]
    for frame in between:
        frame.set_site_array("dipole", frame.dipoles + 1.0)
    assert error(between, 6, waves) == pytest.approx(1.0, abs=0.05)


def test_a_grid_alone_has_no_measured_error(frames):
    on_grid = [frame for frame in frames if 6 % frame.system.indices[2] == 0]
    assert error(on_grid, 6) is None
