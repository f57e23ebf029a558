"""Potential in the layers: its uniform limit, its sign, and its waves."""

import numpy as np
import pytest
from scipy.constants import e, epsilon_0

from moirepol.physics.long_range import slab_field
from moirepol.physics.onsite import layer_potentials, onsite_shifts
from moirepol.structure.building import build
from moirepol.structure.conventions import LOWER, UPPER

A, D = 2.51, 3.33
AREA = A**2 * np.sqrt(3) / 2


def test_the_dipole_of_one_layer_shifts_the_other_layer():
    bilayer = build("AA_slide-1-1-3", A, D)
    bilayer.set_site_array("dipole", np.array([[0.0, 0, 1e-3], [0.0, 0, 2e-3]]))
    shifts = onsite_shifts(bilayer)
    of_dipole = e / (2 * epsilon_0 * AREA * 1e-10)  # 1 / (eps0 A^2) in V / (e A)
    assert shifts[bilayer.layer == UPPER] == pytest.approx(-1e-3 * of_dipole, rel=1e-5)
    assert shifts[bilayer.layer == LOWER] == pytest.approx(2e-3 * of_dipole, rel=1e-5)


def test_the_potential_is_that_of_the_long_range_field():
    """E_par = -grad phi for any dipoles."""
    bilayer = build("AA_twist-2-3", A, D)
    k = np.array([[1, 0], [2, -1]])
    q = 2 * np.pi * k @ np.linalg.inv(bilayer.cell_2d).T
    C = np.random.default_rng(1).normal(size=(2, 2, 3)) + 0j
    phi = layer_potentials(q, C, bilayer.areas, D)
    for here in (LOWER, UPPER):
        parts = [
            slab_field(q, C[:, there], here, there, bilayer.areas[there], D)
            for there in (LOWER, UPPER)
        ]
        E = sum(parts)
        np.testing.assert_allclose(E[:, :2], -1j * q * phi[:, here, None], atol=1e-12)


def test_a_wave_of_dipoles_shifts_the_atoms_by_its_potential():
    bilayer = build("AA_twist-3-4", A, D)
    q = 2 * np.pi * np.linalg.inv(bilayer.cell_2d)[:, 0]
    dipoles = np.zeros((len(bilayer.sites), 3))
    dipoles[:, 2] = 1e-3 * np.cos(bilayer.site_positions[:, :2] @ q)
    bilayer.set_site_array("dipole", dipoles)
    wave = np.array([[[0, 0, 1e-3], [0, 0, 1e-3]]])
    phi = layer_potentials(q[None], wave, bilayer.areas, D)[0].real
    expected = -phi[bilayer.layer] * np.cos(bilayer.positions[:, :2] @ q)
    np.testing.assert_allclose(onsite_shifts(bilayer), expected, atol=1e-9)
