"""The volume and the waves of a potential, read back by other programs."""

import json

import numpy as np
import pytest
from ase.io import read
from ase.io.cube import read_cube

from compute_potential import compute_potential
from export_potential import export_potential
from export_waves import export_waves
from moirepol.physics.polarization import map_of_bilayer
from moirepol.structure.frames import to_dataset
from moirepol.structure.recognition import recognize
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from support.frames import A, stacked, with_dipoles

NAME = "AA_twist-2-3"
SETTINGS = {
    "heights_A": [3.0, 5.0],
    "volume": {"lowest_A": 3.0, "highest_A": 7.0, "planes": 5, "grid_points": 24},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exports")
    frame = stacked(NAME)
    frame.arrays["dipole"] *= 1e-3
    write_netcdf(stamp(map_of_bilayer(frame, 48), "map"), folder / "map.nc")
    compute_potential(folder / "map.nc", SETTINGS, folder / "potential.nc")
    write_netcdf(to_dataset([frame]), folder / "dipoles.nc")
    paths = folder / "potential.cube", folder / "potential.json"
    export_potential(folder / "map.nc", folder / "dipoles.nc", SETTINGS, paths[0])
    export_waves(folder / "potential.nc", paths[1])
    return read_netcdf(folder / "potential.nc"), *paths


def test_the_volume_is_read_by_ase(files):
    ds, cube, _ = files
    with open(cube) as file:
        found = read_cube(file)
    atoms = found["atoms"]
    assert len(atoms) == len(stacked(NAME))
    assert found["data"].shape == (24, 24, 5)
    assert found["origin"][2] == pytest.approx(atoms.positions[:, 2].max() + 3, abs=1e-4)
    np.testing.assert_allclose(atoms.cell[:2, :2], ds["cell"], atol=1e-4)
    assert atoms.cell[2, 2] / 5 == pytest.approx(1, abs=1e-5)
    # The planes at 3 and 5 angstrom are those of the potential, in V.
    for plane, height in ((0, 3.0), (2, 5.0)):
        expected = ds["phi"].sel(height=height).values[::2, ::2] / 1e3
        np.testing.assert_allclose(found["data"][..., plane], expected, atol=2e-5 * expected.max())
    assert len(read(cube)) == len(atoms)


def test_the_atoms_of_an_own_structure_stand_below_their_potential(tmp_path):
    """Its map starts at a stacking G, wherever the file has it."""
    given = stacked(NAME).to_atoms()
    given.positions += [3.3, 1.7, 0]
    own = recognize(given, "mine", A)
    sampled, frame = with_dipoles(own.sample(12)), with_dipoles(own.bilayer)
    write_netcdf(stamp(map_of_bilayer(sampled, 48), "map"), tmp_path / "map.nc")
    write_netcdf(to_dataset([frame]), tmp_path / "dipoles.nc")
    export_potential(
        tmp_path / "map.nc", tmp_path / "dipoles.nc", SETTINGS, tmp_path / "potential.cube"
    )
    atoms = read(tmp_path / "potential.cube")
    # At G the centres of two hexagons are at the origin: the nearest atoms are a bond away.
    assert len(atoms) == len(given)
    cell = atoms.cell.array[:2, :2]
    scaled = atoms.positions[:, :2] @ np.linalg.inv(cell)
    nearest = np.linalg.norm((scaled - np.rint(scaled)) @ cell, axis=1)
    assert nearest.min() == pytest.approx(A / np.sqrt(3), abs=1e-3)
    assert np.sum(nearest < A / np.sqrt(3) + 0.01) == 12


def test_the_waves_make_the_potential(files):
    ds, _, path = files
    data = json.loads(path.read_text())
    places = np.stack([ds["x"], ds["y"]], axis=-1)
    phi = np.zeros(ds["phi"].shape, dtype=complex)
    for wave in data["waves"]:
        C = np.array(wave["real_mV"]) + 1j * np.array(wave["imaginary_mV"])
        phi += C[:, None, None] * np.exp(1j * places @ wave["q_per_A"])
    largest = np.abs(ds["phi"]).max().item()
    np.testing.assert_allclose(phi, ds["phi"], atol=1e-2 * largest)
    assert data["heights_A"] == [3.0, 5.0]
