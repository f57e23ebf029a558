"""The long-range field: its limits, its reciprocity and a case with a closed answer."""

import numpy as np
import pytest

from moirepol.physics import long_range as longrange
from moirepol.physics.expansion import Expansion
from moirepol.physics.polarization import layer_fields
from moirepol.structure.building import build, sample
from moirepol.structure.names import System

A, D = 2.51, 3.33


@pytest.fixture(scope="module", params=["AA_twist-3-4", "AA_mismatch-9-10"])
def atoms(request):
    return build(request.param, A, D)


def dipoles(atoms, rng):
    return rng.normal(size=(len(atoms.sites), 3))


def wave(atoms, q_index=(1, 0)):
    """cos(q.r) at all dipole sites, and q in 1/A."""
    cell = atoms.cell.array[:2, :2]
    q = 2 * np.pi * np.array(q_index) @ np.linalg.inv(cell).T
    value = np.cos(atoms.site_positions[:, :2] @ q)
    return value, np.linalg.norm(q)


def test_uniform_dipoles_make_no_field(atoms):
    p = np.tile([1.0, -2.0, 3.0], (len(atoms.sites), 1))
    assert np.allclose(longrange.Field(atoms, D).of(p), 0, atol=1e-12)


def test_the_field_is_reciprocal():
    atoms = build("AA_twist-3-4", A, D)
    rng = np.random.default_rng(0)
    p1, p2 = dipoles(atoms, rng), dipoles(atoms, rng)
    field = longrange.Field(atoms, D)
    assert (p1 * field.of(p2)).sum() == pytest.approx((p2 * field.of(p1)).sum(), rel=1e-9)


def test_long_waves_see_a_sheet_of_dipoles():
    atoms = build("AA_twist-21-22", A, D)
    value, q = wave(atoms)
    p = np.zeros((len(atoms.sites), 3))
    p[:, 2] = value
    E = longrange.Field(atoms, D).of(p)[:, 2]
    area = np.sqrt(3) / 2 * A**2
    both = 2 * 2 * np.pi * longrange.COULOMB_V_A * q / area
    assert E @ value / (value @ value) == pytest.approx(both, rel=1.5 * q * D)
    # Charges of waves in the plane: E = -4 pi C q p / A for both layers together.
    p = np.zeros((len(atoms.sites), 3))
    direction = 2 * np.pi * np.linalg.inv(atoms.cell.array[:2, :2]).T[0] / q
    p[:, :2] = value[:, None] * direction
    E = longrange.Field(atoms, D).of(p)[:, :2] @ direction
    assert E @ value / (value @ value) == pytest.approx(-both, rel=1.5 * q * D)


def test_a_uniform_response_multiplies_a_wave():
    atoms = build("AA_twist-21-22", A, D)
    value, _ = wave(atoms)
    p0 = np.column_stack([0 * value, 0 * value, value])
    response = np.zeros_like(p0)
    response[:, 2] = 0.06
    strength = longrange.Field(atoms, D).of(p0)[:, 2] @ value / (value @ value)
    p = longrange.LongRangeSolver(atoms, response, 0.0, D).add(p0)
    expected = 1 / (1 - 0.06 * strength)
    ratio = np.sum(p[:, 2] * value) / (value @ value)
    assert 1.1 < expected < 1.3
    assert ratio == pytest.approx(expected, rel=1e-3)


def test_waves_in_the_plane_are_depolarized(atoms):
    value, q = wave(atoms)
    direction = 2 * np.pi * np.linalg.inv(atoms.cell.array[:2, :2]).T[0] / q
    across = np.array([-direction[1], direction[0]])
    response = np.zeros((len(atoms.sites), 3))
    kept = []
    for along in (direction, across):
        p0 = np.zeros((len(atoms.sites), 3))
        p0[:, :2] = value[:, None] * along
        p = longrange.LongRangeSolver(atoms, response, 0.4, D).add(p0)
        kept.append(np.sum(p[:, :2] @ along * value) / (value @ value))
    assert kept[0] < 0.5  # lengthwise waves carry charges
    assert kept[1] == pytest.approx(1, abs=1e-6)  # crosswise ones do not


def test_slides_are_left_as_they_are():
    atoms = build("AA_slide-1-3-10", A, D)
    p0 = np.tile([1e-3, 2e-3, 5e-3], (len(atoms.sites), 1))
    response = p0
    p = longrange.LongRangeSolver(atoms, response, 0.4, D).add(p0)
    np.testing.assert_allclose(p, p0, atol=1e-12)


def test_what_is_added_can_be_taken_out(atoms):
    rng = np.random.default_rng(1)
    p0 = dipoles(atoms, rng)
    response = np.zeros((len(atoms.sites), 3))
    response[:, 2] = 0.06
    beyond = longrange.LongRangeSolver(atoms, response, 0.4, D)
    p = beyond.add(p0)
    assert np.max(np.abs(p - p0)) > 0.1
    np.testing.assert_allclose(beyond.remove(p), p0, atol=1e-6)


@pytest.mark.parametrize("name", ["AA_twist-5-6", "AAp_twist-3-4", "AA_mismatch-9-10"])
def test_the_grid_of_a_sampled_bilayer_has_the_field_of_the_atoms(name):
    """A smooth pattern of dipoles has one field, whatever samples it."""
    found = []
    for bilayer in (build(name, A, D), sample(name, A, D, 12)):
        phase = 2 * np.pi * bilayer.site_stackings @ [1, 0]
        signs = np.where(bilayer.site_layers == 1, 1.0, 0.3)
        p = np.column_stack([np.cos(phase), np.sin(phase), signs * np.cos(phase)])
        bilayer.set_site_array("dipole", longrange.Field(bilayer, D).of(p))
        found.append(layer_fields(bilayer, 12))
    np.testing.assert_allclose(found[1], found[0], atol=1e-9)


@pytest.mark.parametrize("there", [0, 1])
@pytest.mark.parametrize("here", [0, 1])
def test_the_field_is_the_mean_over_a_slab(here, there):
    """The charges of a slab are integrated numerically: in its volume, or on its two surfaces."""
    size, area, n = 0.4, 5.4, 2000
    depth = (np.arange(n) + 0.5) / n * D - D / 2
    strength = 2 * np.pi * longrange.COULOMB_V_A / area
    charge = -1j * size

    def potential(z, charges):
        return np.exp(-size * np.abs(z[:, None] - charges)) * strength / size

    z, surfaces = here * D + depth, here * D + np.array([-D / 2, D / 2])
    sources, plates = there * D + depth, there * D + np.array([-D / 2, D / 2])
    of_charge = [charge * potential(at, sources).mean(axis=1) for at in (z, surfaces)]
    of_dipole = [potential(at, plates) @ [-1, 1] / D for at in (z, surfaces)]
    depolarization = 2 * strength / D * (here == there)
    found = [
        longrange.slab_field(np.array([[size, 0.0]]), np.eye(3)[[axis]], here, there, area, D)[0]
        for axis in (0, 2)
    ]
    for field, (inside, at_surfaces), uniform in zip(
        found, (of_charge, of_dipole), (0.0, depolarization), strict=True
    ):
        assert field[0] == pytest.approx(-1j * size * inside.mean(), rel=1e-3, abs=1e-9)
        along_z = uniform - np.diff(at_surfaces)[0] / D
        assert field[2] == pytest.approx(along_z, rel=1e-3, abs=1e-9)


def test_the_coupling_scales_what_in_plane_charges_do_to_the_other_component(atoms):
    """In-plane dipoles, opposite in the layers, make a vertical field; it is linear in c."""
    value, q = wave(atoms)
    direction = 2 * np.pi * np.linalg.inv(atoms.cell.array[:2, :2]).T[0] / q
    upper = np.where(atoms.site_layers == 1, 1.0, -1.0)
    p = np.zeros((len(value), 3))
    p[:, :2] = (upper * value)[:, None] * direction
    whole, half, none = (longrange.Field(atoms, D, c).of(p) for c in (1.0, 0.5, 0.0))
    assert np.abs(none[:, 2]).max() < 1e-9 < np.abs(whole[:, 2]).max()
    np.testing.assert_allclose(half[:, 2], whole[:, 2] / 2, atol=1e-12)
    np.testing.assert_allclose(half[:, :2], whole[:, :2], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "spread"),
    [("AA_twist-1-2", 0.005), ("AA_mismatch-4-5", 0.005), ("AA_mismatch-4-5", 0.03)],
)
def test_the_field_of_responding_dipoles_solves_the_linear_equations(name, spread):
    """With the large spread, the steps of the mean response do not converge."""
    atoms = build(name, A, D)
    number = len(atoms.sites)
    response = np.random.default_rng(2).normal((0, 0, 0.06), spread, (number, 3))
    solver = longrange.LongRangeSolver(atoms, response, 0.4, D)
    p0 = np.random.default_rng(3).normal(size=(number, 3))
    units = np.eye(3 * number).reshape(-1, number, 3)
    matrix = np.stack([solver.remove(unit).ravel() for unit in units], axis=1)
    expected = np.linalg.solve(matrix, p0.ravel()).reshape(p0.shape)
    assert np.abs(expected - p0).max() > 0.1
    np.testing.assert_allclose(solver.add(p0), expected, atol=1e-7)


def test_dipoles_on_a_coarse_grid_converge():
    """The grid is coarser than the atoms, and the layers are strongly polarizable."""
    bilayer = sample(System.parse("SiC-AA_twist-33-34"), 3.094, 3.25, 24)
    draws = np.random.default_rng(0)
    dipoles = draws.normal(size=(len(bilayer.sites), 3))
    response = 0.01 * draws.normal(size=dipoles.shape) + [0.0, 0.0, 0.126]
    solver = longrange.LongRangeSolver(bilayer, response, 1.27, 3.25, 0.99)
    np.testing.assert_allclose(solver.remove(solver.add(dipoles)), dipoles, atol=1e-7)


def test_periodic_images_add_what_a_sum_over_them_adds():
    height, area, size = 16.0, 5.4, 0.12
    q = np.array([[size, 0.0]])
    in_plane, along_z = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    strength = (
        2 * np.pi * longrange.COULOMB_V_A / area * (2 * np.sinh(size * D / 2) / size / D) ** 2
    )
    n = np.concatenate([np.arange(-200, 0), np.arange(1, 201)])

    def sums(here, there):
        apart = (here - there) * D + n * height
        decay = np.exp(-size * np.abs(apart))
        return decay.sum(), (np.sign(apart) * decay).sum()

    for there in (0, 1):
        for here in (0, 1):
            added = [
                longrange.slab_field(q, wave, here, there, area, D, 0.8, height)
                - longrange.slab_field(q, wave, here, there, area, D, 0.8)
                for wave in (in_plane, along_z)
            ]
            even, odd = sums(here, there)
            assert added[0][0, 0] == pytest.approx(-size * strength * even)
            assert added[1][0, 2] == pytest.approx(size * strength * even)
            assert added[0][0, 2] == pytest.approx(-1j * size * strength * odd)
            assert added[1][0, 0] == pytest.approx(-1j * size * strength * odd)


def test_a_label_with_periodic_images_has_another_field_than_a_prediction():
    isolated, label = (build("AA_twist-21-22", A, D) for _ in range(2))
    label.image_distance_A = 16.0
    value, q = wave(isolated)
    p = np.column_stack([0 * value, 0 * value, value])
    fields = [longrange.Field(bilayer, D).of(p)[:, 2] @ value for bilayer in (isolated, label)]
    assert fields[1] / fields[0] == pytest.approx(1 + 2 / np.expm1(16 * q), rel=0.5 * q * D)
    random = np.random.default_rng(0)
    p1, p2 = dipoles(label, random), dipoles(label, random)
    field = longrange.Field(label, D)
    assert (p1 * field.of(p2)).sum() == pytest.approx((p2 * field.of(p1)).sum(), rel=1e-9)


def test_deviations_of_the_coupling_change_the_members_as_another_coupling_does(atoms):
    random = np.random.default_rng(3)
    p0, R = dipoles(atoms, random), np.full((1, len(atoms.sites), 3), [0.0, 0.0, 0.06])
    found = {}
    for coupling, deviation in ((0.8, 1e-4), (0.8 + 1e-4, None), (0.8 - 1e-4, None)):
        expansion = Expansion(atoms, {0: p0[None], 1: R}, coupling)
        if deviation:
            expansion.deviate(0, np.zeros((1, *p0.shape)), np.array([deviation]))
        longrange.LongRange(0.4).contribute(expansion)
        found[coupling] = expansion.powers()[0]
    plus, minus = (found[0.8 + sign * 1e-4][0] for sign in (1, -1))
    np.testing.assert_allclose(
        found[0.8][0] - found[0.8][1], plus - minus, atol=1e-3 * np.abs(plus - minus).max()
    )


def test_dipoles_without_a_field_are_added_to_the_others(atoms):
    random = np.random.default_rng(5)
    p0, silent = dipoles(atoms, random), dipoles(atoms, random)
    R = np.full((1, len(atoms.sites), 3), [0.0, 0.0, 0.06])
    expansion = Expansion(atoms, {0: (p0 + silent)[None], 1: R}, without_field=silent)
    term = longrange.LongRange(0.4)
    term.contribute(expansion)
    expected = term.solver(atoms, R[0]).add(p0) + silent
    np.testing.assert_allclose(expansion.powers()[0][0], expected, atol=1e-6)
