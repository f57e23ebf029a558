"""The comparison of two folders of results."""

import csv

import numpy as np
import pytest
import xarray as xr

from compare_results import compare_results
from moirepol.errors import JobError


@pytest.fixture
def folders(tmp_path):
    for name, shift in (("before", 0.0), ("after", 1e-3)):
        folder = tmp_path / name / "maps"
        folder.mkdir(parents=True)
        P = np.array([1.0, 2.0, np.nan]) + shift
        ds = xr.Dataset({"P": ("n", P, {"units": "e.angstrom"}), "name": ("n", ["a", "b", name])})
        ds.attrs["date_created"] = name
        ds.to_netcdf(folder / "one.nc")
        verdict = "reproduced" if shift else "undecided"
        (tmp_path / name / "claims.csv").write_text(f"id,verdict,value\nF1,{verdict},{shift}\n")
    (tmp_path / "after" / "new.csv").write_text("a\n1\n")
    return tmp_path


def rows_of(folders):
    table = folders / "table.csv"
    compare_results(str(folders / "before"), str(folders / "after"), str(table))
    with open(table, newline="") as file:
        return {(row["file"], row["variable"]): row for row in csv.DictReader(file)}


def test_each_variable_has_its_largest_difference(folders):
    rows = rows_of(folders)
    P = rows["maps/one.nc", "P"]
    assert float(P["largest_difference"]) == pytest.approx(1e-3)
    assert (float(P["largest_value"]), P["unit"]) == (2.0, "e.angstrom")
    assert rows["maps/one.nc", "name"]["largest_difference"] == "1"
    assert rows["claims.csv", "verdict"]["kind"] == "text"
    assert float(rows["claims.csv", "value"]["largest_difference"]) == pytest.approx(1e-3)


def test_files_of_one_folder_only_are_named(folders, capsys):
    rows = rows_of(folders)
    (absent,) = [row for row in rows.values() if row["kind"] == "absent"]
    assert absent["file"] == "new.csv"
    printed = capsys.readouterr().out
    assert "e.angstrom: 0.001 of 2, P in maps/one.nc" in printed
    assert "verdict in claims.csv, 1 differ" in printed


def test_a_number_that_is_lost_is_an_infinite_difference(folders):
    ds = xr.Dataset({"P": ("n", [np.nan, 2.0, np.nan]), "name": ("n", ["a", "b", "c"])})
    ds.to_netcdf(folders / "after" / "maps" / "one.nc")
    assert rows_of(folders)["maps/one.nc", "P"]["largest_difference"] == "inf"


def test_folders_must_be_there(folders):
    with pytest.raises(JobError, match="no folder"):
        compare_results(str(folders / "before"), str(folders / "gone"), str(folders / "t.csv"))
    (folders / "empty").mkdir()
    with pytest.raises(JobError, match="no NetCDF and no CSV file in common"):
        compare_results(str(folders / "before"), str(folders / "empty"), str(folders / "t.csv"))
