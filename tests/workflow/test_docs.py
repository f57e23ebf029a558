"""The documentation: its links lead to files, and its tables agree with results."""

import json
import re
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from snakemake.utils import update_config

import tabulate_docs
from moirepol.physics.polarization import cell_points
from moirepol.structure.material import Material
from moirepol.workflow.configuration import check_config
from moirepol.workflow.label_plan import finer_recipes, page_slides
from support import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def anchors(page):
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_headings(page):
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8")):
        assert heading in anchors(page.parent / target if target else page), heading


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page):
    """Notes are exempt: they describe an earlier revision."""
    text = page.read_text(encoding="utf-8")
    folders = "tests|scripts|rules|envs|profiles|schemas|report|resources"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    if page.parent.name != "notes":
        assert not [name for name in named if not (ROOT / name).exists()]


def settings_of(page):
    """Settings files that a page shows."""
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text("utf-8"), re.M | re.S)
    return [yaml.safe_load(dedent(block).replace("<engine>", "gpaw")) for block in blocks]


@pytest.mark.parametrize("page", ["usage", "howto/panel", "howto/structure", "howto/dft-engine"])
def test_settings_of_a_page_are_valid(page):
    found = settings_of(ROOT / "docs" / f"{page}.md")
    assert found
    for settings in found:
        config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
        update_config(config, settings)
        check_config(config)


def test_the_files_of_a_new_material_are_valid():
    """AlN does not ship. SiC stands for it where a name must be known."""
    material, settings = settings_of(ROOT / "docs" / "new-material.md")
    assert Material(name="AlN", **material).species == ("Al", "N")
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    update_config(config, json.loads(json.dumps(settings).replace("AlN-", "SiC-")))
    config = check_config(config)
    config["labels"]["sets"] = {"aln_aa": config["labels"]["sets"]["aln_aa"]}
    config["predictors"] = {}
    assert set(finer_recipes(config, "SiC-AA")) == {"aln_wfc_45", "aln_mesh_9"}
    page_slides(config, "SiC-AA", ["slide-1-1-3", "slide-0-1-2", "slide-0-0-1"])


def test_every_note_is_listed():
    listed = (ROOT / "docs/notes/README.md").read_text(encoding="utf-8")
    for note in ROOT.glob("docs/notes/[!R]*.md"):
        assert f"({note.name})" in listed
        assert re.search(r"^20\d\d-\d\d-\d\d, revision", note.read_text("utf-8"), re.M), note.name


def first_row_of(text, *heading):
    """The first row below a heading of a Markdown table, as a list of one."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    start = lines.index(list(heading)) + 2
    return lines[start : start + 1]


def test_the_score_of_the_readme_is_that_of_the_table():
    table = (ROOT / "docs/tables/claims.md").read_text(encoding="utf-8")
    ((*score, not_yet),) = first_row_of(table, *tabulate_docs.VERDICTS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    words = "claims of the paper", "reproduced", "not reproduced", "undecided"
    assert first_row_of(readme, *words) == [[str(sum(map(int, score))), *score]]
    assert not_yet == "0"


def test_tables_have_units_and_a_source(tmp_path):
    sources = {
        "claims": {"id": ["F1"], "claim": ["|P| = 0"], "paper": [""], "ours": ["0"]}
        | {"unit": [""], "verdict": ["undecided"], "figure": ["fig1a"]},
        "relaxed_claims": {"id": ["F1"], "relaxed": ["0.1"], "relaxed_verdict": ["reproduced"]},
        "accuracy": {"on": ["copies"] * 3, "model": ["aa"] * 3, "axis": ["in_plane", "z", "all"]}
        | {"mae_eA": [1e-6, 2e-6, 1e-6], "spread_eA": [3e-6, "", ""], "n": [4, 2, 6]},
        "cells": {"cell": ["AA_twist-1-2"], "model": ["cells_6"], "twist_angle_deg": [21.79]}
        | {"mismatch": [0.0], "P_perp_dft_eA": [8.53e-4], "P_perp_model_eA": [""]}
        | {"P_par_dft_eA": [1e-3], "P_par_model_eA": [1e-3], "mae_in_plane_eA": [1e-3]}
        | {"mae_z_eA": [1e-3]},
        "learning": {"slides": [2, 2], "fold": [0, 1], "mae_in_plane_eA": [1e-6, 3e-6]}
        | {"mae_z_eA": [1e-6, 1e-6]},
        "audit": {
            "set": ["aa"],
            "frames": [80],
            "rejected": [0],
            "settings": ["0a"],
            "reasons": [""],
        },
    }
    inputs, pages = {}, {}
    for name, columns in sources.items():
        inputs[name] = str(tmp_path / "results" / f"{name}.csv")
        if name != "relaxed_claims":
            pages["labels" if name == "audit" else name] = tmp_path / f"{name}.md"
        (tmp_path / "results").mkdir(exist_ok=True)
        pd.DataFrame(columns).to_csv(inputs[name], index=False)
    pages["errors"], errors = tmp_path / "errors.md", tmp_path / "results" / "AA.nc"
    within = ("cell", "times", "direction"), np.array([[[0.7, 0.6], [0.95, 0.9]]])
    xr.Dataset(
        {"within": within, "within_left_out": within, "gradient": ("cell", [0.105])},
        {"cell": ["AA_twist-5-6"], "times": [1, 2], "direction": ["in-plane", "out-of-plane"]},
    ).to_netcdf(errors)
    inputs["errors"] = [str(errors)]
    pages["terms"], terms = tmp_path / "terms.md", tmp_path / "results" / "AA_twist-5-6.nc"
    P = np.zeros((2, 2, 3, 6, 6))
    P[0, 0, 2, 2, 2], P[1, 1, 2, 2, 2] = 1e-3, 2e-3
    P[0, 0, 0, 3, 0], P[1, 0, 0, 3, 0] = -3e-3, 1e-3
    points = {"G": (0, 0), "N": (1 / 3, 1 / 3), "M": (2 / 3, 2 / 3), "A": (1 / 2, 0)}
    ds = cell_points(np.eye(2), points).assign_coords(term=["one", "two"])
    ds["P"] = ("term", "layer", "component", "i", "j"), P
    ds.assign_attrs(system="AA_twist-5-6_relaxed").to_netcdf(terms)
    inputs["terms"] = [str(terms)]
    outputs = {f"{name}_page": str(path) for name, path in pages.items()}
    tabulate_docs.tabulate_docs(**inputs, **outputs)
    text = {name: path.read_text(encoding="utf-8") for name, path in pages.items()}
    assert all("from `results/" in page and "revision" in page for page in text.values())
    assert "| 0 | 0 | 1 | 0 |" in text["claims"]
    assert "\\|P\\| = 0" in text["claims"]
    assert "| undecided | reproduced: 0.1 | fig1a |" in text["claims"]
    assert "_relaxed | two | 0.000 | 2.000 | 0.000 | 0.000 | -1.000 |" in text["terms"]
    assert "_relaxed | sum | 0.000 | 3.000 | 0.000 | 0.000 | 2.000 |" in text["terms"]
    assert "| copies | aa | 1 | 2 | 3 |  | 6 |" in text["accuracy"]
    assert "| AA_twist-1-2 | cells_6 | 21.79 | 0.000 | 0.853 |  |" in text["cells"]
    assert "| AA | AA_twist-5-6 | 0.105 | 70%, 95% | 60%, 90% |" in text["errors"]
    assert "| 2 | 2 | 1 |" in text["learning"]
    assert "| set | frames | rejected |" in text["labels"]
    assert "| aa | 80 | 0 |" in text["labels"]
