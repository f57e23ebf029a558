"""docs/data.md names every variable of every file, with its dimensions and units."""

import re

import numpy as np
import pytest
import xarray as xr

from compute_charge import compute_charge
from moirepol.physics.polarization import map_of_bilayer
from moirepol.structure.frames import to_dataset
from moirepol.workflow.provenance import stamp, write_netcdf
from support import ROOT
from support.dictionary import faults
from support.frames import stacked


@pytest.mark.parametrize(
    "path", sorted((ROOT / "resources").glob("*/*.nc")), ids=lambda path: path.stem
)
def test_shipped_files_are_described(path):
    assert faults(path, path.relative_to(ROOT)) == []


def test_maps_and_charges_are_described(tmp_path):
    files = {}
    for folder in ("dipoles", "maps", "charge"):
        files[folder] = tmp_path / "results" / folder / "AA_twist-2-3.nc"
        files[folder].parent.mkdir(parents=True)
    frame = stacked("AA_twist-2-3")
    frame.info["beyond_labels"] = "a strain"
    frame.set_array("dipole_error", frame.arrays["dipole"])
    frame.set_array("dipole_member", np.stack([frame.arrays["dipole"]] * 2, axis=1))
    write_netcdf(to_dataset([frame]), files["dipoles"])
    ds = map_of_bilayer(frame, 24).assign_attrs(beyond_labels="a strain")
    write_netcdf(stamp(ds, "map"), files["maps"])
    compute_charge(files["maps"], files["charge"], [12, 24], 1e-6)
    for path in files.values():
        assert faults(path, path.relative_to(tmp_path)) == []


def test_a_variable_that_is_not_described_is_found(tmp_path):
    path = tmp_path / "map.nc"
    ds = xr.Dataset(
        {"P_other": ("i", [1.0]), "charge_density": (("i", "j"), [[1.0]], {"units": "1"})}
    )
    ds.to_netcdf(path)
    place = ROOT / "results/charge/AA_twist-2-3.nc"
    assert len(faults(path, place.relative_to(ROOT))) == 2
    assert faults(path, (ROOT / "results/other.nc").relative_to(ROOT))


def test_the_sides_of_a_split_are_described():
    """`evaluate_model` writes train, validation and test; `validate_frames` writes test alone."""
    text = (ROOT / "docs" / "data.md").read_text()
    rows = re.findall(r"^\| `split` \| sample \| \| (.*) \|$", text, re.M)
    assert rows[0].startswith("side of the split: train, validation, or test")
    assert rows[1:] == ["test", "as in parity.nc"]
