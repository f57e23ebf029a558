"""Trial functions belong to dipole sites in equal shares, whatever the cell."""

import numpy as np
import pytest

from moirepol.dft import wannier
from moirepol.dft.trial_functions import bonds_of_sites, trial_functions
from moirepol.errors import JobError
from moirepol.structure.building import build
from moirepol.structure.material import load_material

CELLS = ("slide-1-2-6", "twist-1-2", "strip-9-10", "shear-9")
THREE_ATOMS = load_material("MoS2")


def functions_of(name, material=THREE_ATOMS):
    atoms = build(name, material.lattice_constant_A, material.layer_distance_A)
    return atoms, trial_functions(atoms, 0.36, 0.55)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("stacking", ["AA", "AAp"])
def test_every_function_belongs_to_sites_as_a_whole(stacking, cell):
    atoms, found = functions_of(f"MoS2-{stacking}_{cell}")
    bands = atoms.material.occupied_bands(list(atoms.symbols))
    assert len(found.orbitals) == len(found.homes) == bands
    assert found.shares.sum(axis=0) == pytest.approx(np.ones(bands))
    assert found.shares.sum(axis=1) == pytest.approx(9 * np.ones(len(atoms.sites)))
    ends = atoms.site_positions[:, None] + found.vectors
    apart = (ends - found.homes) @ np.linalg.inv(atoms.cell.array)
    whole = np.abs(apart - np.rint(apart)).max(axis=-1)
    thirds = np.isclose(found.shares, 1 / 3)  # in the smallest cell all three are one site
    assert thirds.any() == (cell != "slide-1-2-6")
    assert whole[thirds].max(initial=0) < 1e-9  # a site sees the home of its function


def test_places_without_an_atom_are_hexagon_centres():
    atoms, found = functions_of("MoS2-AA_twist-1-2")
    empty = found.sigmas_A == 0.9
    assert empty.sum() == len(atoms.sites)
    distances = np.linalg.norm(found.homes[empty][:, None] - atoms.positions[None], axis=-1).min(
        axis=1
    )
    assert distances.min() > 1.7  # the bond of the hexagon's corner


def test_rigid_layers_without_displacements_have_no_dipole():
    for name in ("MoS2-AA_twist-1-2", "MoS2-AAp_twist-1-2", "SiC-AA_slide-1-2-6"):
        material = load_material(name.partition("-")[0])
        atoms, found = functions_of(name, material)
        ions = atoms.material.charge_per_bond * bonds_of_sites(atoms).sum(axis=1)
        shifts = found.centroid_shifts(np.zeros_like(found.homes))
        assert np.abs(ions - 2 * shifts).max() < 1e-9


def test_a_displaced_home_moves_the_dipoles_of_all_its_sites():
    atoms, found = functions_of("MoS2-AA_slide-1-1-3")
    moved = np.zeros_like(found.homes)
    moved[0] = [0.1, 0.0, 0.2]
    shifts = found.centroid_shifts(moved)
    assert shifts.sum(axis=0) == pytest.approx(moved[0])
    assert shifts[atoms.site_layers == 1] == pytest.approx(0)


def test_a_cut_layer_is_one_line():
    atoms, _ = functions_of("MoS2-AA_twist-1-2")
    del atoms[atoms.sites[0] + 14]
    with pytest.raises(JobError, match="bonded S atoms, allowed is 6"):
        trial_functions(atoms, 0.36, 0.55)


def test_functions_of_shells_are_orthogonal_and_alike():
    axis = np.linspace(-6, 6, 41)
    q = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    for shell in (("px", "py", "pz"), ("dz2", "dxz", "dyz", "dx2-y2", "dxy")):
        g = np.array([wannier._transform(orbital, 0.9, q) for orbital in shell])
        overlap = g.conj() @ g.T
        assert overlap == pytest.approx(overlap[0, 0] * np.eye(len(shell)), abs=1e-6)
