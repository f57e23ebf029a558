"""Systems in other words: the nearest cell, its one name, and what the models do not cover."""

import cmath
import math
import re

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from moirepol.errors import ConfigError
from moirepol.physics.polarization import layer_fields
from moirepol.structure.building import build
from moirepol.structure.conventions import LOWER, UPPER
from moirepol.structure.names import (
    OTHER_NAMES,
    PATTERN,
    System,
    describe,
    describe_difference,
    nearest,
)
from moirepol.workflow.configuration import check_config
from moirepol.workflow.coverage import beyond_labels, parse_name, predictors_of
from support.frames import stacked
from support.settings import put

A, D = 2.51, 3.33


@pytest.fixture
def config(root):
    return check_config(yaml.safe_load((root / "config.yaml").read_text()))


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("AA_angle-2.00", "AA_twist-16-17"),
        ("AA_angle-2.00_field+0.015", "AA_twist-16-17_field+0.0150"),
        ("AAp_angle-1.54_strain+1", "AAp_twist-21-22_strain+1.00"),
        ("AA_angle-2_shift-2-0-4_d3.3", "AA_twist-16-17_shift-1-0-2_d3.300"),
        ("AA_eta+0.01", "AA_mismatch-99-100"),
        ("AA_eta-0.01_d3.4", "AA_mismatch-101-100_d3.400"),
        ("AAp_eta+0.01", "AAp_mismatch-99-100"),
        ("AA_twist-21-22_field+0.02", "AA_twist-21-22_field+0.0200"),
        ("AA_slide-2-2-6", "AA_slide-1-1-3"),
    ],
)
def test_wishes_have_one_name(wish, name):
    assert nearest(wish, 10**6).name == name
    assert re.fullmatch(PATTERN, name)
    assert not re.fullmatch(OTHER_NAMES, name)
    assert re.fullmatch(OTHER_NAMES, wish) or not re.match("AAp?_(angle|eta)", wish)


@given(st.floats(0.5, 15), st.floats(-0.1, 0.1))
@settings(max_examples=60, deadline=None)
def test_no_cell_of_one_period_is_nearer(angle, eta):
    """Against all supercells within reach, by brute force."""
    eta = round(eta, 4) or 0.01
    wish = f"AA_angle-{angle:.3f}_eta{eta:+.4f}"
    found = nearest(wish, 10**6)
    assert found.n_periods == 1
    assert System.parse(found.name) == found
    ratio = (1 - eta) * cmath.exp(-1j * math.radians(float(f"{angle:.3f}")))
    m, n = np.indices((260, 260)) - 130
    L = m + n * np.exp(1j * np.pi / 3)
    far = L != 0
    best = np.abs(1 - 1 / L[far] - ratio).min()
    reached = (1 - found.eta) * cmath.exp(-1j * math.radians(found.twist_angle_deg))
    assert abs(reached - ratio) <= best + 1e-9


@pytest.mark.parametrize("angle", [0.7, 2.0, 3.3, 5.0, 11.0])
def test_no_twist_of_one_period_is_nearer(angle):
    found = nearest(f"AA_angle-{angle}", 10**6).twist_angle_deg
    others = [System.parse(f"AA_twist-{m}-{m + 1}").twist_angle_deg for m in range(1, 200)]
    assert abs(found - angle) == pytest.approx(min(abs(other - angle) for other in others))


@pytest.mark.parametrize(
    ("general", "special"),
    [("AA_moire-3-4-4-3", "AA_twist-3-4"), ("AAp_moire-5-0-4-0", "AAp_mismatch-4-5")],
)
def test_twists_and_mismatches_are_special_cases(general, special):
    cells = [build(name, A, D) for name in (general, special)]
    assert np.allclose(cells[0].cell.array, cells[1].cell.array)
    assert np.allclose(cells[0].positions, cells[1].positions)
    assert (cells[0].numbers == cells[1].numbers).all()


def test_a_cell_may_be_twisted_and_mismatched():
    system = nearest("AA_angle-6.0_eta+0.05", 10**5)
    atoms = build(system, A, D)
    assert len(atoms) == system.n_atoms
    lower, upper = atoms.lattices[[LOWER, UPPER], 0]
    lengths = np.linalg.norm([lower, upper], axis=1)
    assert lengths[1] == pytest.approx(A)
    assert 1 - lengths[0] / lengths[1] == pytest.approx(system.eta)
    turn = np.degrees(np.arctan2(upper[1], upper[0]) - np.arctan2(lower[1], lower[0]))
    assert turn == pytest.approx(system.twist_angle_deg)
    assert turn == pytest.approx(6.0, abs=1.0)
    assert system.eta == pytest.approx(0.05, abs=0.01)
    assert set(atoms.stacking_points()) == set("GNMABC")


def test_a_shift_moves_the_atoms_beneath_a_pattern_that_stays():
    plain, shifted = (stacked(f"AA_twist-3-4{option}") for option in ("", "_shift-1-2-5"))
    assert np.allclose((shifted.stacking_at([0.0, 0.0]) + 0.5) % 1, 0.5, atol=1e-9)
    assert not np.allclose(plain.positions, shifted.positions, atol=0.1)
    fields = [layer_fields(atoms, 24) for atoms in (plain, shifted)]
    assert np.allclose(*fields, atol=1e-9)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("AA_angle-0.01", ["AA_twist-", "atoms", "maps.maximum_atoms is 200000"]),
        ("AA_angle-45", ["up to 30 degrees"]),
        ("AA_eta+0.5", ["mismatch of up to 0.3"]),
        ("AB_angle-2", ["no system is called", "the family 'AB' is wrong", "allowed is AA, AAp"]),
        ("AA_slide-0-1-3_shift-1-1-3", ["no further shift"]),
        ("AA_angle-2_strain+30", ["strain must lie in"]),
    ],
)
def test_a_wish_without_a_cell_is_told_in_one_line(wish, words):
    with pytest.raises(ConfigError) as error:
        parse_name(wish, 200_000)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "AA_twist-2-3_d3.900",
            ["layer distance of 3.9 Å", "have 3.15 to 3.7", "heights.AA.distance"],
        ),
        (
            "AAp_twist-2-3_d3.900",
            ["layer distance of 3.9 Å", "model aap", "heights.AAp.distance"],
        ),
        ("AA_mismatch-2-3", ["strain of a layer of -33.33 %", "extrapolation.strain_percent"]),
        ("AA_twist-2-3_strain+15.00", ["strain of a layer of 15 %"]),
        ("AA_twist-2-3_field+0.5000", ["field of 0.5 V/Å", "model aa_response"]),
    ],
)
def test_what_the_models_do_not_cover_is_rejected(config, name, words):
    with pytest.raises(ConfigError) as error:
        predictors_of(config, name)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_labels_widen_what_the_models_cover(config):
    name = "AA_twist-2-3_d3.900"
    wide = {"grids": [{"family": "AA", "slides_per_axis": 3, "layer_distances_A": [3.33, 3.9]}]}
    wider = put(config, "labels.sets.wide", wide)
    with pytest.raises(ConfigError, match="heights.AA.distance"):
        # These networks are evaluated at the configured distance.
        predictors_of(put(wider, "models.aa.labels", ["aa", "wide"]), name)
    wider = put(wider, "heights.AA.distance", [*config["heights"]["AA"]["distance"], "wide"])
    assert predictors_of(wider, name)["zero_field"] == "aa"
    assert "labels of model" not in beyond_labels(wider, name)


def test_what_lies_beyond_the_labels_is_told(config):
    assert beyond_labels(config, "AA_twist-21-22") == ""
    config = put(config, "models.aa.labels", ["aa"])
    assert not beyond_labels(config, "AA_mismatch-9-10")  # by the model of mismatched cells
    assert "strain of a layer of -12.5 %" in beyond_labels(config, "AA_mismatch-7-8")


def test_descriptions_say_all():
    text = describe("AAp_moire-7-23-8-22_shift-1-0-2_strain+1.00_d3.400_field-0.0200")
    for word in ("Antiparallel", "2.036°", "+0.0102", "shifted", "+1 %", "3.4 Å", "-0.02 V/Å"):
        assert word in text
    assert describe("configuration_AAp") == "All stackings of AAp"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AA_angle-2.00", ""),
        ("AA_twist-1-2", ""),
        ("AA_eta+0.01", ""),
        (
            "AA_angle-30_field+0.02",
            "twist angle of 21.79° instead of 30°: .* AA_twist-4-11 has 30.16",
        ),
        (
            "AAp_angle-16",
            "twist angle of 13.17° instead of 16°: .* AAp_twist-8-13 has 15.65° and 25",
        ),
        (
            "AA_angle-5_eta+0.2",
            "twist angle of 6.587° instead of 5°, mismatch of 0.2053 instead of",
        ),
    ],
)
def test_a_large_difference_from_the_request_is_stated(name, words):
    found = describe_difference(name, nearest(name, 10**9))
    assert re.match(words, found)
    assert bool(words) == bool(found)
