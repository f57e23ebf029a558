"""Centres from overlaps of Wannier functions that are known exactly."""

import numpy as np
import pytest
from ase import Atoms

from moirepol.dft import wannier
from moirepol.dft.audit import symmetry_residual
from moirepol.dft.labels import with_dipoles
from moirepol.dft.trial_functions import bonds_of_sites
from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build

A, D = 2.51, 3.33
MESH = 9


def homes_of(atoms):
    return np.repeat(atoms.positions[atoms.is_site], 4, axis=0)


def known_overlaps(atoms, displacements, spread_A2=0.6, mixing=None):
    """Overlaps at b, 2b, 3b of Gaussians displaced from their N, with a gauge that mixes them."""
    reciprocal = 2 * np.pi * np.asarray(atoms.cell.reciprocal())
    places = homes_of(atoms) + displacements
    steps = np.array([[1, 0, 0], [0, 1, 0], [1, -1, 0], [0, 0, MESH]]) / MESH
    crystal = np.concatenate([steps, -steps, 2 * steps, 3 * steps])
    b_vectors = crystal @ reciprocal
    kpoints = np.array([[i, j, 0] for i in range(MESH) for j in range(MESH)]) / MESH
    second = np.array(
        [
            [
                np.ravel_multi_index(
                    tuple(np.rint((k + b) * MESH).astype(int)[:2] % MESH), (MESH, MESH)
                )
                for b in crystal
            ]
            for k in kpoints
        ]
    )
    damping = np.exp(-0.5 * spread_A2 / 3 * (b_vectors**2).sum(axis=1))
    diagonal = damping[:, None] * np.exp(-1j * b_vectors @ places.T)
    matrices = np.broadcast_to(
        diagonal[..., None] * np.eye(len(places)),
        (len(kpoints), len(crystal), len(places), len(places)),
    )
    gauge = np.array([np.eye(len(places)) if mixing is None else mixing(k) for k in kpoints])
    mixed = gauge[:, None] @ matrices @ gauge[second].conj().transpose(0, 1, 3, 2)
    return wannier.Overlaps(
        mixed, second, np.broadcast_to(b_vectors, (len(kpoints), *b_vectors.shape))
    ), gauge


def test_displacements_of_known_functions_come_back():
    atoms = build("AA_slide-1-2-10", A, D)
    true = np.random.default_rng(1).normal(0, 0.3, (8, 3))
    overlaps, gauge = known_overlaps(atoms, true)
    found = wannier.centre_displacements(overlaps, gauge, atoms, homes_of(atoms), 8)
    for order in (2, 4, 6):
        assert found[order] == pytest.approx(true, abs=1e-9)
    centres = wannier.marzari_vanderbilt_centres(overlaps, gauge, homes_of(atoms), 8)
    assert centres == pytest.approx(homes_of(atoms) + true, abs=1e-9)


def test_the_sum_over_an_atom_does_not_care_how_its_functions_mix():
    atoms = build("AA_slide-1-2-10", A, D)
    rng = np.random.default_rng(2)
    true = rng.normal(0, 0.3, (8, 3))
    rotations = [
        np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0] for _ in range(2)
    ]
    mix = np.zeros((8, 8), dtype=complex)
    mix[:4, :4], mix[4:, 4:] = rotations
    overlaps, _ = known_overlaps(atoms, true)
    gauge = np.broadcast_to(mix, (MESH * MESH, 8, 8))
    found = wannier.centre_displacements(overlaps, gauge, atoms, homes_of(atoms), 8)[6]
    sums, wanted = (x.reshape(2, 4, 3).sum(axis=1) for x in (found, true))
    assert sums == pytest.approx(wanted, abs=1e-5)
    assert np.abs(found - true).max() > 1e-2


def test_eq_1_gives_a_neutral_dipole_per_n():
    atoms = build("AA_twist-1-2", A, D)
    shifts = np.zeros((14 // 2 * 2, 3))
    shifts[3] = [0.01, -0.02, 0.03]
    labelled = with_dipoles(atoms, shifts)
    dipole = labelled.arrays["dipole"][atoms.is_site]
    assert dipole[3] == pytest.approx([-0.02, 0.04, -0.06], abs=1e-9)
    assert np.delete(dipole, 3, axis=0) == pytest.approx(0, abs=1e-9)
    assert np.isnan(labelled.arrays["dipole"][atoms.numbers == 5]).all()


def test_weights_complete_the_shell_and_a_flat_shell_is_rejected():
    b = np.array([[1, 0, 0], [0.5, np.sqrt(3) / 2, 0], [0.5, -np.sqrt(3) / 2, 0], [0, 0, 0.3]])
    b = np.concatenate([b, -b])
    w = wannier.shell_weights(b)
    assert np.einsum("b,bi,bj->ij", w, b, b) == pytest.approx(np.eye(3))
    with pytest.raises(JobError, match="span"):
        wannier.shell_weights(b[np.abs(b[:, 2]) < 0.1])


def test_an_n_without_three_boron_neighbours_is_named():
    atoms = Atoms("NB2", positions=[[0, 0, 0], [1.4, 0, 0], [-1.4, 0, 0]], cell=[9, 9, 9], pbc=True)
    atoms.set_array("layer", np.zeros(3, dtype=int))
    data = {"name": "AA_slide-0-0-1", "lattices": np.eye(2)[None], "origins": np.zeros((2, 2))}
    bilayer = Bilayer.from_atoms(atoms, **data)
    with pytest.raises(JobError, match="atom 0 .* 2 bonded B"):
        bonds_of_sites(bilayer)


def test_symmetry_residual_sees_a_broken_symmetry():
    atoms = build("AA_slide-1-1-3", A, D)
    dipole = np.full((4, 3), np.nan)
    dipole[atoms.is_site] = [[0, 0, -9e-3], [0, 0, 6e-3]]
    atoms.set_array("dipole", dipole)
    assert symmetry_residual(atoms) < 1e-12
    atoms.arrays["dipole"][atoms.sites[0], 0] = 1e-4
    assert symmetry_residual(atoms) > 0.9e-4
