"""What goes wrong: one line says why, no damaged file under a final name, a rerun finishes."""

import contextlib
import importlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from collect_labels import collect_labels
from label_frame import label_frame
from moirepol import console, predictor
from moirepol.dft import audit, espresso, labels, programs, pseudopotentials
from moirepol.errors import JobError
from moirepol.model import committee, training
from moirepol.physics.heights import PARTS
from moirepol.physics.relaxation import Relaxation
from moirepol.physics.stackings import EXPANDED, GRIDDED
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames, to_dataset
from moirepol.workflow import job, locks
from moirepol.workflow.figure_plan import PLOTS
from moirepol.workflow.job import arguments_of, parameters_of
from moirepol.workflow.label_files import verify_checksum
from moirepol.workflow.label_sets import digest, settings_from
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from ship_labels import ship_labels
from support import ROOT
from support.processes import make_program, mounted, processes_in, read_only, wait_for
from support.projects import TINY, copy_project, error_lines, snakemake
from support.settings import shipped_config

LABELS = "resources/labels/aa.nc"
GRADIENT = {"gradient": "gradient.nc"}
ERRORS = {"errors": "errors.nc"}
MONOLAYER = "resources/monolayer/hBN.nc"
RELAXED = {
    "heights": "heights.nc",
    "stackings": "stackings.nc",
    "monolayer": MONOLAYER,
    "relaxation": "relaxation.nc",
}
#: Script: its arguments that take a NetCDF file or several, with good files.
READERS = {
    "audit_labels": {"labels": LABELS},
    "benchmark_training": {"courses": ["loss.nc"]},
    "check_engine": {"labels": [LABELS], "others": LABELS},
    "check_copies": {"originals": LABELS, "direct": LABELS},
    "collect_sweep": {"geometries": ["sweep.nc"]},
    "collect_labels": {"computed": [LABELS], "shipped": LABELS},
    "compare_labels": {"labels": LABELS, "others": LABELS},
    "compare_materials": {
        "configuration_maps": ["map.nc"],
        "labels": [LABELS],
        "moire_maps": ["map.nc"],
    },
    "compute_charge": {"polarization_map": "map.nc"},
    "describe_material": {"bands": "bands.nc", "labels": LABELS, "finer": [LABELS]},
    "evaluate_claims": {
        "maps": ["map.nc"],
        "charges": ["charge.nc"],
        "dipoles": [LABELS],
        "labels": [LABELS],
        "parities": ["parity.nc"],
        "quoted": ["parity.nc"],
        "studies": ["parity.nc"],
    },
    "decompose_map": {"polarizability": "polarizability.nc", **GRADIENT, **RELAXED},
    "evaluate_model": {
        "losses": ["loss.nc"],
        "labels": [LABELS],
    },
    "find_critical_field": {"labels": LABELS, "heights": "heights.nc"},
    "export_centres": {"labels": LABELS},
    "export_dipoles": {"dipoles": LABELS},
    "export_map": {"polarization_map": "map.nc"},
    "export_sweep": {"sweep": "sweep.nc"},
    "calibrate_errors": {"studies": ["study.nc"]},
    "calibrate_relaxation": {
        "labels": LABELS,
        "polarizability": "polarizability.nc",
        **GRADIENT,
        **ERRORS,
        "heights": "heights.nc",
        "stackings": "stackings.nc",
        "monolayer": MONOLAYER,
        "relaxations": ["relaxation.nc"],
    },
    "fit_heights": {"stackings": "stackings.nc", "distance": [LABELS], "relaxed": [LABELS]},
    "fit_stackings": {"labels": LABELS, "field_labels": LABELS, "distance_labels": LABELS},
    "fit_gradient": {
        "cells": [LABELS],
        "slides": LABELS,
        "polarizability": "polarizability.nc",
    },
    "validate_frames": {"labels": [LABELS], "polarizability": "polarizability.nc", **GRADIENT},
    "map_configuration": {"labels": LABELS},
    "map_polarization": {"polarizability": "polarizability.nc", **GRADIENT, **ERRORS, **RELAXED},
    "plot_amplitudes": {"dipoles": [LABELS], "configuration_map": "map.nc", "labels": [LABELS]},
    "plan_labels": {"labels": [LABELS]},
    "plot_calibration": {"studies": ["study.nc"], "errors": ["errors.nc"]},
    "plot_comparison": {"dipoles": "one.nc", "labels": [LABELS]},
    "plot_map": {"polarization_map": "map.nc", "charge": "charge.nc"},
    "plot_cells": {"studies": ["study.nc"]},
    "plot_uniaxial": {
        "cells": [LABELS],
        "polarizability": "polarizability.nc",
        **GRADIENT,
    },
    "predict_dipoles": {"polarizability": "polarizability.nc", **GRADIENT, **ERRORS, **RELAXED},
    "relax_claims": {
        "configurations": ["map.nc"],
        "maps": ["map.nc"],
        "charges": ["charge.nc"],
        "dipoles": [LABELS],
    },
    "benchmark_relaxation": {"relaxations": ["relaxation.nc"]},
    "relax_bilayer": {"stackings": "stackings.nc", "monolayer": MONOLAYER},
    "recheck_labels": {"labels": LABELS},
    "study_learning": {"labels": [LABELS]},
    "sweep_fields": {"polarizability": "polarizability.nc", **GRADIENT, **ERRORS},
    "tabulate_accuracy": {
        "parities": ["parity.nc"],
        "studies": ["parity.nc"],
        "labels": [LABELS],
    },
    "study_convergence": {"standard": LABELS, "variants": [LABELS]},
    "tabulate_docs": {"errors": ["coverage.nc"], "terms": ["terms.nc"]},
    "tabulate_audit": {"audits": ["audit.nc"], "checks": ["check.nc"]},
    "train_model": {"labels": [LABELS]},
    "view_sweep": {"sweep": "sweep.nc"},
    "view_map": {
        "polarization_maps": ["map.nc"],
        "charges": ["charge.nc"],
        "potentials": ["potential.nc"],
        "polarizability": "polarizability.nc",
    },
    "compare_maps": {"polarization_maps": ["map.nc"], "charges": ["charge.nc"]},
    "compare_relaxations": {
        "relaxation": "relaxation.nc",
        "stackings": "stackings.nc",
        "monolayer": MONOLAYER,
        "atoms": LABELS,
        "translated_atoms": [LABELS],
    },
    "compute_potential": {"polarization_map": "map.nc", "polarizability": "polarizability.nc"},
    "export_potential": {
        "polarization_map": "map.nc",
        "dipoles": LABELS,
        "polarizability": "polarizability.nc",
    },
    "export_waves": {"potential": "potential.nc"},
}
#: Argument of plots: its good files.
PLOTTED = {
    "polarization_map": "map.nc",
    "polarization_maps": ["map.nc"],
    "configuration_map": "map.nc",
    "charge": "charge.nc",
    "charges": ["charge.nc"],
    "dipoles": LABELS,
    "labels": [LABELS],
    "parallel": LABELS,
    "antiparallel": LABELS,
    "parities": ["parity.nc"],
    "sweep": "sweep.nc",
    "terms": ["terms.nc"],
}
READERS |= {
    f"plot_{kind}": {argument: PLOTTED[argument] for argument in plot.inputs}
    for kind, plot in PLOTS.items()
    if plot.inputs and f"plot_{kind}" not in READERS
}
#: Calls that read NetCDF files.
READING = re.compile(
    r"import collect_labels|: Prediction\b|\b(read_(netcdf|frames|calibration|polarizabilit(y|ies))"
    r"|(Predictor|LongRange|Stackings|Monolayer|Relaxation|Heights)\.from_files?)\("
)
#: Inputs that are no NetCDF files: trained models, a table.
OTHER_INPUTS = {"members", "zero_field", "response", "curvature", "table", "claims"}
OTHER_INPUTS |= {"structure", "mapped"}
OTHER_INPUTS |= {"relaxed_claims", "accuracy", "audit", "cells", "learning"}


class AnyKind(str):
    """Text that equals any other."""

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


READINGS = [(script, argument) for script in READERS for argument in READERS[script]]


def test_every_script_that_reads_netcdf_is_among_the_readers():
    found = {
        path.stem
        for path in (ROOT / "scripts").glob("*.py")
        if READING.search(path.read_text(encoding="utf-8"))
    }
    assert found == set(READERS) | {"ship_labels"}  # which has a test of its own


def test_every_input_of_their_rules_is_among_the_arguments():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    inputs = re.findall(r"^rule (\w+):\n    input:\n((?:        .*\n)+)", text, re.M)
    shared = re.search(r"^PREDICTION = \{\n(.*?)^\}", text, re.M | re.S)[1]
    named = {
        rule: set(re.findall(r"^ {8}(\w+)=", block, re.M))
        | set(re.findall(r'"(\w+)":', shared if "**PREDICTION" in block else ""))
        for rule, block in inputs
    }
    named |= {f"plot_{kind}": set(plot.inputs) for kind, plot in PLOTS.items()}
    missing = {
        rule: names - set(READERS[rule]) - OTHER_INPUTS
        for rule, names in named.items()
        if rule in READERS
    }
    assert not any(missing.values()), missing


@pytest.fixture(params=["truncated", "foreign", "text", "missing"])
def bad_file(request, tmp_path):
    path = tmp_path / "bad.nc"
    if request.param != "missing":
        write_netcdf(xr.Dataset({"numbers": ("n", np.arange(1000.0))}), path)
    if request.param == "truncated":
        os.truncate(path, path.stat().st_size * 2 // 3)
    if request.param == "text":
        path.write_text("no data")
    return path


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """A folder with files of every kind, as far as a script may read them before the bad one."""
    from map_configuration import map_configuration

    folder = tmp_path_factory.mktemp("good")
    shutil.copy(ROOT / "resources/claims.yaml", folder)
    map_configuration(str(ROOT / LABELS), str(folder / "map.nc"), "AA", 10, 12)
    write_netcdf(to_dataset(read_frames(ROOT / LABELS)[:1]), folder / "one.nc")
    zero = "n", np.zeros(1)
    for name, variables in {
        "charge": ("charge_density", "Q"),
        "potential": ("phi",),
        "parity": ("dft", "model", "spread"),
        "loss": ("rmse_train",),
        "audit": (),
        "check": ("difference_eA",),
        "gradient": (
            "first_order",
            "first_order_deviation",
            "second_order",
            "second_order_deviation",
            "coupling",
            "coupling_deviation",
            "remainder",
            "left_out",
            "cell",
        ),
        "bands": ("energy",),
        "coverage": ("within",),
        "terms": ("P",),
        "study": ("model", "dft", "spread", "remainder", "gradient", "cell"),
    }.items():
        ds = xr.Dataset(dict.fromkeys(variables, zero), attrs={"title": name})
        write_netcdf(ds, folder / f"{name}.nc")
    calibration = {"scale": ("direction", [1.0, 1.0]), "saturation": 1.0}
    calibration |= {"largest_strain": 1.0, "largest_twist": 1.0}
    write_netcdf(xr.Dataset(calibration, attrs={"title": "errors"}), folder / "errors.nc")
    _write_relaxed(folder)
    one = xr.Dataset({"in_plane": 0.4, "along_z": 0.1}, attrs={"title": "polarizability"})
    write_netcdf(one, folder / "polarizability.nc")
    (folder / "resources").symlink_to(ROOT / "resources")
    return folder


def _write_relaxed(folder):
    """Files of a relaxed bilayer: flat layers at one distance."""
    grid, coefficients = np.zeros((6, 6)), np.zeros(6)
    stackings = {f"{name}_coefficient": ("function", coefficients) for name in EXPANDED}
    stackings |= {f"{name}_grid": (("t1", "t2"), grid + 3.3) for name in GRIDDED[:-1]}
    stackings |= {"rumpling_grid": (("t1", "t2", "layer"), np.zeros((6, 6, 2))), "stiffness": 0.3}
    write_netcdf(xr.Dataset(stackings, attrs={"title": "stackings"}), folder / "stackings.nc")
    to_stacking = np.eye(2) / 100
    fields = Relaxation(np.zeros((2, 2, 6, 6)), grid + 3.3, to_stacking)
    write_netcdf(fields.to_dataset().assign_attrs(title="r"), folder / "relaxation.nc")
    heights = {}
    for part in PARTS:
        dims = "t1", "t2", "layer", "component"
        heights[f"distance_{part}"] = ("power", *dims), np.zeros((1, 6, 6, 2, 3))
        heights[f"relaxed_{part}"] = dims, np.zeros((6, 6, 2, 3))
    ds = xr.Dataset(heights | {"reference_distance": 3.3}, attrs={"title": "heights"})
    write_netcdf(ds, folder / "heights.nc")


@pytest.mark.parametrize(("script", "argument"), READINGS)
def test_a_file_that_is_not_what_it_should_be_is_named(
    script, argument, bad_file, good_files, tmp_path, monkeypatch
):
    info = {"family": "AA", "kind": AnyKind(), "field_V_per_A": 0}
    member = committee.Member(None, info, np.array([], dtype="S"))
    for module in (predictor, importlib.import_module(script)):
        monkeypatch.setattr(module, "committee", lambda paths: [member], raising=False)
    monkeypatch.chdir(good_files)
    before = set(good_files.iterdir())
    function = getattr(importlib.import_module(script), script)
    required = [name for name, one in parameters_of(function).items() if one.default is one.empty]
    values = dict.fromkeys(required, "1") | READERS[script]
    values |= {"frames": [], "slides": [], "changes": {}, "family": "AA", "seed": 0}
    values |= {"settings": settings_from(read_netcdf(LABELS)), "system": "AA_twist-1-2"}
    values |= {"table": "claims.yaml", "lattice_constant_A": 2.5}
    values |= {
        "layer_distance_A": 3.3,
        "models": {},
        "names": {"parity": "1"},
        "structure": (),
    }
    values |= {"kind": "zero_field", "field_V_per_A": 0, "slides_per_axis": 10}
    values |= {"grid_points": 6, "mesh_spacing_A": 6.0, "mesh_points": 12}
    values |= {"largest_eta": 1.0, "points_per_period": 6} | READERS[script]
    if script == "study_convergence":
        values |= {"slides": ["AA_slide-0-0-1"], "changes": {"another": {}}}
    several = isinstance(READERS[script][argument], list)
    values[argument] = [str(bad_file)] if several else str(bad_file)
    with pytest.raises(JobError, match=rf"^{bad_file}[^\n]*$"):
        function(**arguments_of(function, values))
    assert list(tmp_path.iterdir()) in ([bad_file], [])
    assert set(good_files.iterdir()) == before


def test_one_wrong_bit_is_found(tmp_path):
    path = tmp_path / "data.nc"
    write_netcdf(xr.Dataset({"P": ("n", np.random.default_rng(0).normal(size=5000))}), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(JobError, match=f"^{path} is no readable NetCDF file"):
        read_netcdf(path)


def test_a_damaged_model_is_named(tmp_path):
    path = tmp_path / "0.dp"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(JobError, match=rf"^{path} is no dipole model[^\n]*$"):
        committee.load(path)


SOUND = {
    "name": "AA_slide-0-0-1",
    "centre_distance_A": 0.53,
    "largest_singular_value": 1.0,
    "smallest_singular_value": 0.9,
    "smallest_projection": 0.5,
    "spread_A2": 0.8,
    "symmetry_residual_eA": 1e-7,
    "wannier90_difference_A": 1e-6,
}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"centre_distance_A": 0.76}, "centre_distance_A is 0.76, must be <= 0.75"),
        ({"centre_distance_A": float("nan")}, "centre_distance_A is nan"),
        ({"largest_singular_value": 1.01}, "largest_singular_value is 1.01"),
        ({"spread_A2": 4.0}, "spread_A2 is 4, must be <= 3"),
    ],
)
def test_centres_that_leave_their_atom_are_rejected(found, words):
    frame = build("AA_slide-0-0-1", 2.51, 3.33)
    frame.set_array("dipole", np.zeros((4, 3)))
    frame.info.update(SOUND)
    audit.check(frame)
    frame.info.update(found)
    with pytest.raises(JobError, match=f"^AA_slide-0-0-1: {words}"):
        audit.check(frame)


def test_a_dipole_that_is_no_number_is_rejected():
    frame = build("AA_slide-0-0-1", 2.51, 3.33)
    frame.set_array("dipole", np.full((4, 3), np.nan))
    frame.info.update(SOUND)
    assert audit.fault(frame) == "a dipole is not a number"


class TestPseudopotentials:
    FILE = "B.pbe-n-rrkjus_psl.1.0.0.UPF"

    def test_another_file_of_a_listed_name_is_rejected(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ESPRESSO_PSEUDO", str(tmp_path))
        (tmp_path / self.FILE).write_text("another")
        with pytest.raises(JobError, match=rf"{self.FILE} is not the file of that name that pse"):
            pseudopotentials.find_pseudopotentials({"B": self.FILE})

    def test_a_file_of_your_own_is_taken(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ESPRESSO_PSEUDO", str(tmp_path))
        (tmp_path / "B.mine.UPF").write_text("mine")
        found = pseudopotentials.find_pseudopotentials({"B": "B.mine.UPF"})
        assert found == {"B": tmp_path / "B.mine.UPF"}

    @pytest.fixture
    def two_folders(self, tmp_path, monkeypatch):
        """An own folder, given by a relative path, with one of two files; and the installed one."""
        for folder, names in (("own", ["B.UPF"]), ("installed", ["B.UPF", "N.UPF"])):
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / name).write_text(f"{folder} {name}")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ESPRESSO_PSEUDO", "own")
        folders = (str(tmp_path / "installed"),)
        return pseudopotentials.find_pseudopotentials({"B": "B.UPF", "N": "N.UPF"}, folders=folders)

    def test_the_files_used_are_those_found(self, two_folders, tmp_path):
        """Also if they lie in two folders, and if one is given by a relative path."""
        scratch = tmp_path / "scratch" / "label"
        scratch.mkdir(parents=True)
        folder = pseudopotentials.link_pseudopotentials(two_folders.values(), scratch)
        linked = {file.name: file.read_text() for file in (scratch / folder).iterdir()}
        assert linked == {"B.UPF": "own B.UPF", "N.UPF": "installed N.UPF"}
        assert pseudopotentials.link_pseudopotentials([two_folders["N"]], scratch) == folder
        assert [file.name for file in (scratch / folder).iterdir()] == ["N.UPF"]

    def test_a_file_that_pw_x_did_not_read_is_named(self, two_folders, tmp_path):
        pseudopotentials.link_pseudopotentials(two_folders.values(), tmp_path)
        sums = [pseudopotentials.md5(path) for path in two_folders.values()]
        report = "".join(
            f"X read from file:\n     ./pseudo/{path.name}\n     MD5 check sum: {md5}\n"
            for path, md5 in zip(two_folders.values(), sums, strict=True)
        )
        pseudopotentials.check_pseudopotentials_read(tmp_path, report)
        other = report.replace(sums[1], "0" * 32)
        with pytest.raises(JobError, match=r"pw.x did not read .*installed/N.UPF: its MD5 is"):
            pseudopotentials.check_pseudopotentials_read(tmp_path, other)

    def test_the_input_of_pw_x_points_to_the_links(self, tmp_path, monkeypatch, root):
        recipe = shipped_config()["labels"]["recipe"]
        bilayer = build("AA_slide-0-0-1", 2.51, 3.33)
        espresso.write_pw_input(tmp_path / "pw.in", bilayer, np.zeros((1, 3)), [1.0], recipe)
        assert "pseudo_dir = './pseudo/'" in (tmp_path / "pw.in").read_text()
        names = set(recipe["pseudopotentials"].values())
        assert {file.name for file in (tmp_path / "pseudo").iterdir()} == names

    def test_those_of_the_shipped_settings_are_listed(self, root):
        recipe = shipped_config()["labels"]["recipe"]
        listed = (root / "scripts/moirepol/dft/pseudopotentials.sha256").read_text()
        assert all(f"  {name}\n" in listed for name in recipe["pseudopotentials"].values())


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("Program PWSCF v.6.3 starts on 1Jan2019", "is version 6.3, needed is 6.7 or later"),
        ("Good morning", "does not run, its version is unknown: Good morning"),
    ],
)
def test_an_old_program_is_named(tmp_path, monkeypatch, says, words):
    make_program(tmp_path, "pw.x", f"echo {says}")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    programs._version.cache_clear()
    try:
        with pytest.raises(JobError, match=f"^{tmp_path / 'pw.x'} {words}$"):
            programs.require_programs()
    finally:
        programs._version.cache_clear()


class TestJob:
    """The adapter: a file under its final name is always whole."""

    @pytest.fixture(autouse=True)
    def console(self, monkeypatch):
        """What the user sees; the test itself does not end with its parent."""
        monkeypatch.setattr(job, "_end_with_parent", lambda: None)
        monkeypatch.setattr(console, "_stream", io.StringIO())
        return console._stream

    def run(self, function, folder):
        rule = {"rule": "make", "threads": 1, "log": [], "output": {"result": folder / "result.nc"}}
        others = {"wildcards": {}, "resources": {}, "params": {}, "input": {}}
        with pytest.raises(SystemExit):
            job.run(function, SimpleNamespace(**rule, **others))

    def test_a_failed_job_leaves_what_was_there(self, tmp_path, console):
        def fails(result):
            Path(result).write_text("half")
            raise ValueError("no\nluck")

        (tmp_path / "result.nc").write_text("whole")
        self.run(fails, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["result.nc"]
        assert (tmp_path / "result.nc").read_text() == "whole"
        assert console.getvalue() == "error: make: ValueError: no luck\n"

    def test_a_failed_job_on_a_disk_without_room_for_its_log(self, tmp_path, capfd):
        def fails(result):
            print("words " * 10_000)
            raise ValueError("no luck")

        rule = {"rule": "make", "threads": 1, "output": {"result": tmp_path / "result.nc"}}
        others = {"wildcards": {}, "resources": {}, "params": {}, "input": {}}
        with mounted(tmp_path, "-t", "tmpfs", "-o", "size=4k", "tmpfs"):
            (tmp_path / "filling").write_bytes(bytes(4096))
            with pytest.raises(SystemExit):
                log = [tmp_path / "log"]
                job.run(fails, SimpleNamespace(**rule, **others, log=log))
        assert f"error: make: the disk of {tmp_path} is full: " in capfd.readouterr().err

    def test_a_full_disk_is_the_cause(self, tmp_path, console):
        def fills(result):
            values = np.random.default_rng(0).normal(size=1_000_000)
            write_netcdf(xr.Dataset({"P": ("n", values)}), result)

        with mounted(tmp_path, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
            self.run(fills, tmp_path)
            assert not list(tmp_path.iterdir())
        assert console.getvalue().startswith(f"error: make: the disk of {tmp_path} is full: ")
        assert console.getvalue().count("\n") == 1


def test_a_job_that_starts_when_its_run_is_gone_ends():
    gone = subprocess.Popen(["true"])
    gone.wait()
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from moirepol.workflow import job; job._end_with_parent(); print('alive')",
        ],
        env=os.environ | {job.PARENT: str(gone.pid), "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, b"")


def test_one_job_at_a_time_in_a_scratch_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(console, "_stream", io.StringIO())
    order = []

    def work_too():
        with locks.alone_in(tmp_path / "scratch"):
            order.append("second")

    with locks.alone_in(tmp_path / "scratch"):
        second = threading.Thread(target=work_too)
        second.start()
        second.join(0.5)
        order.append("first")
    second.join(10)
    assert order == ["first", "second"]
    assert "scratch: waiting for another job" in console._stream.getvalue()
    assert not list(tmp_path.iterdir())


def test_a_program_ends_with_its_job(tmp_path):
    """Also where the job has no time to end it."""
    make_program(tmp_path, "pw.x", "echo started; exec sleep 600")
    code = (
        "from pathlib import Path; from moirepol.dft import programs;"
        "programs.run_program(['./pw.x'], Path('.'))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    run = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    wait_for(lambda: (tmp_path / "pw.out").is_file() and (tmp_path / "pw.out").read_text())
    run.kill()
    run.wait()
    wait_for(lambda: not processes_in(tmp_path, "sleep"), 5)


@pytest.mark.parametrize("ends", ["kill -KILL $$", "kill -TERM $$", "exit 137"])
def test_what_a_killed_scf_can_go_on_from_is_kept(tmp_path, monkeypatch, ends):
    """The checkpoint of a large cell stays, and no label is rejected."""
    make_program(tmp_path / "bin", "pw.x", ends)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(espresso, "require_programs", lambda: None)
    monkeypatch.setattr(labels, "label", lambda *_: programs.run_program(["pw.x"], scratch))
    scratch = tmp_path / "scratch" / "AA_twist-5-6"
    (scratch / programs.CHECKPOINT).mkdir(parents=True)
    settings = {"recipe": {"cell_height_A": 16}, "lattice_constant_A": 2.5, "layer_distance_A": 3.3}
    with pytest.raises(JobError, match="^pw.x ended with SIG(KILL|TERM): no output$"):
        label_frame("AA_twist-5-6", settings, scratch, tmp_path / "AA_twist-5-6.nc")
    assert [path.name for path in scratch.iterdir()] == [programs.CHECKPOINT]
    assert not list(tmp_path.glob("*.rejected"))


def test_a_disk_that_fills_while_deepmd_trains(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "deepmd_command", lambda _: ["false"])
    with (
        mounted(tmp_path, "-t", "tmpfs", "-o", "size=4k", "tmpfs"),
        pytest.raises(JobError, match=f"^the disk of {tmp_path} is full: dp train failed"),
    ):
        training._follow(["train"], tmp_path, 1, 1, 0)


@pytest.fixture(scope="module")
def shipping(tmp_path_factory):
    """A folder with three computed frames, of which two ship, and their names."""
    folder = tmp_path_factory.mktemp("shipping")
    settings = settings_from(read_netcdf(ROOT / LABELS))
    names = []
    for frame in read_frames(ROOT / LABELS)[:3]:
        names.append(frame.name)
        ds = stamp(to_dataset([frame]), "label", settings)
        ds.attrs |= {"settings_digest": digest(settings), "pseudopotentials_sha256": "sums"}
        write_netcdf(ds, folder / "labels" / "standard" / f"{names[-1]}.nc")
    ship(folder, names[:2])
    return folder, names


def ship(folder, names):
    settings = settings_from(read_netcdf(ROOT / LABELS))
    label_set = {"frames": names, "recipe": "standard", "settings": settings}
    ship_labels({"one": label_set}, folder / "labels", folder / "shipped")


def shipped_content(folder):
    index = (folder / "shipped" / "index.csv").read_text()
    return index, [frame.name for frame in read_frames(folder / "shipped" / "one.nc")]


class TestShipping:
    """The set now names one of the two frames that ship, and one that is new."""

    def test_killed_at_any_renaming(self, shipping, tmp_path, monkeypatch):
        source, (kept, dropped, new) = shipping
        assert shipped_content(source)[1] == [kept, dropped]
        replace = os.replace
        for kill_at in range(100):
            folder = tmp_path / str(kill_at)
            shutil.copytree(source, folder)
            renamings = iter(range(100))

            def replace_or_die(*paths, renamings=renamings, kill_at=kill_at):
                if next(renamings) == kill_at:
                    raise KeyboardInterrupt
                replace(*paths)

            monkeypatch.setattr(os, "replace", replace_or_die)
            with contextlib.suppress(KeyboardInterrupt):
                ship(folder, [kept, new])
            monkeypatch.setattr(os, "replace", replace)
            verify_checksum(folder / "shipped" / "one.nc")
            killed = next(renamings) == kill_at + 1
            ship(folder, [kept, new])
            index, names = shipped_content(folder)
            assert names == [kept, new]
            assert [line.split(",")[1] for line in index.splitlines()[1:]] == names
            files = sorted(path.name for path in (folder / "shipped").iterdir())
            assert files == ["SHA256SUMS", "index.csv", "one.nc"]
            if not killed:
                break
        assert kill_at == 5  # the set twice, the checksums twice, the index

    def test_frames_are_counted_that_the_set_names(self, shipping, tmp_path, monkeypatch):
        monkeypatch.setattr(console, "_stream", io.StringIO())
        source, (kept, *_) = shipping
        shutil.copytree(source, tmp_path / "copy")
        ship(tmp_path / "copy", [kept, "AA_twist-1-2"])
        assert console._stream.getvalue() == "one: 1 of 2 frames, 0 new, 1 dropped\n"

    @pytest.mark.parametrize("bad_file", ["truncated", "foreign", "text"], indirect=True)
    @pytest.mark.parametrize("place", ["labels/standard/{new}.nc", "shipped/one.nc"])
    def test_a_bad_file_is_named(self, shipping, tmp_path, bad_file, place):
        source, (kept, dropped, new) = shipping
        shutil.copytree(source, tmp_path / "copy")
        file = bad_file.rename(tmp_path / "copy" / place.format(new=new))
        with pytest.raises(JobError, match=f"^{file} "):
            ship(tmp_path / "copy", [kept, dropped, new])


def test_labels_of_different_pseudopotentials_do_not_mix(tmp_path):
    settings = settings_from(read_netcdf(ROOT / LABELS))
    files = []
    for number, frame in enumerate(read_frames(ROOT / LABELS)[:2]):
        ds = stamp(to_dataset([frame]), "label", settings)
        sums = {"settings_digest": digest(settings), "pseudopotentials_sha256": f"B:{number}"}
        files.append(str(tmp_path / f"{number}.nc"))
        write_netcdf(ds.assign_attrs(sums), files[-1])
    with pytest.raises(JobError, match=f"^{files[1]} was made with other pseudopotential files"):
        collect_labels([], settings, str(tmp_path / "set.nc"), files)


LABEL = "results/labels/standard/AA_slide-0-0-1.nc"


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    return copy_project(root, tmp_path_factory.mktemp("faults"))


@pytest.mark.slow
class TestLabelStage:
    """The label of one bilayer, disturbed in every way."""

    @pytest.fixture
    def no_label(self, project):
        (project / LABEL).unlink(missing_ok=True)

    def make(self, project, *arguments, target=LABEL, **environment):
        return snakemake(project, target, *TINY, *arguments, **environment)

    def told(self, run):
        """The one line that says why a run failed."""
        assert run.returncode == 1, run.stdout
        (line,) = error_lines(run.stdout)
        return line

    def nothing_is_left(self, project):
        assert not (project / LABEL).exists()
        assert not list((project / LABEL).parent.glob(".*"))
        assert not list(project.glob("results/scratch/*/*/*"))

    def test_an_scf_that_does_not_converge(self, project, no_label):
        (project / "never.yaml").write_text(
            "labels: {recipe: {conv_thr_Ry_per_atom: 1.0e-40, mesh_4_atom_cell: 1, "
            "cell_height_A: 12}}"
        )
        run = self.make(project, "never.yaml")
        assert self.told(run) == (
            "error: label_frame standard AA_slide-0-0-1: pw.x ended with exit code 2: "
            "the scf did not converge within 100 iterations"
        )
        self.nothing_is_left(project)

    def test_a_full_disk(self, project, no_label):
        (project / "results").mkdir(exist_ok=True)
        with mounted(project / "results", "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
            run = self.make(project)
            line = self.told(run)
            self.nothing_is_left(project)
        assert line.startswith("error: label_frame standard AA_slide-0-0-1: the disk of results/")
        assert " is full: " in line

    def test_two_runs_at_once_and_a_kill(self, project, no_label):
        """The second run is rejected; the first is killed with all it started; a rerun ends."""
        programs = project / "programs"
        real = shutil.which("pw.x")
        make_program(
            programs,
            "pw.x",
            f'[ "$1" = -v ] && exec {real} -v',
            "exec -a pw.x-of-the-test sleep 600",
        )
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        command = [sys.executable, "-m", "snakemake", "--cores", "2", LABEL, *TINY]
        with open(project / "first.txt", "w") as out:
            first = subprocess.Popen(
                command, cwd=project, env=environment, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            wait_for(lambda: processes_in(project, "pw.x-of-the-test"))
            second = self.make(project)
            assert second.returncode == 1
            assert "Directory cannot be locked" in second.stdout
            assert first.poll() is None
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        wait_for(lambda: not processes_in(project, "pw.x-of-the-test", "label_frame"))
        assert not (project / LABEL).exists()
        run = self.make(project)
        assert run.returncode == 0, run.stdout
        assert len(read_frames(project / LABEL)) == 1
        assert not list((project / LABEL).parent.glob(".*"))

    def test_read_only_resources(self, project):
        """Shipping into a read-only folder fails in one line; restoring from it works."""
        assert self.make(project).returncode == 0
        (project / "one.yaml").write_text("labels: {sets: {one: {systems: [AA_slide-0-0-1]}}}")
        shipped = project / "resources" / "labels"
        shutil.rmtree(shipped, ignore_errors=True)
        shipped.mkdir()
        with read_only(shipped):
            line = self.told(self.make(project, "one.yaml", target="ship_labels"))
            assert "Read-only file system" in line
            assert not list(shipped.iterdir())
        for _ in range(2):  # whenever it is asked for
            run = self.make(project, "one.yaml", target="ship_labels")
            assert run.returncode == 0, run.stdout
            assert "Nothing to be done" not in run.stdout
        (project / LABEL).unlink()
        (project / "one.yaml").write_text(
            "labels: {source: shipped, sets: {one: {systems: [AA_slide-0-0-1]}}}"
        )
        with read_only(shipped):
            run = self.make(project, "one.yaml", target="results/labels/one.nc")
        assert run.returncode == 0, run.stdout
        assert len(read_frames(project / "results" / "labels" / "one.nc")) == 1
