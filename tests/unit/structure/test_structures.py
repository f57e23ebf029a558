"""Bilayers: atom counts, commensurability, symmetry, names."""

import numpy as np
import pytest
import spglib
from ase.neighborlist import neighbor_list
from hypothesis import given
from hypothesis import strategies as st

from moirepol.structure.building import build
from moirepol.structure.conventions import HIGH_SYMMETRY
from moirepol.structure.names import System
from moirepol.structure.symmetry import distinct_slides, layer_symmetries, transform_slide

A, D = 2.51, 3.33


@pytest.mark.parametrize(
    ("name", "count", "angle_deg"),
    [
        ("AA_twist-1-2", 28, 21.79),
        ("AA_twist-2-3", 76, 13.17),
        ("AA_twist-3-4", 148, 9.43),
        ("AA_twist-4-5", 244, 7.34),
        ("AA_twist-5-6", 364, 6.01),
        ("AAp_twist-10-11", 1324, 3.15),
        ("AAp_twist-20-21", 5044, 1.614),
        ("AA_twist-21-22", 5548, 1.538),
        ("AA_twist-30-31", 11164, 1.085),
        ("AA_mismatch-4-5", 82, 0.0),
        ("AA_mismatch-9-10", 362, 0.0),
        ("AA_mismatch-19-20", 1522, 0.0),
        ("AA_mismatch-99-100", 39602, 0.0),
        ("AA_mismatch-101-100", 40402, 0.0),
        ("AA_strip-9-10", 38, 0.0),
        ("AAp_strip-9-8_shift-0-1-3", 34, 0.0),
        ("AA_slide-3-5-10", 4, 0.0),
    ],
)
def test_atom_counts_and_angles(name, count, angle_deg):
    system = System.parse(name)
    atoms = build(system, A, D)
    assert len(atoms) == count == system.n_atoms
    assert system.twist_angle_deg == pytest.approx(angle_deg, abs=0.005)
    assert atoms.cell.angles() == pytest.approx([90, 90, 60])
    species, layers = atoms.numbers, atoms.layer
    assert (species == 5).sum() == (species == 7).sum()
    assert np.ptp(atoms.positions[layers == 1][:, 2]) == 0
    assert atoms.positions[layers == 1][0, 2] - atoms.positions[layers == 0][0, 2] == pytest.approx(
        D
    )


@pytest.mark.parametrize(
    "name", ["AA_twist-2-3", "AAp_twist-2-3", "AA_mismatch-4-5", "AAp_mismatch-6-5"]
)
def test_every_atom_has_three_neighbours_of_the_other_kind_at_its_layers_bond_length(name):
    atoms = build(name, A, D)
    i, j, d = neighbor_list("ijd", atoms, 1.9)
    assert np.bincount(i, minlength=len(atoms)).tolist() == [3] * len(atoms)
    assert (atoms.numbers[i] != atoms.numbers[j]).all()
    bond = np.linalg.norm(atoms.lattices[:, 0], axis=1) / np.sqrt(3)
    assert d == pytest.approx(bond[atoms.layer[i]], abs=1e-9)


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("AA_slide-0-0-1", 12),
        ("AA_slide-1-1-3", 6),
        ("AAp_slide-0-0-1", 12),
        ("AA_twist-2-3", 6),
        ("AAp_twist-2-3", 6),
        ("AA_mismatch-4-5", 6),
    ],
)
def test_point_symmetry(name, operations):
    atoms = build(name, A, D)
    cell = (np.asarray(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)
    assert len(spglib.get_symmetry(cell, symprec=1e-5)["rotations"]) == operations


def test_eta_is_positive_where_the_lower_layer_is_compressed():
    system = System.parse("AA_mismatch-9-10")
    atoms = build(system, A, D)
    lower, upper = np.linalg.norm(atoms.lattices[:, 0], axis=1)
    assert system.eta == pytest.approx(0.1)
    assert lower == pytest.approx(0.9 * A) and upper == pytest.approx(A)
    assert (atoms.layer == 0).sum() == 200


@pytest.mark.parametrize(
    "name", ["AA_twist-5-6", "AAp_twist-3-4", "AA_mismatch-9-10", "AA_mismatch-11-10"]
)
def test_each_point_has_the_stacking_it_is_called_by(name):
    atoms = build(name, A, D)
    for label, xy in atoms.stacking_points().items():
        difference = atoms.stacking_at(xy) - HIGH_SYMMETRY[label]
        assert difference - np.rint(difference) == pytest.approx(np.zeros(2), abs=1e-9)


def test_a_slide_has_its_own_stacking_everywhere():
    atoms = build("AA_slide-3-5-10", A, D)
    assert atoms.stacking_at(np.array([[0.3, 0.2], [7.0, -4.0]])) == pytest.approx(
        np.array([[0.3, 0.5]] * 2)
    )
    with pytest.raises(ValueError, match="no moiré cell"):
        atoms.stacking_points()


@pytest.mark.parametrize(
    ("family", "field", "count"), [("AA", 0.0, 14), ("AA", 0.02, 22), ("AAp", 0.0, 22)]
)
def test_distinct_slides_of_the_ten_by_ten_grid(family, field, count):
    slides = distinct_slides(10, family, field)
    assert len(slides) == count
    images = {
        tuple(np.rint(10 * transform_slide(np.array(slide) / 10, operation)).astype(int) % 10)
        for slide in slides
        for operation in layer_symmetries(family, field)
    }
    assert len(images) == 100


systems = st.builds(
    lambda family, geometry, strain, distance, field: System(
        family=family,
        geometry=geometry[0],
        indices=geometry[1],
        strain_percent=round(strain, 2),
        distance_A=None if distance is None else round(distance, 3),
        field_V_per_A=round(field, 4),
    ),
    st.sampled_from(["AA", "AAp"]),
    st.one_of(
        st.tuples(
            st.just("slide"), st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(5, 30))
        ),
        st.tuples(st.just("twist"), st.integers(1, 40).map(lambda m: (m, m + 1))),
        st.tuples(st.just("mismatch"), st.integers(2, 120).map(lambda n: (n, n + 1))),
    ),
    st.floats(-5, 5),
    st.one_of(st.none(), st.floats(2.5, 5)),
    st.floats(-0.1, 0.1),
)


@given(systems)
def test_a_name_says_everything(system):
    assert System.parse(system.name) == system
    assert System.parse(system.name).name == system.name


@pytest.mark.parametrize(
    "name",
    [
        "AA",
        "AB_slide-0-0-1",
        "AA_slide-3-5",
        "AA_slide-9-0-3",
        "AA_twist-2-2",
        "AA_twist-2-4",
        "AA_twist-1-2_field+5.0",
        "AA_twist-1-2_d11",
        "AA_twist-1-2; rm",
        "../AA_twist-1-2",
    ],
)
def test_other_names_are_rejected(name):
    with pytest.raises(ValueError):
        System.parse(name)


def test_a_strip_is_strained_along_one_vector_and_shifted_across():
    strip = build("AA_strip-9-10_shift-0-1-3", A, D)
    lower, upper = strip.lattices
    np.testing.assert_allclose(lower, [0.9 * upper[0], upper[1]])
    tau = strip.stacking_at(np.arange(10)[:, None] * lower[0])
    # Along a1 by a tenth of it from cell to cell, and a third of a2 everywhere.
    steps = (np.diff(tau[:, 0]) + 0.5) % 1 - 0.5
    np.testing.assert_allclose(np.abs(steps), 0.1)
    np.testing.assert_allclose(tau[:, 1], 1 / 3)
    with pytest.raises(ValueError, match="does not contain all stackings"):
        strip.stacking_points()


@pytest.mark.parametrize("family", ["AA", "AAp"])
def test_a_sheared_cell_is_a_simple_shear_of_the_upper_layer(family):
    cell = build(f"{family}_shear-9_shift-1-0-3", 2.51, 3.33)
    lower, upper = cell.lattices
    assert len(cell) == 36
    # Rows r' = r G^T: the displacement gradient of the upper layer against the lower one.
    gradient = (np.linalg.inv(lower) @ upper).T - np.eye(2)
    along, normal = np.array([1, np.sqrt(3)]) / 2, np.array([np.sqrt(3), -1]) / 2
    shear = -1 / 9 / np.cos(np.pi / 6)
    np.testing.assert_allclose(gradient, shear * np.outer(along, normal), atol=1e-12)
    tau = cell.site_stackings
    np.testing.assert_allclose((tau[:, 0] + 0.5) % 1 - 0.5, 1 / 3, atol=1e-9)
    assert len(np.unique(tau[cell.site_layers == 0, 1].round(6))) == 9
    with pytest.raises(ValueError, match="does not contain all stackings"):
        cell.stacking_points()
