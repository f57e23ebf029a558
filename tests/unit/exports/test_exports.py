"""Exports: ASE reads the structures, pandas the tables, and the waves give back the map."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ase.io import read, write
from scipy.spatial.transform import Rotation

from export_centres import export_centres
from export_dipoles import export_dipoles
from export_map import export_map
from export_sweep import export_sweep
from moirepol.physics.polarization import map_of_bilayer
from moirepol.structure.frames import to_dataset
from moirepol.structure.recognition import recognize
from moirepol.workflow.provenance import write_netcdf
from support import ROOT
from support.frames import stacked, with_dipoles


def predicted(bilayer):
    """A bilayer with known dipoles and errors."""
    bilayer.set_array("dipole_error", np.abs(bilayer.arrays["dipole"]) / 10)
    return bilayer


def test_ase_reads_the_dipoles(tmp_path):
    bilayer = predicted(stacked("AA_twist-2-3_field+0.0200"))
    write_netcdf(to_dataset([bilayer]), tmp_path / "d.nc")
    export_dipoles(str(tmp_path / "d.nc"), str(tmp_path / "d.extxyz"), 2.51)
    atoms = read(tmp_path / "d.extxyz")
    np.testing.assert_allclose(atoms.positions, bilayer.positions, atol=1e-7)
    np.testing.assert_allclose(
        atoms.arrays["local_dipole"], np.nan_to_num(bilayer.arrays["dipole"]), atol=1e-7
    )
    assert (atoms.arrays["layer"] == bilayer.layer).all()
    assert np.isfinite(atoms.arrays["onsite_shift"]).all()
    assert atoms.info["field_V_per_A"] == 0.02


def test_an_own_structure_keeps_its_axes_and_order(tmp_path):
    bilayer = predicted(stacked("AA_twist-2-3"))
    turn = Rotation.from_euler("xyz", [30, 40, 50], degrees=True).as_matrix()
    order = np.random.default_rng(0).permutation(len(bilayer))
    atoms = bilayer.to_atoms()[order]
    for array in [name for name in atoms.arrays if name not in ("numbers", "positions")]:
        del atoms.arrays[array]
    atoms.info.clear()
    atoms.set_cell(atoms.cell.array @ turn.T)
    atoms.positions = atoms.positions @ turn.T
    write(tmp_path / "mine.extxyz", atoms)
    own = recognize(read(tmp_path / "mine.extxyz"), "mine", 2.51)
    frame, dipoles = own.bilayer, bilayer.arrays["dipole"][order]
    frame.set_array("dipole", dipoles @ turn.T @ own.rotation.T)
    write_netcdf(to_dataset([predicted(frame)]), tmp_path / "d.nc")
    files = (str(tmp_path / name) for name in ("d.nc", "out.extxyz"))
    export_dipoles(*files, 2.51, str(tmp_path / "mine.extxyz"))
    found = read(tmp_path / "out.extxyz")
    np.testing.assert_allclose(found.positions, atoms.positions, atol=1e-7)
    expected = np.nan_to_num(dipoles) @ turn.T
    np.testing.assert_allclose(found.arrays["local_dipole"], expected, atol=1e-6)


def test_wannier_centres_of_a_label(tmp_path):
    labels = ROOT / "resources" / "labels" / "aa.nc"
    export_centres(str(labels), "AA_slide-1-1-3", str(tmp_path / "w.extxyz"))
    atoms = read(tmp_path / "w.extxyz")
    assert atoms.get_chemical_formula() == "B2N2X8"
    # Eq. (1) of the N atoms from the exported centres and bonded B atoms, out of the plane.
    for site in np.flatnonzero(atoms.numbers == 7):
        centres = atoms.positions[(atoms.arrays["owner"] == site) & (atoms.numbers == 0)]
        dipole = -2 * (centres[:, 2] - atoms.positions[site, 2]).sum()
        assert atoms.arrays["local_dipole"][site, 2] == pytest.approx(dipole, abs=1e-6)


def test_the_waves_of_the_json_give_the_map_of_the_csv(tmp_path):
    ds = map_of_bilayer(with_dipoles(stacked("AA_twist-3-4")), 24)
    write_netcdf(ds, tmp_path / "m.nc")
    files = (str(tmp_path / name) for name in ("m.nc", "m.csv", "m.json"))
    export_map(*files)
    table, waves = pd.read_csv(tmp_path / "m.csv"), json.loads((tmp_path / "m.json").read_text())
    places = table[["x_A", "y_A"]].values @ np.linalg.inv(waves["cell_A"])
    P = np.zeros((len(table), 3), dtype=complex)
    for wave in waves["waves"]:
        C = np.array(wave["P"]) @ [1, 1j]
        P += np.exp(2j * np.pi * places @ wave["k"])[:, None] * C
    expected = table[["P_x_eA", "P_y_eA", "P_z_eA"]].values
    np.testing.assert_allclose(P.real, expected, atol=1e-2 * np.abs(expected).max())
    assert np.abs(P.imag).max() < 1e-9
    assert {"phi_lower", "phi_upper"} < set(waves["waves"][0])


def test_a_sweep_as_a_table(tmp_path):
    values = np.arange(12.0).reshape(2, 1, 2, 3)
    ds = xr.Dataset(
        {
            "Q": (("system", "strain", "field", "region"), values, {"units": "1"}),
            "P": (("system", "strain", "field"), values[..., 0], {"units": "e.angstrom"}),
            "other": ("system", [1.0, 2.0]),
        },
        coords={
            "system": ["AA_twist-1-2", "AA_twist-2-3"],
            "strain": [0.0],
            "field": [0.0, 0.1],
            "region": ["N", "M", "NM"],
        },
    )
    write_netcdf(ds, tmp_path / "s.nc")
    export_sweep(str(tmp_path / "s.nc"), str(tmp_path / "s.csv"))
    table = pd.read_csv(tmp_path / "s.csv")
    assert list(table) == ["system", "strain", "field", "Q_N", "Q_M", "Q_NM", "P (e.angstrom)"]
    assert table["Q_M"].tolist() == [1.0, 4.0, 7.0, 10.0]
    assert table["system"].tolist() == ["AA_twist-1-2"] * 2 + ["AA_twist-2-3"] * 2
