"""docs/data.md names every variable of every file, with its dimensions and units."""

import re

import numpy as np
import pytest
import xarray as xr
from conftest import ROOT
from test_polarization import stacked

from compute_charge import compute_charge
from map_polarization import map_polarization
from moirepol.structure.frames import to_dataset
from moirepol.workflow.provenance import write_netcdf

LEADING = {"seed"}  # dimensions that only some files of a kind have


def dictionary():
    """Patterns of files -> {variable: (all dimensions that it may have, units)}."""
    found, patterns = {}, ()
    for line in (ROOT / "docs" / "data.md").read_text().splitlines():
        if re.fullmatch(r"(`re\S+`(, |$))+", line):
            patterns = tuple(re.findall(r"`(.+?)`", line))
            found[patterns] = {}
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 4 and cells[0].startswith("`"):
            names = re.findall(r"`(.+?)`", cells[0])
            dimensions = cells[1].split(";")
            for number, name in enumerate(names):
                ways = dimensions[number % len(dimensions)].split(" or ")
                own = {tuple(re.findall(r"\w+", way)) for way in ways}
                assert name not in found[patterns], f"{name} twice under {patterns[0]}"
                found[patterns][name] = own, cells[2]
    return found


def faults(path, place):
    """What docs/data.md lacks or says otherwise about a file that lies at `place`."""
    known = [entry for patterns, entry in dictionary().items() if any(map(place.match, patterns))]
    if not known:
        return [f"{place}: no such file is described"]
    with xr.open_dataset(path) as ds:
        return [
            f"{place}: {name} has {variable.dims}, {units!r}; described is {described}"
            for name, variable in ds.variables.items()
            if not agree(
                variable.dims,
                units := variable.attrs.get("units", ""),
                described := known[0].get(name),
            )
        ]


def agree(dims, units, described):
    if described is None or units != described[1]:
        return False
    short = {tuple(d for d in way if d not in LEADING) for way in described[0]}
    return dims in described[0] | short


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
    map_polarization(files["dipoles"], files["maps"], 24)
    compute_charge(files["maps"], files["charge"], [12, 24], 1e-6)
    for path in files.values():
        assert faults(path, path.relative_to(tmp_path)) == []


def test_a_variable_that_is_not_described_is_found(tmp_path):
    path = tmp_path / "map.nc"
    ds = xr.Dataset({"P_other": ("i", [1.0]), "q": (("i", "j"), [[1.0]], {"units": "1"})})
    ds.to_netcdf(path)
    place = ROOT / "results/charge/AA_twist-2-3.nc"
    assert len(faults(path, place.relative_to(ROOT))) == 2
    assert faults(path, (ROOT / "results/other.nc").relative_to(ROOT))


def test_the_sides_of_a_split_are_described():
    """`evaluate_model` writes train, validation and test; `judge_frames` writes test alone."""
    text = (ROOT / "docs" / "data.md").read_text()
    rows = re.findall(r"^\| `split` \| sample \| \| (.*) \|$", text, re.M)
    assert rows[0].startswith("side of the split: train, validation, or test")
    assert rows[1:] == ["test", "as in parity.nc"]
