"""Relaxation in the continuum: limits, symmetry, energy, mesh, and the relaxed bilayer."""

from functools import cache

import numpy as np
import pytest
from ase import Atoms

from moirepol.errors import JobError
from moirepol.physics import relaxation as rx
from moirepol.physics.continuum import relax
from moirepol.physics.gradient import gradient_map, gradient_of
from moirepol.physics.monolayer import Monolayer
from moirepol.physics.stackings import Stackings, functions
from moirepol.structure.building import build, sample
from moirepol.structure.conventions import LOWER, UPPER
from moirepol.structure.recognition import recognize
from moirepol.structure.symmetry import layer_symmetries, transform_slide

A, D = 2.51, 3.33
LAYER = Monolayer(11.3, 7.1, -0.3, -2.7)


def stackings(family="AA"):
    """Energies (eV), distances and rumpling like those of h-BN."""
    tau = np.indices((6, 6)).transpose(1, 2, 0) / 6
    energy = 1e-3 * np.array([8.1, 4.7, -0.45, -0.18, 0.0, 0.0])
    if family == "AAp":
        energy = 1e-3 * np.array([9.0, 1.5, -0.3, -0.1, 2.5, 0.1])
    distance = functions(tau) @ np.array([3.46, 0.067, -0.0065, 0, 0, 0])
    dipole = np.array([0, 0, 0, 0, -1.2e-3, -1e-4])
    return Stackings(
        {"energy": energy, "polarization": dipole, "response": 0 * dipole},
        {"distance": distance, "rumpling": np.zeros((6, 6, 2))},
        0.29,
    )


@cache
def relaxed(name, points=36):
    family = "AAp" if name.startswith("AAp") else "AA"
    return relax(sample(name, A, D, 1), stackings(family), LAYER, points)


def largest(name):
    return relaxed(name)[1]["largest_displacement_A"]


def test_relaxed_approaches_rigid_as_the_angle_grows():
    found = [largest(f"AA_twist-{m}-{m + 1}") for m in (1, 3, 8, 20)]
    assert found == sorted(found)
    assert found[0] < 1e-3
    assert found[-1] > 0.05


@pytest.mark.parametrize("name", ["AA_twist-20-21", "AAp_twist-20-21", "AA_mismatch-30-31"])
def test_relaxation_lowers_the_energy(name):
    _, summary = relaxed(name)
    assert summary["energy_per_area"] < summary["rigid_energy_per_area"]


@pytest.mark.parametrize("name", ["AA_twist-20-21", "AAp_twist-20-21", "AA_twist-20-21_field+0.10"])
def test_displacements_have_the_symmetry_of_the_moire(name):
    found, _ = relaxed(name)
    bilayer = sample(name, A, D, 1)
    n, gradient = found.points, gradient_of(bilayer)
    tau = np.indices((n, n)).reshape(2, -1).T / n
    tested = 0
    for matrix, swap in layer_symmetries(bilayer.family, bilayer.field_V_per_A):
        if not np.allclose(gradient_map(matrix, swap) @ gradient, gradient):
            continue
        i, j = np.rint(n * transform_slide(tau, (matrix, swap))).astype(int).T % n
        u = found.displacement.reshape(2, 2, -1)
        turned = np.einsum("ck,lkm->lcm", matrix[:2, :2], u)
        image = found.displacement[:, :, i, j]
        np.testing.assert_allclose(image, turned[::-1] if swap else turned, atol=1e-12)
        tested += 1
    assert tested == (3 if bilayer.field_V_per_A else 6)


def test_the_mesh_is_fine_enough():
    coarse, fine = relaxed("AA_twist-20-21", 36)[0], relaxed("AA_twist-20-21", 72)[0]
    same = fine.displacement[:, :, ::2, ::2]
    assert np.abs(coarse.displacement - same).max() < 0.02 * np.abs(same).max()


def test_domains_grow_along_the_field():
    """P_perp is negative at N: a field along -z makes the domains of N larger."""

    def share(name):
        found, _ = relaxed(name)
        tau0 = np.indices((found.points,) * 2).reshape(2, -1).T / found.points
        inverse = np.linalg.inv(sample(name, A, D, 1).lattices)
        u = np.moveaxis(found.displacement.reshape(2, 2, -1), -1, 0)
        tau = tau0 + u[:, UPPER] @ inverse[UPPER] - u[:, LOWER] @ inverse[LOWER]
        return (functions(tau)[:, 4] > 0).mean()  # where P_perp is negative

    down, none, up = (
        share(f"AA_twist-20-21{field}") for field in ("_field-0.10", "", "_field+0.10")
    )
    assert down > none + 0.01 > up + 0.02


@pytest.mark.parametrize("name", ["AA_twist-8-9", "AAp_twist-8-9", "AA_mismatch-9-10"])
def test_the_local_geometry_is_that_of_the_moved_atoms(name):
    """Stacking, strain and distance from the fields agree with those from the atoms."""
    found, _ = relaxed(name)
    bilayer = build(name, A, D)
    family = bilayer.family
    atoms = rx.relaxed(bilayer, stackings(family), LAYER, found)
    tau = atoms.local_geometry.stackings
    u = atoms.displacement[atoms.is_site][:, :2]
    rigid = bilayer.stacking_at(bilayer.site_positions[:, :2])
    assert np.abs(u).max() > 1e-3
    change = (tau - rigid + 0.5) % 1 - 0.5
    assert 1e-4 < np.abs(change).max() < 0.2
    np.testing.assert_allclose(atoms.rigid_positions, bilayer.positions, atol=1e-12)
    z = atoms.positions[:, 2]
    mean = z[atoms.layer == UPPER].mean() - z[atoms.layer == LOWER].mean()
    assert mean == pytest.approx(atoms.local_geometry.distances_A.mean(), abs=2e-3)


@pytest.mark.parametrize("family", ["AA", "AAp"])
def test_the_relief_of_a_file_is_that_of_the_relaxed_bilayer(family):
    name = f"{family}_twist-16-17"
    bilayer = rx.relaxed(build(name, A, D), stackings(family), LAYER, relaxed(name)[0])
    read = recognize(Atoms(bilayer.numbers, bilayer.positions, cell=bilayer.cell, pbc=True), "x", A)
    assert read.bilayer.family == family
    assert read.rotation == pytest.approx(np.eye(3))
    wanted, found = bilayer.relief, read.bilayer.relief
    for quantity in ("slopes", "curvatures_per_A", "separations_A"):
        values = getattr(wanted, quantity)
        error = np.sqrt(np.mean((getattr(found, quantity) - values) ** 2))
        assert error < 0.04 * np.sqrt(np.mean(values**2)), quantity


def test_a_translated_bilayer_has_the_distance_of_its_stacking():
    of = stackings()
    atoms = rx.relaxed(build("AA_slide-1-1-3_relaxed", A, D), of, LAYER)
    wanted = of.at("distance", np.array([[1 / 3, 1 / 3]]))[0]
    assert atoms.layer_distance_A == pytest.approx(wanted)
    np.testing.assert_allclose(atoms.displacement[:, :2], 0, atol=1e-12)


def test_the_polar_strain_is_opposite_in_a_layer_that_is_rotated():
    """The same strain in both layers: equal vectors in AA, opposite ones in AA'."""
    for family, sign in (("AA", 1), ("AAp", -1)):
        bilayer = build(f"{family}_slide-1-1-3", A, D)
        geometry = bilayer.local_geometry
        stretched = type(geometry)(
            geometry.stackings, geometry.lattices @ np.diag([1.01, 1.0]), geometry.distances_A
        )
        v = rx.polar_strain_of_layers(stretched, A, bilayer.site_layers, family)
        lower, upper = (v[bilayer.site_layers == layer][0] for layer in (LOWER, UPPER))
        np.testing.assert_allclose(upper, sign * lower, atol=1e-12)
        np.testing.assert_allclose(lower, [0, 0.01], atol=1e-9)


def test_an_untwisted_bilayer_does_not_relax_in_the_plane():
    with pytest.raises(JobError, match="a bilayer without a moire pattern cannot relax in plane"):
        relax(sample("AA_slide-1-1-3", A, D, 1), stackings(), LAYER, 12)
