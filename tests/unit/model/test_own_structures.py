"""Dipoles of structures of the user's own: those of the system by name, in any frame and order."""

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from moirepol.physics import gradient as dg
from moirepol.physics.gradient import DisplacementGradient
from moirepol.physics.long_range import LongRange
from moirepol.physics.polarization import map_of_bilayer, resample
from moirepol.predictor import NetworkTerm, Predictor
from moirepol.structure.building import build, sample
from moirepol.structure.recognition import recognize
from support.gradients import gradient_file
from support.networks import SLIDES, A, D, labelled, member


def some_gradient():
    """A file of `fit_gradient` with some coefficients that the symmetry allows."""
    found = {}
    for order, name in ((1, "first_order"), (2, "second_order")):
        basis = dg.invariants("AA", order)
        values = np.tensordot(np.random.default_rng(0).normal(size=len(basis)), basis, 1)
        found |= {name: 0.01 * values, f"{name}_deviation": 0.001 * values[None]}
    return gradient_file(0.8, coupling_deviation=[0.1], **found)


@pytest.fixture(scope="module")
def predictor():
    frames = [labelled(name) for name in SLIDES]
    zero, response = (
        NetworkTerm(kind, [member(frames, seed, kind, 0.02, steps=5)[2]])
        for seed, kind in enumerate(("zero_field", "response"))
    )
    gradient = DisplacementGradient(some_gradient(), "in memory")
    return Predictor([zero, response, gradient, LongRange(0.4)])


def file_like(bilayer, turn, order, cell_order):
    """Atoms with 12 decimals, rotated, wrapped and permuted."""
    positions = np.round(bilayer.positions, 12)[order] @ turn.T
    cell = (np.round(bilayer.cell.array, 12) @ turn.T)[cell_order]
    atoms = Atoms(bilayer.numbers[order], positions, cell=cell, pbc=True)
    atoms.translate(cell.sum(axis=0) * 0.37)
    atoms.wrap()
    return atoms


@pytest.mark.parametrize("name", ["AA_twist-2-3", "AA_mismatch-9-10", "AA_strip-9-10"])
def test_a_rotated_wrapped_and_permuted_structure_has_the_same_dipoles(predictor, name):
    bilayer = build(name, A, D)
    expected = predictor.dipoles(bilayer, 0.02).arrays["dipole"]
    random = np.random.default_rng(0)
    for cell_order in ([0, 1, 2], [2, 1, 0]):
        turn, order = Rotation.random(rng=random).as_matrix(), random.permutation(len(bilayer))
        found = recognize(file_like(bilayer, turn, order, cell_order), "mine", A, 0.02)
        dipoles = found.in_structure_frame(predictor.dipoles(found.bilayer).arrays["dipole"])
        # Reversing the order of the cell vectors does not exchange the layers.
        assert np.nanmax(np.abs(dipoles - expected[order] @ turn.T)) < 1e-8


def test_an_upside_down_structure_is_a_structure_in_the_opposite_field(predictor):
    bilayer = build("AA_twist-2-3", A, D)
    expected = predictor.dipoles(bilayer, -0.02).arrays["dipole"]
    atoms = file_like(bilayer, np.eye(3), np.arange(len(bilayer)), [0, 1, 2])
    atoms.cell[2] *= -1
    found = recognize(atoms, "mine", A, 0.02)
    dipoles = found.in_structure_frame(predictor.dipoles(found.bilayer).arrays["dipole"])
    assert np.nanmax(np.abs(dipoles - expected)) < 1e-8


def test_the_map_of_a_structure_is_that_of_the_system_by_name(predictor):
    bilayer = build("AA_twist-3-4", A, D)
    expected = map_of_bilayer(predictor.dipoles(sample("AA_twist-3-4", A, D, 12)), 24)
    atoms = file_like(bilayer, np.eye(3), np.arange(len(bilayer)), [1, 0, 2])
    found = map_of_bilayer(predictor.dipoles(recognize(atoms, "mine", A).sample(12)), 24)
    vectors = np.rint(found["cell"].values @ np.linalg.inv(expected["cell"].values)).astype(int)
    nodes = np.tensordot(np.indices((24, 24)), vectors, (0, 0)).transpose(2, 0, 1) % 24
    difference = found["P"].values - resample(expected["P"].values, 24)[:, nodes[0], nodes[1]]
    assert np.abs(difference).max() < 1e-8


def test_strained_and_corrugated_layers_differ_smoothly_from_rigid_ones(predictor):
    """The dipoles of a structure that is slightly deformed change in proportion."""
    bilayer = build("AA_twist-2-3", A, D)
    phase = 2 * np.pi * bilayer.get_scaled_positions()[:, 0]
    wave = np.where(bilayer.layer == 1, 1, -1)[:, None] * np.cos(phase)[:, None]
    changes = []
    for size in (0.0, 0.01, 0.02):
        atoms = bilayer.to_atoms()
        atoms.positions += size * wave * [0.6, 0.8, 0.5]
        found = recognize(atoms, "mine", A).bilayer
        changes.append(predictor.dipoles(found).dipoles)
    first, second = changes[1] - changes[0], changes[2] - changes[0]
    assert np.abs(first).max() > 1e-6
    assert np.abs(second - 2 * first).max() < 0.1 * np.abs(second).max()
