"""The Python interface: every example of the page runs, and failures are one line."""

import re

import numpy as np
import pytest
from ase import Atoms

import moirepol
from moirepol.claims.measures import node
from relax_bilayer import relax_bilayer
from support import ROOT
from support.trained import trained_project

MONOLAYER = ROOT / "resources/monolayer/hBN.nc"
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs/python.md").read_text("utf-8"), re.M | re.S
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return trained_project(tmp_path_factory.mktemp("project"))


def test_every_example_of_the_page_runs(project, monkeypatch):
    monkeypatch.chdir(project)
    assert len(EXAMPLES) >= 6
    names: dict = {}
    for example in EXAMPLES:
        exec(example, names)


@pytest.fixture(scope="module")
def models(project):
    return moirepol.load(project)


def test_a_structure_has_the_dipoles_of_its_name(models):
    by_name = models.dipoles("AA_twist-2-3", field=0.02)
    mine = Atoms(by_name.numbers, by_name.positions, cell=by_name.cell, pbc=True)
    found = models.dipoles(mine, field=0.02)
    for array in ("local_dipole", "local_dipole_error", "onsite_shift"):
        np.testing.assert_allclose(found.arrays[array], by_name.arrays[array], atol=1e-8)
    assert found.info["field_V_per_A"] == 0.02


def test_the_field_of_a_name_is_the_default(models):
    by_name, by_argument = (
        models.map(*arguments)["P"].values
        for arguments in (("AA_twist-2-3_field+0.0200",), ("AA_twist-2-3", 0.02))
    )
    assert (by_name == by_argument).all()


def test_a_relaxed_bilayer_is_relaxed(models):
    rigid, relaxed = (models.dipoles(f"AA_twist-5-6{option}") for option in ("", "_relaxed"))
    moved = relaxed.positions - rigid.positions
    assert 1e-3 < np.linalg.norm(moved[:, :2], axis=1).max() < 0.05
    assert np.ptp(relaxed.positions[:, 2]) > np.ptp(rigid.positions[:, 2]) + 0.1
    maps = [models.map(f"AA_twist-5-6{option}")["P"].values for option in ("", "_relaxed")]
    assert np.abs(maps[1][:, ::2, ::2] - maps[0]).max() > 1e-5  # the relaxed map is finer


def test_the_middle_of_a_wide_domain_is_a_relaxed_stacking(models):
    """At 0.5 degrees the domains are 15 nm wide."""
    wide = models.map("AA_twist-65-66_relaxed")
    middle = wide["P"].values[(slice(None), *node(wide, "N"))]
    stacking = np.nansum(models.dipoles("AA_slide-1-1-3_relaxed").arrays["local_dipole"], axis=0)
    rigid = np.nansum(models.dipoles("AA_slide-1-1-3").arrays["local_dipole"], axis=0)
    assert abs(middle[2] - stacking[2]) < 0.03 * abs(rigid[2] - stacking[2])


def test_the_relaxation_of_the_workflow_is_used(models):
    name = "AA_twist-5-6_relaxed"
    computed = models.dipoles(name)
    (models.folder / "results/relaxation").mkdir()
    stackings = str(models.folder / "results/stackings/AA.nc")
    path = str(models.folder / f"results/relaxation/{name}.nc")
    relax_bilayer(name, stackings, str(MONOLAYER), path, 2.51, 3.33, 6, 48)
    np.testing.assert_allclose(models.dipoles(name).positions, computed.positions, atol=1e-9)
    (models.folder / f"results/relaxation/{name}.nc").write_text("broken")
    with pytest.raises(ValueError, match="is no readable NetCDF file"):
        models.dipoles(name)


def test_another_layer_distance_changes_the_dipoles(models):
    near, far = (models.dipoles(f"AA_twist-2-3{option}") for option in ("", "_d3.600"))
    change = far.arrays["local_dipole"] - near.arrays["local_dipole"]
    assert np.nanmax(np.abs(change)) > 1e-4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.dipoles("AA_twist-2-3_d3.9"), "a layer distance of 3.9 Å"),
        (lambda m: m.dipoles("AAp_twist-2-3"), "predictors.AAp names no zero_field model"),
        (lambda m: m.dipoles("AA_twist-2-3", field=0.5), "a field of 0.5 V/Å"),
        (lambda m: m.dipoles("AA_angel-2"), "AA_angel-2"),
        (lambda m: m.map("AA_slide-0-0-1"), "does not contain all stackings"),
        (lambda m: m.charge("AA_moire-6-2-4-2"), "periods of the pattern"),
        (lambda m: m.map(Atoms("BN", cell=np.eye(3))), "a vacuum of"),
        (lambda m: moirepol.load(m.folder / "results"), "contains no config.yaml"),
    ],
)
def test_a_failure_is_one_line(models, call, words):
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        call(models)
    assert "\n" not in str(error.value)


def test_models_that_are_not_trained_are_named(models, tmp_path):
    (tmp_path / "config.yaml").write_text((models.folder / "config.yaml").read_text())
    with pytest.raises(ValueError, match=r"results/models/aa.*0.dp is missing .* `./run` trains"):
        moirepol.load(tmp_path).dipoles("AA_twist-2-3")
