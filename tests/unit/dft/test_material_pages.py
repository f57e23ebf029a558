"""The page of a material, its bands, and materials beside each other."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import compute_bands
from compare_materials import compare_materials
from describe_material import describe_material
from map_configuration import map_configuration
from moirepol.errors import JobError
from moirepol.workflow.label_plan import set_settings
from support import ROOT
from support.settings import shipped_config

LABELS = ROOT / "resources" / "labels"
SLIDES = [f"SiC-AA_slide-{slide}" for slide in ("1-1-3", "0-1-2", "0-0-1")]


@pytest.fixture
def bands(tmp_path, monkeypatch):
    """Function: file of `compute_bands` for bands with a gap in eV."""

    def make(gap):
        def band_energies(atoms, mesh, path, bands, recipe, folder):
            occupied = atoms.material.occupied_bands(list(atoms.symbols))
            energies = np.tile(np.arange(bands) - bands, (len(path), 1)).astype(float)
            energies[:, occupied:] += gap - 1
            return energies

        engine = SimpleNamespace(require_programs=lambda: None, band_energies=band_energies)
        monkeypatch.setattr(compute_bands, "engine_of", lambda recipe: engine)
        settings = set_settings(shipped_config(), "sic_aa")
        file = str(tmp_path / "bands.nc")
        compute_bands.compute_bands(SLIDES[0], settings, str(tmp_path / "scratch"), file)
        return file

    return make


def test_bands_start_at_the_uppermost_occupied_state(bands):
    with xr.open_dataset(bands(2.5)) as ds:
        assert (float(ds["gap"]), int(ds["occupied"])) == (2.5, 8)
        assert ds["energy"].values[:, 7] == pytest.approx(0)
        assert ds["k_point"].values[12] == pytest.approx([0.5, 0, 0])


def test_bands_that_are_not_isolated_reject_the_material(bands):
    with pytest.raises(JobError, match="the 8 occupied bands are not isolated, the gap is -0.300"):
        bands(-0.3)


def test_the_page_shows_gap_functions_and_convergence(bands, tmp_path):
    page, table = tmp_path / "SiC.html", tmp_path / "SiC.csv"
    labels = str(LABELS / "sic_aa.nc")
    finer = [labels] * 3  # the first frame, G, in the place of all three
    changes = {"mesh_12": {"mesh_4_atom_cell": 12}}
    describe_material("SiC", bands(2.5), labels, finer, SLIDES, changes, str(page), str(table))
    text = page.read_text()
    assert "is 2.50 eV along this" in text
    assert "data:image/png;base64," in text
    assert "at most 0.9" in text
    rows = list(csv.DictReader(table.open()))
    assert [row["recipe"] for row in rows] == ["recipe", "mesh_12: mesh_4_atom_cell = 12"]
    assert float(rows[0]["P⊥(N)"]) == pytest.approx(-20.68, abs=0.01)
    assert float(rows[1]["P⊥(N)"]) == pytest.approx(0, abs=0.01)


def test_materials_have_one_definition(tmp_path):
    maps = []
    for label_set, family, slides in (
        ("aa", "AA", 10),
        ("sic_aa", "SiC-AA", 6),
        ("mos2_aa", "MoS2-AA", 6),
    ):
        maps.append(str(tmp_path / f"{family}.nc"))
        map_configuration(str(LABELS / f"{label_set}.nc"), maps[-1], family, slides, 60)
    names = "aa", "aa_field", "aa_distance", "sic_aa", "sic_aa_field"
    names += "mos2_aa", "mos2_aa_field"
    files = [str(tmp_path / f"found.{ending}") for ending in ("nc", "csv", "pdf", "png")]
    compare_materials(maps, [str(LABELS / f"{name}.nc") for name in names], *files)
    with xr.open_dataset(files[0]) as ds:
        default, other = (ds.sel(material=name) for name in ("hBN", "SiC"))
        assert float(default["one_domain"]) == pytest.approx(0.967, abs=0.002)
        assert ds["difference"].values == pytest.approx(2 * ds["one_domain"].values, rel=1e-3)
        assert float(default["ratio"]) == 1
        assert float(other["ratio"]) == pytest.approx(4.13, abs=0.02)
        assert float(other["published_ratio"]) == pytest.approx(6.17 / 2.08)
        # The labels at N: P_perp and its value at 0.02 V/A.
        assert float(default["critical_field"]) == pytest.approx(0.0264, abs=2e-4)
        assert float(other["critical_field"]) == pytest.approx(0.0818, abs=2e-4)
        # P_perp of N is positive in MoS2, so the field is negative.
        assert float(ds.sel(material="MoS2")["critical_field"]) == pytest.approx(0.0064, abs=1e-4)
        # The distances of `aa_distance` and the usual one: P_perp decreases with the distance.
        own = ds.where(ds["label_material"] == "hBN", drop=True)
        assert own["label_distance"].values.tolist() == [3.15, 3.33, 3.45, 3.7]
        assert (np.diff(own["label_domain"]) < 0).all()
