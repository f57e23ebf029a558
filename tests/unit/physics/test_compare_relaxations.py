"""Comparison of relaxations: energies of a force field, and profiles of displacements."""

import numpy as np
import pytest

from compare_relaxations import LINES, draw, force_field, profiles
from moirepol.physics.stackings import Stackings, functions
from moirepol.structure.building import build
from moirepol.structure.conventions import UPPER
from moirepol.structure.frames import to_dataset
from moirepol.structure.symmetry import distinct_slides
from moirepol.workflow.provenance import stamp, write_netcdf

A, D, N = 2.51, 3.33, 6
ENERGY = 1e-3 * np.array([8.1, 4.7, -0.45, -0.18, 0.0, 0.0])
DISTANCE = np.array([3.46, 0.067, -0.0065, 0, 0, 0])


def ours():
    grid = np.zeros((N, N))
    return Stackings(
        {"energy": np.zeros(6), "polarization": np.ones(6), "response": np.ones(6)},
        {"distance": grid, "label_distance": grid, "rumpling": np.zeros((N, N, 2))},
        0.3,
    )


@pytest.fixture
def translated_atoms(tmp_path):
    """Files of `relax_atoms` with energies and layer distances of a known form."""
    paths = []
    for i, j in distinct_slides(N, "AA"):
        bilayer = build(f"AA_slide-{i}-{j}-{N}", A, D)
        known = functions(np.array([i, j]) / N)
        lift = np.zeros((len(bilayer), 3))
        lift[bilayer.layer == UPPER, 2] = known @ DISTANCE - D
        bilayer.displace(lift - lift.mean(axis=0))
        ds = to_dataset([bilayer])
        ds["energy"] = (), -30.0 + known @ ENERGY, {"units": "eV"}
        paths.append(str(tmp_path / f"{i}-{j}.nc"))
        write_netcdf(stamp(ds, "atoms"), paths[-1])
    return paths


def test_energies_and_distances_of_the_force_field_are_found(translated_atoms):
    found = force_field(translated_atoms, ours(), N)
    tau = np.random.default_rng(0).random((20, 2))
    energy, known = functions(tau) @ found.coefficients["energy"], functions(tau) @ ENERGY
    np.testing.assert_allclose(energy - energy[0], known - known[0], atol=1e-9)
    grid = np.indices((N, N)).transpose(1, 2, 0) / N
    np.testing.assert_allclose(found.grids["distance"], functions(grid) @ DISTANCE, atol=1e-9)
    assert (found.coefficients["polarization"] == 1).all()


def test_profiles_are_those_of_the_displacements(tmp_path):
    rigid = build("AA_twist-5-6", A, D)
    cell = rigid.copy()
    moved = np.zeros((len(cell), 3))
    moved[cell.layer == UPPER] = 0.03, 0.04, 0.2
    cell.displace(moved)
    ds = profiles(dict.fromkeys(LINES, cell), rigid)
    assert np.abs(ds["displacement"]).max() < 1e-9  # that of the lower layer
    np.testing.assert_allclose(ds["layer_distance"], D + 0.2, atol=1e-9)
    np.testing.assert_allclose(ds["largest_displacement"], 0.05, atol=1e-9)
    assert ds["distance"][-1] == pytest.approx(np.sqrt(3) * np.linalg.norm(rigid.cell_2d[0]))
    draw(ds, str(tmp_path / "x.pdf"), str(tmp_path / "x.png"))
