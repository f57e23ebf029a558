"""The interface to a DFT code: without one, and a small live label by the second one."""

import csv
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
from ase.units import Ry

from check_engine import check_engine
from moirepol.dft import engine, espresso, gpaw, grids, labels, programs, wannier
from moirepol.dft.audit import total_dipole
from moirepol.dft.trial_functions import trial_functions
from moirepol.errors import JobError
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.workflow.label_sets import digest, recipe_of, settings_of
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from moirepol.workflow.settings.schema import part
from support.settings import shipped_config

A, D = 2.51, 3.33
LOOSE = {"ecutwfc_Ry": 25, "ecutrho_Ry": 400, "mesh_4_atom_cell": 3, "cell_height_A": 20}


@pytest.fixture(scope="module")
def config(root):
    return shipped_config()


def installed():
    try:
        gpaw.require_programs()
    except JobError:
        return False
    return True


@pytest.mark.parametrize("name", ["espresso", "gpaw"])
def test_an_engine_has_the_whole_interface(name):
    found = engine.engine_of({"engine": name})
    for method in ("require_programs", "find_pseudopotentials", "calculate"):
        wanted = list(inspect.signature(getattr(engine.Engine, method)).parameters)[1:]
        has = inspect.signature(getattr(found, method)).parameters
        assert list(has)[: len(wanted)] == wanted
        assert all(p.default is not p.empty for p in list(has.values())[len(wanted) :])
    assert name in part(("labels", "recipe", "engine"))["enum"]


def test_a_recipe_without_engine_is_the_one_that_labels_ship_with(root, config):
    assert "engine" not in recipe_of(config, "standard")
    assert engine.engine_of(recipe_of(config, "standard")) is espresso
    shipped = read_netcdf(root / "resources" / "labels" / "aa.nc").attrs["settings_digest"]
    assert digest(settings_of(config, "standard")) == shipped


def test_overlaps_come_back_from_their_file(tmp_path):
    """What an engine writes to the .mmn file is what the label reads."""
    kpoints = grids.uniform_mesh((2, 1))
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(2, 3, 4, 4)) + 1j * rng.normal(size=(2, 3, 4, 4))
    rows = [[[k, 3 - k, b, 0, 1] for b in range(3)] for k in (1, 2)]
    nnkp = tmp_path / "wannier.nnkp"
    lines = "\n".join(" ".join(map(str, row)) for of_k in rows for row in of_k)
    nnkp.write_text(f"begin nnkpts\n   3\n{lines}\nend nnkpts\n")
    neighbours = wannier.read_nnkp(nnkp)
    assert neighbours.tolist() == rows
    wannier.write_mmn(tmp_path / "wannier.mmn", neighbours, matrices)
    atoms = build("AA_slide-1-1-3", A, D)
    found = wannier.read_mmn(tmp_path / "wannier.mmn", kpoints, atoms)
    np.testing.assert_allclose(found.matrices, matrices, atol=1e-12)
    assert found.second.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_gpaw_is_asked_for_the_recipe(tmp_path, config, monkeypatch):
    """A stand-in for the other Python keeps the input and answers with a known result."""
    recipe = recipe_of(config, "gpaw")
    atoms = build("AA_slide-0-1-2_field+0.0200", A, D, recipe["cell_height_A"])
    (tmp_path / "wannier.nnkp").write_text("begin nnkpts\n 1\n 1 1 0 0 1\nend nnkpts\n")

    def answer(command, folder):
        assert Path(command[2]).is_file()
        miller = np.array([[0, 0, 0], [0, 0, 1]])
        np.savez(
            folder / gpaw.RESULT,
            overlaps=np.eye(8)[None, None],
            miller_0=miller,
            waves_0=np.full((8, 2), 1 + 1j),
            energy_eV=-30.0,
            density_dipole_eA=1e-3,
            scf_iterations=12,
        )

    monkeypatch.setattr(programs, "run_program", answer)
    monkeypatch.setattr(gpaw, "_version", lambda python: "22.8.0")
    monkeypatch.setattr(
        gpaw,
        "find_pseudopotentials",
        lambda files: {e: Path("/sets") / f for e, f in files.items()},
    )
    functions = trial_functions(atoms, recipe["bond_fraction"], recipe["projection_sigma_A"])
    a, audit = gpaw.calculate(atoms, np.zeros((1, 3)), functions, recipe, tmp_path)
    job = json.loads((tmp_path / gpaw.INPUT).read_text())
    assert job["ecut_eV"] == pytest.approx(recipe["ecutwfc_Ry"] * Ry)
    assert job["field_V_per_A"] == 0.02
    assert job["grid"]["gpts"] == [24, 24, 162]  # half of the density's: A stands on its columns
    assert job["setups"] == {"B": "/sets/B.PBE.gz", "N": "/sets/N.PBE.gz"}
    assert job["neighbours"] == [[[1, 0, 0, 1]]]
    assert a.shape == (1, 8, 8)
    assert audit["programs"] == "GPAW 22.8.0"
    assert (audit["scf_iterations"], audit["density_dipole_eA"]) == (12, 1e-3)
    assert wannier.read_mmn(tmp_path / "wannier.mmn", np.zeros((1, 3)), atoms).matrices[0, 0, 0, 0]
    with pytest.raises(JobError, match="engine gpaw: allowed is electrostatics dipole"):
        gpaw.calculate(atoms, [], functions, recipe | {"electrostatics": "2D"}, tmp_path)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("exit 1", "has no GPAW; on Debian or Ubuntu: apt install gpaw, or set GPAW_PYTHON"),
        ("echo 21.6.0", "is version 21.6.0, needed is 22.8 or later"),
    ],
)
def test_a_missing_or_old_gpaw_is_one_line(tmp_path, monkeypatch, says, words):
    program = tmp_path / "python3"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("GPAW_PYTHON", str(program))
    monkeypatch.setattr(programs, "require_programs", lambda programs: None)
    with pytest.raises(JobError, match=words):
        gpaw.require_programs()


def test_two_codes_are_compared_slide_by_slide(tmp_path):
    names = ["AA_slide-1-1-3", "AA_slide-0-1-2", "AA_slide-1-1-3_field+0.0200"]

    def write(path, settings, rows):
        frames = []
        for name, dipole in zip(names, rows, strict=True):
            atoms = build(name, A, D)
            atoms.set_array("dipole", np.full((4, 3), np.nan))
            atoms.arrays["dipole"][atoms.is_site] = dipole
            frames.append(atoms)
        write_netcdf(stamp(to_dataset(frames), "labels", settings), path)
        return str(path)

    ours = [[[0, 0, -9e-3], [0, 0, 6e-3]], [[1e-3, 1e-3, -8e-3], [2e-3, 3e-3, 8e-3]]]
    ours.append([[0, 0, -8e-3], [0, 0, 7e-3]])
    theirs = np.array(ours)
    theirs[:, 0, 2] += 1e-4
    theirs[2, 1, 2] += 2e-4
    files = [
        write(tmp_path / "aa.nc", {"recipe": {}}, ours),
        write(tmp_path / "other.nc", {"recipe": {"engine": "gpaw"}}, theirs),
    ]
    out = [tmp_path / f"engine.{ending}" for ending in ("nc", "csv", "pdf", "png")]
    check_engine(files[:1], files[1], *out)
    with open(out[1], newline="") as table:
        rows = {row["point"]: row for row in csv.DictReader(table)}
    assert list(rows) == ["N", "B", "N in 0.02 V/Å"]
    assert float(rows["N"]["P_perp_espresso"]) == pytest.approx(-3e-3)
    assert float(rows["N"]["P_perp_difference"]) == pytest.approx(1e-4)
    assert float(rows["B"]["P_par_gpaw"]) == pytest.approx(5e-3)
    assert float(rows["B"]["upper_z_difference"]) == pytest.approx(0, abs=1e-12)
    assert rows["N"]["response_gpaw"] == ""
    assert float(rows["N in 0.02 V/Å"]["response_espresso"]) == pytest.approx(2e-3 / 0.02)
    assert float(rows["N in 0.02 V/Å"]["response_difference"]) == pytest.approx(0.01)
    assert out[3].stat().st_size > 1000
    one = write(tmp_path / "one.nc", {"recipe": {}}, ours)
    names[0] = "AA_slide-2-2-3"
    with pytest.raises(JobError, match="no label of AA_slide-2-2-3"):
        check_engine([one], write(tmp_path / "new.nc", {"recipe": {}}, ours), *out)


@pytest.mark.slow
@pytest.mark.skipif(not installed(), reason="needs GPAW and wannier90.x")
def test_a_live_label_by_gpaw(config, tmp_path):
    """Loose as it is, the label converges, keeps its symmetry, and sums to the density's dipole."""
    recipe = recipe_of(config, "gpaw") | LOOSE
    atoms = build("AA_slide-1-1-3", A, D, recipe["cell_height_A"])
    frame = labels.label(atoms, recipe, A, tmp_path)
    total = total_dipole(frame)
    assert total[:2] == pytest.approx(0, abs=1e-7)
    assert total[2] < -1e-3
    assert total[2] == pytest.approx(frame.info["density_dipole_eA"], abs=1e-4)
    assert frame.info["programs"].startswith("GPAW ")
