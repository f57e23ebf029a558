"""OVITO and VTK, which ParaView reads with, find in the exports what was written."""

import json
import subprocess

import numpy as np
import pytest
from ase.io import read
from ase.units import Bohr

from export_dipoles import export_dipoles
from export_potential import export_potential
from moirepol.physics.polarization import map_of_bilayer
from moirepol.structure.frames import to_dataset
from moirepol.workflow.provenance import stamp, write_netcdf
from support import ROOT
from support.frames import stacked

PYTHON = ROOT / "build" / "readers" / "bin" / "python"
SETTINGS = {
    "heights_A": [3.0],
    "volume": {"lowest_A": 3.0, "highest_A": 7.0, "planes": 5, "grid_points": 12},
}

pytestmark = pytest.mark.skipif(
    not PYTHON.is_file(), reason="`./run-tests readers` installs OVITO and VTK in build/readers"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A volume and atoms."""
    folder = tmp_path_factory.mktemp("readers")
    frame = stacked("AA_twist-2-3")
    frame.arrays["dipole"] *= 1e-3
    frame.set_array("dipole_error", np.abs(frame.arrays["dipole"]) / 10)
    write_netcdf(stamp(map_of_bilayer(frame, 48), "map"), folder / "map.nc")
    write_netcdf(to_dataset([frame]), folder / "dipoles.nc")
    cube, extxyz = folder / "potential.cube", folder / "atoms.extxyz"
    export_potential(folder / "map.nc", folder / "dipoles.nc", SETTINGS, cube)
    export_dipoles(folder / "dipoles.nc", extxyz, 2.51)
    return cube, extxyz


@pytest.fixture(scope="module")
def found(files):
    """What the programs read."""
    command = [PYTHON, ROOT / "tests" / "support" / "read_exports.py", *files]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def volume(files):
    """The volume as ASE reads it."""
    return read(files[0], read_data=True, full_output=True)


@pytest.mark.parametrize(("program", "factor"), [("vtk", 1.0), ("ovito", Bohr**-3)])
def test_the_values_of_a_volume(found, volume, program, factor):
    """OVITO takes every volume as a density per bohr^3 and gives it per angstrom^3."""
    data = volume["data"]
    assert tuple(found[program]["shape"]) == data.shape == (12, 12, 5)
    values = np.array(found[program]["values"]).reshape(data.shape, order="F")
    np.testing.assert_allclose(values, factor * data, atol=1e-5 * factor * np.abs(data).max())


def test_the_place_of_a_volume(found, volume):
    steps = volume["spacing"]
    np.testing.assert_allclose(np.array(found["vtk"]["steps"]) * Bohr, steps, atol=1e-5)
    np.testing.assert_allclose(np.array(found["vtk"]["origin"]) * Bohr, volume["origin"], atol=1e-5)
    expected = steps * np.array(volume["data"].shape)[:, None]
    np.testing.assert_allclose(found["ovito"]["vectors"], expected, atol=1e-4)
    np.testing.assert_allclose(found["ovito"]["origin"], volume["origin"], atol=1e-5)


def test_the_words_and_the_atoms_of_a_volume(found, volume):
    assert found["vtk"]["name"] == "electrostatic potential in V"
    for program in ("vtk", "ovito"):
        assert found[program]["atoms_of_volume"] == len(volume["atoms"])


def test_the_arrays_of_atoms(found, files):
    atoms, seen = read(files[1]), found["ovito"]["atoms"]
    assert seen["symbols"] == atoms.get_chemical_symbols()
    np.testing.assert_allclose(seen["Position"], atoms.positions, atol=1e-6)
    np.testing.assert_allclose(found["ovito"]["cell"], atoms.cell.array, atol=1e-6)
    for name in ("local_dipole", "onsite_shift", "layer"):
        np.testing.assert_allclose(seen[name], atoms.arrays[name], atol=1e-9)
    assert np.abs(atoms.arrays["local_dipole"]).max() > 1e-3
