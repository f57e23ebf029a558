"""How far surroundings are from those trained on: a length that can be checked by hand."""

import numpy as np
import pytest

from moirepol.model.domain import LIMIT_A, environment_distance, surroundings
from moirepol.structure.building import build
from moirepol.structure.symmetry import distinct_slides

A, D, CUTOFF = 2.51, 3.33, 6.0


@pytest.fixture(scope="module")
def known():
    names = [f"AA_slide-{i}-{j}-10" for i, j in distinct_slides(10, "AA")]
    strained = [f"{name}_strain{strain}" for name in names for strain in ("+1.00", "-1.00")]
    return surroundings(build(name, A, D) for name in [*names, *strained])


def of(name, known):
    atoms = build(name, A, D)
    distance, deformation = environment_distance(atoms, known, CUTOFF)
    assert np.isnan(distance[atoms.numbers == 5]).all()
    return distance[atoms.is_site], deformation


@pytest.mark.parametrize("name", ["AA_slide-7-1-10", "AA_slide-1-2-5_strain+1.00"])
def test_known_surroundings_and_their_copies_are_near(known, name):
    distance, deformation = of(name, known)
    assert distance.max() < 1e-6
    assert deformation < 1e-6


def test_a_slide_between_others_is_a_step_away_and_not_deformed(known):
    distance, deformation = of("AA_slide-1-2-20", known)
    assert distance == pytest.approx(A / 20, rel=1e-6)
    assert deformation == pytest.approx(0, abs=1e-6)


def test_a_changed_layer_distance_is_the_displacement(known):
    distance, deformation = of("AA_slide-0-1-2_d3.430", known)
    assert distance == pytest.approx(0.1, rel=1e-6)
    assert deformation == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "angle_deg"), [("AA_twist-21-22", 1.538), ("AA_twist-5-6", 6.009)]
)
def test_a_twist_displaces_the_other_layer(known, name, angle_deg):
    _, deformation = of(name, known)
    reach = np.sqrt(CUTOFF**2 - D**2)
    turned = 2 * np.sin(np.radians(angle_deg) / 2) * reach / np.sqrt(2)
    assert deformation == pytest.approx(turned, rel=1e-3)
    assert deformation > LIMIT_A


def test_a_strain_between_those_known_is_inside_a_mismatch_is_not(known):
    assert of("AA_slide-1-3-10_strain+0.50", known)[1] < LIMIT_A
    assert of("AA_mismatch-9-10", known)[1] > 10 * LIMIT_A


def test_a_known_moire_cell_holds_all_its_stackings(known):
    cells = surroundings([build("AA_twist-2-3", A, D)])
    both = {key: np.concatenate([known[key], cells[key]]) for key in known}
    distance, deformation = of("AA_twist-2-3", both)
    assert deformation < 1e-6
    assert distance.max() < 1e-6
