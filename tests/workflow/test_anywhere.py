"""The workflow from other folders, as a module, on read-only disks, and interrupted."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from support import ROOT
from support.processes import processes_in, read_only, wait_for
from support.projects import copy_project, jobs_of, snakemake

SNAKEFILE = ("--snakefile", str(ROOT / "Snakefile"))


def test_shipped_labels_are_found_from_another_folder(tmp_path):
    run = snakemake(tmp_path, "-n", *SNAKEFILE, "all")
    assert run.returncode == 0, run.stdout
    assert "collect_labels" in jobs_of(run.stdout)
    assert not {"label_frame", "compute_polarizability"} & jobs_of(run.stdout)
    # A dry run makes no lock.
    assert not list(tmp_path.glob(".snakemake/alive*"))


def test_an_absent_shipped_file_is_an_error_unless_labels_are_computed(tmp_path):
    project = copy_project(ROOT, tmp_path)
    (project / "resources/labels/aap.nc").unlink()
    run = snakemake(project, "-n", "fig1")
    assert run.returncode == 1
    last = run.stdout.splitlines()[-1]
    assert last.startswith("config error: ")
    assert "resources/labels/aap.nc is absent: restore it" in last
    shutil.rmtree(project / "resources/polarizability")
    settings = project / "compute.yaml"
    settings.write_text("labels: {source: compute}\n")
    options = ("--configfile", "compute.yaml", "--directory", ".", "--quiet", "all")
    run = snakemake(project, "-n", "results/labels/moire.nc", *options)
    assert run.returncode == 0, run.stdout


def test_settings_that_change_results_need_a_folder(tmp_path):
    settings = tmp_path / "own.yaml"
    settings.write_text("maps: {grid_points: 60}\n")
    options = ("-n", "results/maps/configuration_AA.nc", "--configfile", str(settings))
    run = snakemake(ROOT, *options)
    assert run.returncode == 1
    words = "config error: maps.grid_points would replace the results of config.yaml"
    assert run.stdout.splitlines()[-1].startswith(words)
    run = snakemake(ROOT, *options, "--directory", str(tmp_path / "own"))
    assert {"collect_labels", "map_configuration"} <= jobs_of(run.stdout)


@pytest.mark.parametrize("target", ["results/views/AA_angel-2.html", "results/sweeps/mine.nc"])
def test_a_wrong_target_ends_in_one_line(tmp_path, target):
    run = snakemake(tmp_path, "-n", *SNAKEFILE, target)
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1].startswith(f"error: {target}: ")
    assert "Traceback" not in run.stdout
    assert "Exception" not in run.stdout


def test_a_bilayer_outside_the_domain_ends_in_one_line(tmp_path):
    run = snakemake(tmp_path, "-n", *SNAKEFILE, "results/views/AA_angle-2_d3.9.html")
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1].startswith("error: AA_twist-16-17_d3.900: a layer distance")
    assert "Traceback" not in run.stdout


def test_another_workflow_uses_moirepol_as_a_module(tmp_path):
    """In a path with spaces, with a shell that would break the jobs."""
    project = copy_project(ROOT, tmp_path / "moire pol")
    shutil.copytree(ROOT / "tests/module", project / "tests/module")
    folder = tmp_path / "ü b"
    folder.mkdir()
    (folder / "matplotlibrc").write_text("text.usetex: True\n")
    shell = {"MPLBACKEND": "none", "PYTHONPATH": "/nowhere", "LC_ALL": "C", "HOME": "/proc/none"}
    options = ("--snakefile", str(project / "tests/module/Snakefile"))
    run = snakemake(folder, *options, **shell, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert run.returncode == 0, run.stdout
    picture = (folder / "configuration_AA.svg").read_text(encoding="utf-8")
    assert "<svg" in picture
    assert not (project / "results").exists()


def test_results_beside_a_read_only_checkout(tmp_path):
    project = copy_project(ROOT, tmp_path / "project")
    folder = tmp_path / "mine"
    folder.mkdir()
    with read_only(project):
        options = ("--snakefile", str(project / "Snakefile"), "results/labels/moire.nc")
        run = snakemake(folder, *options)
    assert run.returncode == 0, run.stdout
    assert (folder / "results/labels/moire.nc").is_file()


def test_an_interrupt_of_snakemake_alone_ends_its_jobs(tmp_path):
    """Snakemake by itself would wait for the end of the job."""
    project = copy_project(ROOT, tmp_path)
    script = project / "scripts/collect_labels.py"
    script.write_text("import time\nopen('started', 'w').close()\ntime.sleep(600)\n")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "results/labels/moire.nc"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL) as run:
        wait_for(lambda: (project / "started").exists())
        run.send_signal(signal.SIGINT)
        started, used = time.monotonic(), os.times()
        run.wait(timeout=60)
        took = time.monotonic() - started
    # On a busy machine the wall time is not that of the program.
    assert took < 5 * max(1.0, os.getloadavg()[0] / os.cpu_count()), used
    assert not processes_in(project, "collect_labels")
    assert not list((project / ".snakemake").glob("locks/*"))


@pytest.mark.parametrize("options", [["-n"], []])
def test_a_folder_that_cannot_be_written(tmp_path, options):
    with read_only(tmp_path):
        run = snakemake(tmp_path, *options, *SNAKEFILE, "results/labels/aa.nc")
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1] == (
        f"config error: {tmp_path} cannot be written; choose a folder for the results with "
        "`--directory NAME`"
    )
