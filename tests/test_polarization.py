"""The interpolated field passes through the dipoles and keeps their symmetries to round-off."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moirepol import polarization
from moirepol.structures import PRIMITIVE, build, layer_symmetries, stacking_at
from moirepol.symmetry import symmetry_copies
from moirepol.systems import System

A, D = 2.51, 3.33
#: The three shortest reciprocal vectors (over 2 pi) of the primitive cell, at 120 degrees.
STAR = np.array([[1, 0], [0, 1], [-1, -1]])


def stacked(name, offset=0.0):
    """A frame whose layers hold known smooth functions of the local stacking, AA symmetric."""
    atoms = build(name, A, D)
    place = atoms.positions[:, :2]
    phase = 2 * np.pi * stacking_at(atoms, place) @ STAR.T
    # In-plane: along the gradient of the first star, for which C3 and the mirrors hold.
    directions = STAR @ np.linalg.inv(PRIMITIVE).T
    dipole = np.zeros((len(atoms), 3))
    dipole[:, 2] = np.sin(phase).sum(axis=1) + offset
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    dipole[:, :2] = np.cos(phase) @ directions @ turn
    sign = np.where(atoms.arrays["layer"] == 1, 1.0, 0.5)
    dipole *= sign[:, None]
    dipole[atoms.symbols == "B"] = np.nan
    atoms.set_array("dipole", dipole)
    return atoms


@given(st.lists(st.integers(-30, 30), min_size=4, max_size=4))
@settings(max_examples=200)
def test_diagonal_form_is_unimodular(numbers):
    matrix = np.array(numbers).reshape(2, 2)
    if round(np.linalg.det(matrix)) == 0:
        return
    U, diagonal, V = polarization.diagonalize(matrix)
    assert (U @ matrix @ V == diagonal).all()
    assert diagonal[0, 1] == diagonal[1, 0] == 0
    assert abs(round(np.linalg.det(U))) == abs(round(np.linalg.det(V))) == 1


@pytest.mark.parametrize("name", ["AA_twist-1-2", "AA_twist-3-4", "AA_mismatch-9-10"])
def test_field_passes_through_random_dipoles(name):
    rng = np.random.default_rng(1)
    atoms = build(name, A, D)
    cell = atoms.cell.array[:2, :2]
    for layer, lattice in enumerate(atoms.info["layer_cell"]):
        chosen = (atoms.symbols == "N") & (atoms.arrays["layer"] == layer)
        sites = atoms.positions[chosen, :2]
        values = rng.normal(size=(len(sites), 3))
        k, C = polarization.plane_waves(sites, values, lattice, cell)
        waves = np.exp(2j * np.pi * (sites @ np.linalg.inv(cell)) @ k.T)
        assert np.allclose(waves @ C, values, atol=1e-10)


@pytest.mark.parametrize("name", ["AA_twist-3-4", "AA_mismatch-19-20", "AA_mismatch-21-20"])
def test_smooth_fields_come_back(name):
    atoms, n = stacked(name), 30
    fields = polarization.layer_fields(atoms, n)
    u = np.stack(np.meshgrid(np.arange(n) / n, np.arange(n) / n, indexing="ij"), axis=-1)
    phase = 2 * np.pi * stacking_at(atoms, u @ atoms.cell.array[:2, :2]) @ STAR.T
    expected = np.sin(phase).sum(axis=-1)
    assert np.allclose(fields[1, 2], expected, atol=1e-9)
    assert np.allclose(fields[0, 2], expected / 2, atol=1e-9)


def test_grid_evaluation_is_exact_on_coarse_grids():
    atoms = stacked("AA_twist-3-4")
    fine, coarse = (polarization.layer_fields(atoms, n) for n in (48, 6))
    assert np.allclose(fine[..., ::8, ::8], coarse, atol=1e-10)


def test_symmetries_survive_for_rough_dipoles():
    """Threefold-symmetric noise on the sites gives a field symmetric to round-off."""
    atoms, n = build("AA_twist-2-3", A, D), 24
    cell = atoms.cell.array[:2, :2]
    rng = np.random.default_rng(2)
    dipole = rng.normal(size=(len(atoms), 3))
    turned = np.zeros_like(dipole)
    threefold = layer_symmetries("AA")[1][0]
    for power in range(3):
        q = np.linalg.matrix_power(threefold, power)
        fraction = atoms.positions[:, :2] @ q[:2, :2].T @ np.linalg.inv(cell)
        home = atoms.positions[:, :2] @ np.linalg.inv(cell)
        away = np.abs((fraction[:, None] - home + 0.5) % 1 - 0.5).max(axis=-1)
        away[atoms.arrays["layer"][:, None] != atoms.arrays["layer"]] = 1.0
        partner = away.argmin(axis=1)
        assert away.min(axis=1).max() < 1e-6
        turned[partner] += dipole @ q.T / 3
    atoms.set_array("dipole", turned)
    P = polarization.layer_fields(atoms, n)
    i, j = np.indices((n, n))
    # Rotation by 120 degrees: (u, v) -> (-u - v, u).
    image = P[:, :, (-i - j) % n, i]
    assert np.allclose(image, np.einsum("ab,lbij->laij", threefold, P), atol=1e-12)
    assert np.abs(P[:, :2, 0, 0]).max() < 1e-12


def test_resampling_is_exact_both_ways():
    P = polarization.layer_fields(stacked("AA_twist-3-4"), 36).sum(axis=0)
    fine = polarization.resample(P, 72)
    assert np.allclose(fine[:, ::2, ::2], P, atol=1e-12)
    assert np.allclose(polarization.resample(fine, 36), P, atol=1e-12)


def test_a_foreign_lattice_is_refused():
    atoms = stacked("AA_twist-1-2")
    atoms.positions[0] += 0.1
    atoms.positions[-1] += 0.1
    with pytest.raises(ValueError, match="Bravais"):
        polarization.layer_fields(atoms, 12)


@pytest.mark.parametrize("family", ["AA", "AAp"])
@pytest.mark.parametrize("field", [0.0, 0.02])
def test_copies_are_the_transformed_structures(family, field):
    """All copies of the labelled slides fill the grid, and a copy of a copy is the original."""
    option = f"_field{field:+.3f}" if field else ""
    atoms = build(f"{family}_slide-1-3-10_strain+1.0{option}", A, D)
    rng = np.random.default_rng(3)
    dipole = rng.normal(size=(len(atoms), 3))
    dipole[atoms.symbols == "B"] = np.nan
    atoms.set_array("dipole", dipole)
    copies = symmetry_copies(atoms)
    names = {copy.info["name"] for copy in copies}
    expected = 6 if field or family == "AAp" else 12
    assert len(names) == expected
    for copy in copies:
        assert System.parse(copy.info["name"]).field_V_per_A == field
        total = np.nansum(copy.arrays["dipole"], axis=0)
        assert np.isclose(np.linalg.norm(total[:2]), np.linalg.norm(np.nansum(dipole, 0)[:2]))
    assert any(copy.info["name"] == atoms.info["name"] for copy in copies)


def test_layer_swap_reverses_tau_and_the_out_of_plane_part():
    atoms = build("AA_slide-1-3-10", A, D)
    dipole = np.array([[np.nan] * 3, [0.1, 0.2, 0.3], [np.nan] * 3, [0.4, 0.5, -0.7]])
    order = np.lexsort((atoms.symbols == "N", atoms.arrays["layer"]))
    values = np.empty_like(dipole)
    values[order] = dipole
    atoms.set_array("dipole", values)
    copy = next(c for c in symmetry_copies(atoms) if c.info["name"] == "AA_slide-9-7-10")
    upper = (copy.symbols == "N") & (copy.arrays["layer"] == 1)
    assert np.allclose(copy.arrays["dipole"][upper], [0.1, 0.2, -0.3])
