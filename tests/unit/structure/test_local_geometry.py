"""Local stacking, strain, orientation and distance of deformed layers, from their atoms."""

import numpy as np
import pytest

from moirepol.physics.gradient import gradient_of, local_gradients
from moirepol.structure.building import build
from moirepol.structure.conventions import LOWER, UPPER
from moirepol.structure.local_geometry import LayerField, local_geometry

A, D = 2.51, 3.33
NAMES = ["AA_twist-3-4", "AAp_twist-3-4", "AA_mismatch-9-10", "AA_shear-9", "AA_slide-1-2-5"]


NOWHERE = np.zeros((2, 1, 3))


def fields(bilayer, displacement=NOWHERE):
    """Both layers of a bilayer, each atom moved by a displacement (layer, atom, 3)."""
    made = []
    for layer, (lattice, origin) in enumerate(zip(bilayer.lattices, bilayer.origins, strict=True)):
        positions = bilayer.positions[bilayer.layer == layer]
        coordinates = (positions[:, :2] - origin) @ np.linalg.inv(lattice)
        moved = positions + displacement[layer]
        made.append(LayerField(moved, coordinates, lattice, bilayer.cell_2d))
    return tuple(made)


def distance_modulo_one(tau, expected):
    return np.abs((tau - expected + 0.5) % 1 - 0.5).max()


@pytest.mark.parametrize("name", NAMES)
def test_rigid_layers_have_the_geometry_of_their_lattices(name):
    bilayer = build(name, A, D)
    found = local_geometry(fields(bilayer), bilayer.site_positions[:, :2])
    expected = bilayer.local_geometry
    assert distance_modulo_one(found.stackings, expected.stackings) < 1e-12
    np.testing.assert_allclose(found.lattices, expected.lattices, atol=1e-12)
    np.testing.assert_allclose(found.distances_A, D, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_local_gradient_of_rigid_layers_is_that_of_the_bilayer(name):
    bilayer = build(name, A, D)
    np.testing.assert_allclose(
        local_gradients(bilayer), np.tile(gradient_of(bilayer), (len(bilayer.sites), 1)), atol=1e-12
    )
    np.testing.assert_allclose(
        bilayer.local_geometry.orientations[0], bilayer.mean_orientation, atol=1e-12
    )


def waves(bilayer, places):
    """Displacement (layer, n, 3) and its in-plane slope (layer, n, xy, 3) of a smooth pattern."""
    q = 2 * np.pi * np.linalg.inv(bilayer.cell_2d)
    size = np.array([[[0.02, 0.05, 0.03]], [[-0.04, 0.01, -0.05]]])
    phase = places @ q[:, 0]
    slope = size[:, :, None] * np.cos(phase)[:, None, None] * q[:, 0][None, None, :, None]
    return size * np.sin(phase)[:, None], slope


def test_deformed_layers_have_the_local_geometry_of_their_displacements():
    """The error of the polynomials is of third order in range over period."""
    bilayer = build("AA_twist-8-9", A, D)
    displacement = np.zeros((2, len(bilayer) // 2, 3))
    for layer in (LOWER, UPPER):
        places = bilayer.positions[bilayer.layer == layer, :2]
        displacement[layer] = waves(bilayer, places)[0][layer]
    layers = fields(bilayer, displacement)
    places = np.random.default_rng(0).uniform(-20, 20, (50, 2))
    found = local_geometry(layers, places)

    expected_s, expected_lattice = [], []
    for layer in (LOWER, UPPER):
        rest = places.copy()  # the place in the rigid layer that is moved to `places`
        for _ in range(50):
            rest = places - waves(bilayer, rest)[0][layer, :, :2]
        slope = waves(bilayer, rest)[1][layer, :, :, :2]
        lattice = bilayer.lattices[layer]
        expected_s.append((rest - bilayer.origins[layer]) @ np.linalg.inv(lattice))
        expected_lattice.append(lattice @ (np.eye(2) + slope))
    tau = expected_s[LOWER] - expected_s[UPPER]
    assert distance_modulo_one(found.stackings, tau) < 1e-4
    np.testing.assert_allclose(found.lattices, np.stack(expected_lattice, 1), atol=2e-3)
    height = waves(bilayer, places)[0][..., 2]
    np.testing.assert_allclose(found.distances_A, D + height[UPPER] - height[LOWER], atol=2e-3)


def test_the_order_of_the_atoms_and_their_periodic_images_do_not_matter():
    bilayer = build("AA_twist-3-4", A, D)
    random = np.random.default_rng(1)
    displacement = random.normal(scale=0.02, size=(2, len(bilayer) // 2, 3))
    places = random.uniform(-9, 9, (20, 2))
    expected = local_geometry(fields(bilayer, displacement), places)
    layers = []
    for layer, (lattice, origin) in enumerate(zip(bilayer.lattices, bilayer.origins, strict=True)):
        positions = bilayer.positions[bilayer.layer == layer]
        coordinates = (positions[:, :2] - origin) @ np.linalg.inv(lattice)
        order = random.permutation(len(positions))
        images = random.integers(-2, 3, (len(positions), 2)) @ bilayer.cell_2d
        moved = (positions + displacement[layer])[order] + np.pad(images, ((0, 0), (0, 1)))
        layers.append(LayerField(moved, coordinates[order], lattice, bilayer.cell_2d))
    found = local_geometry(tuple(layers), places)
    assert distance_modulo_one(found.stackings, expected.stackings) < 1e-12
    np.testing.assert_allclose(found.lattices, expected.lattices, atol=1e-11)
    np.testing.assert_allclose(found.distances_A, expected.distances_A, atol=1e-12)


def test_a_stored_local_geometry_replaces_that_of_the_rigid_layers():
    bilayer = build("AA_twist-3-4", A, D)
    assert not bilayer.is_deformed
    moved = fields(bilayer, np.array([[[0.0, 0, 0]], [[0.1, 0, 0.02]]]))
    bilayer.set_local_geometry(local_geometry(moved, bilayer.site_positions[:, :2]))
    assert bilayer.is_deformed
    np.testing.assert_allclose(bilayer.local_geometry.distances_A, D + 0.02, atol=1e-12)
    shift = np.array([0.1, 0]) @ np.linalg.inv(bilayer.lattices[UPPER])
    rigid = bilayer.stacking_at(bilayer.site_positions[:, :2])
    assert distance_modulo_one(bilayer.site_stackings, rigid + shift) < 1e-12
