"""The workflow itself: its targets, its errors, what reruns, and one small real run."""

import csv
import re
import shutil
import sys
from pathlib import Path

import pytest
import xarray as xr
import yaml

import moirepol
from moirepol.claims.fig2 import LARGE_CELL
from moirepol.dft.programs import PROGRAMS
from moirepol.workflow import digest as code
from support.dictionary import faults
from support.projects import TINY, copy_project, jobs_of, snakemake

PANEL_WITHOUT_LABELS = "results/figures/fig2a.png"
TARGETS = (
    *("all", "fig1", "fig2", "fig3", "fig4", "labels", "audit", "claims", "pictures"),
    *("engine", "accuracy", "learning", "benchmarks", "sweeps"),
    *("label_cost", "critical_field", "convergence", "recheck", "models"),
)


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the project in which nothing has run."""
    return copy_project(root, tmp_path_factory.mktemp("project"))


def test_every_target_has_a_plan(project):
    """In one dry run: reading the rules takes longer than planning the jobs."""
    run = snakemake(project, "-n", "--quiet", "all", "--", *TARGETS)
    assert run.returncode == 0, run.stdout


def test_a_system_in_other_words_is_the_one_that_files_are_named_by(project):
    wanted = "results/views/AA_angle-2.00_field+0.015.html"
    run = snakemake(project, "-n", "--", wanted)
    assert run.returncode == 0, run.stdout
    linked = "results/views/AA_twist-16-17_field+0.0150.html"
    assert f"link AA_angle-2.00_field+0.015 to {linked}" in run.stdout
    assert {"map_polarization", "view_map", "link_name"} <= jobs_of(run.stdout)


def test_the_claims_get_the_atoms_that_they_use(project):
    """Dipoles of the other systems are not predicted for them."""
    run = snakemake(project, "-n", "--", "results/claims.csv")
    assert run.returncode == 0, run.stdout
    predicted = set(re.findall(r"results/dipoles/([\w+.-]+)\.nc", run.stdout))
    assert predicted >= {LARGE_CELL, "AA_mismatch-9-10", "AA_mismatch-99-100"}, predicted
    assert "AA_twist-165-166" not in predicted


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("maps/AA_twist-2-3_d3.900.nc", ["layer distance of 3.9", "heights.AA.distance extend"]),
        ("views/AA_twist-1-3.html", ["AA_twist-1-3: its cell contains 4 periods"]),
        ("views/AA_slide-1-1-3.pdf", ["AA_slide-1-1-3: a slide does not contain all stackings"]),
        ("dipoles/AA_angle-0.05.nc", ["AA_angle-0.05: the nearest cell", "maps.maximum_atoms"]),
        ("charge/AA_twist-2-4.nc", ["AA_twist-2-4: twist needs numbers without a common factor"]),
    ],
)
def test_what_cannot_be_had_is_told_before_any_job(project, target, words):
    run = snakemake(project, "-n", "--", f"results/{target}")
    assert run.returncode == 1
    told = [line for line in run.stdout.splitlines() if words[0] in line]
    assert len(told) == 1, run.stdout
    assert all(word in told[0] for word in words)


def test_wrong_setting_stops_before_any_job(project):
    run = snakemake(project, "labels", "--config", "layer_distance_A=33")
    assert run.returncode == 1
    lines = [line for line in run.stdout.splitlines() if "layer_distance_A" in line]
    assert len(lines) == 1
    assert lines[0].startswith(
        "config error: layer_distance_A = 33: allowed is a number from 2 to 6"
    )
    assert "Traceback" not in run.stdout
    assert not (project / "results").exists()


LABELS = [f"results/labels/standard/{name}.nc" for name in ("AA_slide-0-0-1", "AAp_slide-0-0-1")]


def folder_of_programs(folder, *names):
    """Return PATH with some of the installed programs."""
    folder.mkdir()
    for name in ("bash", "sh", "env", "which", "git", *names):
        (folder / name).symlink_to(shutil.which(name))
    return f"{Path(sys.executable).parent}:{folder}"


def errors_of(run):
    assert run.returncode == 1
    assert "Traceback" not in run.stdout
    return [line for line in run.stdout.splitlines() if line.startswith("error:")]


def test_missing_program_is_named_in_one_line_before_any_job(root, tmp_path):
    project = copy_project(root, tmp_path / "project")
    path = folder_of_programs(tmp_path / "programs")
    run = snakemake(project, *LABELS, *TINY, PATH=path)
    (line,) = errors_of(run)
    assert "pw.x is not installed" in line and "apt install" in line
    assert not (project / "logs").exists()


@pytest.mark.skipif(shutil.which("pw.x") is None, reason="needs Quantum ESPRESSO")
def test_a_build_with_hdf5_is_named_in_one_line_before_any_job(root, tmp_path):
    project = copy_project(root, tmp_path / "project")
    path = folder_of_programs(tmp_path / "programs", "setpriv", *PROGRAMS)
    fake = tmp_path / "programs/ldd"
    fake.write_text("#!/bin/sh\necho libhdf5_fortran.so.310\n")
    fake.chmod(0o755)
    (line,) = errors_of(snakemake(project, *LABELS, *TINY, PATH=path))
    assert line.startswith("error: this pw.x is built with HDF5")
    assert not (project / "logs").exists()


def test_report_is_one_page_that_needs_no_network(root, tmp_path):
    project = copy_project(root, tmp_path)
    for arguments in ((), ("--report", "report.html")):
        run = snakemake(project, *arguments, "--", PANEL_WITHOUT_LABELS)
        assert run.returncode == 0, run.stdout
    page = (project / "report.html").read_text()
    assert "Fig. 2(a)." in page
    assert "Polarization patterns of h-BN" in page
    assert f"Made by moirepol {moirepol.__version__}, revision" in page
    assert not re.search(r"""(src|href)=["']https?:""", page)


class TestCodeDigest:
    @pytest.fixture
    def scripts(self, tmp_path, monkeypatch):
        (tmp_path / "moirepol").mkdir()
        files = {
            "make.py": "from moirepol.middle import f\nf()",
            "moirepol/__init__.py": '__version__ = "1"',
            "moirepol/middle.py": "from moirepol import inner, named\n\ndef f(): return inner.x\n",
            "moirepol/inner.py": "x = 1",
            "moirepol/other.py": "y = 1",
            "moirepol/named/__init__.py": "from importlib import import_module",
            "moirepol/named/one.py": "z = 1",
        }
        (tmp_path / "moirepol" / "named").mkdir()
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(code, "SCRIPTS", tmp_path)
        return tmp_path

    def digest(self):
        code._parse.cache_clear()
        return code.code_digest("make")

    @pytest.mark.parametrize(
        ("name", "text", "counts"),
        [
            ("moirepol/inner.py", "x = 2", True),
            ("moirepol/inner.py", '"""Words."""\nx  =  1  # words', False),
            ("moirepol/other.py", "y = 2", False),
            ("moirepol/__init__.py", '"""Words."""\n__version__ = "2"', False),
            ("moirepol/__init__.py", '__version__ = "1"\nz = 2', False),
            ("moirepol/named/one.py", "z = 2", True),
            ("make.py", "from moirepol.middle import f\nf(), f()", True),
        ],
    )
    def test_only_code_that_is_used_counts(self, scripts, name, text, counts):
        before = self.digest()
        (scripts / name).write_text(text)
        assert (self.digest() != before) == counts

    def test_an_unknown_name_is_an_error(self, scripts):
        with pytest.raises(FileNotFoundError, match="nothing"):
            code.code_digest("nothing")


@pytest.mark.slow
@pytest.mark.chain
class TestWholeChain:
    """Live labels, a training, a 28-atom cell, its map, charge and figures."""

    def test_results_are_there_and_open(self, finished):
        results = finished / "results"
        with xr.open_dataset(results / "maps" / "AA_twist-1-2.nc") as ds:
            assert bool(abs(ds["P"]).max() > 0)
        for panel in (
            *("fig1b", "fig1c", "fig1e", "fig1f", "fig2d", "fig2e", "fig2f", "fig2h"),
            *("fig3g", "fig3h", "fig4j"),
        ):
            for ending, start in (("pdf", b"%PDF"), ("png", b"\x89PNG")):
                assert (results / "figures" / f"{panel}.{ending}").read_bytes().startswith(start)
            with xr.open_dataset(results / "figures" / f"{panel}.nc") as ds:
                assert ds.attrs["git_revision"]
                assert ds.attrs["versions"]
                assert all(
                    "units" in v.attrs for v in ds.data_vars.values() if v.dtype.kind == "f"
                ), panel

    def test_panels_have_the_symmetry_of_their_bilayer(self, finished):
        """P⊥ is odd under an exchange of the layers of AA: 0 on average, charges opposite."""
        figures = finished / "results" / "figures"
        with xr.open_dataset(figures / "fig2d.nc") as ds:
            largest = float(abs(ds["P_perp"]).max())
            assert largest > 1e-4
            assert abs(float(ds["P_perp"].mean())) < 1e-6 * largest
        with xr.open_dataset(figures / "fig2f.nc") as ds:
            Q = ds["Q_finite_difference"]
            assert float(Q.sel(region="N")) == pytest.approx(-float(Q.sel(region="M")), abs=1e-6)
        with xr.open_dataset(figures / "fig4j.nc") as ds:
            assert abs(float(ds["threshold_field"].sel(deciding="G"))) < 1e-6

    def test_every_variable_of_every_file_is_described(self, finished):
        files = sorted((finished / "results").rglob("*.nc"))
        assert len(files) > 30
        assert [fault for path in files for fault in faults(path, path.relative_to(finished))] == []

    def test_live_labels_are_neutral_and_symmetric(self, finished):
        """Loose as they are, the labels keep the exact zeros: no polarization at G."""
        from moirepol.structure.frames import read_frames

        frames = read_frames(finished / "results" / "labels" / "aa.nc")
        dipole = {frame.name: frame.arrays["dipole"] for frame in frames}
        assert len(dipole) == 3
        G = dipole["AA_slide-0-0-1"]
        G = G[~(G != G).any(axis=1)]
        assert abs(G.sum(axis=0)).max() < 2e-5
        assert abs(G[:, 2]).min() > 1e-3

    def test_claims_are_evaluated(self, finished):
        with open(finished / "results" / "claims.csv", newline="") as file:
            verdicts = {row["id"]: row["verdict"] for row in csv.DictReader(file)}
        assert len(verdicts) == 30
        assert verdicts["F1-zero-G"] == "reproduced"
        assert verdicts["F2-Q"] == "not yet"
        page = (finished / "results" / "claims.html").read_text()
        assert all(name in page for name in verdicts)

    def test_models_are_validated(self, finished):
        run = snakemake(finished, "accuracy", *TINY)
        assert run.returncode == 0, run.stdout[-6000:]
        with open(finished / "results" / "accuracy.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {"labels aa", "distinct stackings held out"} <= {row["on"] for row in rows}
        assert {row["axis"] for row in rows} == {"in_plane", "z", "all"}
        assert all(float(row["mae_eA"]) > 0 and int(row["n"]) > 0 for row in rows)
        with xr.open_dataset(finished / "results" / "checks" / "calibration.nc") as ds:
            assert (ds["error"] > 0).any()

    def test_any_system_by_name(self, finished):
        """A wish beside the configured systems: its page, its picture, and a plan of labels."""
        wish, name = "AA_angle-21.8_eta+0.1", "AA_moire-0-3-1-2"
        targets = [f"results/views/{wish}.{ending}" for ending in ("html", "png", "pdf")]
        targets.append("results/plans/AA_twist-1-2_d3.400.yaml")
        run = snakemake(finished, *targets, *TINY)
        assert run.returncode == 0, run.stdout[-6000:]
        for target in targets:
            assert (finished / target).stat().st_size > 1000 or target.endswith("yaml")
        page, picture = (finished / target for target in targets[:2])
        assert wish in page.read_text() and name in page.read_text()
        assert picture.resolve().stem == name
        plan = yaml.safe_load((finished / targets[-1]).read_text())
        assert plan["labels"]["sets"]["planned"]["systems"]

    def test_nothing_is_left_to_do(self, finished):
        run = snakemake(finished, "all", *TINY)
        assert run.returncode == 0
        assert "Nothing to be done" in run.stdout

    def test_a_setting_reruns_what_depends_on_it_only(self, finished):
        (finished / "finer.yaml").write_text("maps: {grid_points: 60}")
        run = snakemake(finished, "-n", "all", *TINY, "finer.yaml")
        assert run.returncode == 0, run.stdout
        jobs = jobs_of(run.stdout)
        assert {"map_polarization", "map_configuration", "compute_charge"} <= jobs
        assert not {"label_frame", "collect_labels", "train_model", "predict_dipoles"} & jobs
