"""The launcher `run`: paths of the caller, and files of settings that are checked first."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from moirepol.errors import ConfigError
from moirepol.workflow.command_line import request
from moirepol.workflow.launch import keep_one_timer, resolve
from support import ROOT


@pytest.fixture
def caller(tmp_path):
    (tmp_path / "own.yaml").write_text("plans: {labels: 3}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "resolved"),
    [
        (["fig1", "--configfile", "own.yaml"], ["fig1", "--configfile", "{}/own.yaml"]),
        (["--configfile=own.yaml", "-n"], ["--configfile={}/own.yaml", "-n"]),
        (["--configfile", "own.yaml", "fig1"], ["fig1", "--configfile", "{}/own.yaml"]),
        (["--directory", "out", "fig1"], ["--directory", "{}/out", "fig1"]),
        (["--report", "own.yaml", "all"], ["--report", "own.yaml", "all"]),
        (["results/views/a.html", "-n"], ["results/views/a.html", "-n"]),
    ],
)
def test_paths_are_those_of_the_caller(caller, arguments, resolved):
    found, _ = resolve(arguments, caller)
    assert found == [word.format(caller) for word in resolved]


def test_a_working_directory_that_is_a_file(caller):
    with pytest.raises(ConfigError, match="own.yaml: this is a file, a folder is needed"):
        resolve(["-d", "own.yaml"], caller)


def test_a_file_of_the_project_is_found_from_elsewhere(caller, monkeypatch):
    monkeypatch.chdir(ROOT)
    found, settings = resolve(["--configfile", "tests/config-tiny.yaml"], caller)
    assert settings == [str(ROOT / "tests/config-tiny.yaml")]
    assert found[1:] == settings


def test_broken_settings_end_in_one_line(caller):
    (caller / "own.yaml").write_text("maps: [\n")
    script = ROOT / "scripts/moirepol/workflow/launch.py"
    command = [sys.executable, script, caller, "fig1", "--configfile", "own.yaml"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == (
        f"config error: {caller}/own.yaml, line 2, column 1: no valid YAML, "
        "did not find expected node content\n"
    )


def made_up_project(project):
    (project / "envs").mkdir(parents=True)
    (project / "scripts/moirepol/workflow").mkdir(parents=True)
    shutil.copy(ROOT / "run", project / "run")
    shutil.copy(ROOT / "envs/setup.sh", project / "envs/setup.sh")
    (project / "requirements.lock").write_text("nothing\n")
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/.requirements").write_text("nothing\n")
    (project / ".venv/bin/python").symlink_to(sys.executable)
    return project


def test_a_new_environment_that_fails_leaves_the_old_one(tmp_path):
    project = made_up_project(tmp_path / "project")
    (project / "requirements.lock").write_text("no-such-package==1.0 --hash=sha256:" + 64 * "0")
    environment = os.environ | {"PIP_NO_INDEX": "1"}
    environment.pop("MOIREPOL_VENV", None)
    run = subprocess.run(
        [project / "run", "-n"], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "error: pip could not install requirements.lock" in run.stderr
    assert (project / ".venv/.requirements").read_text() == "nothing\n"
    assert "no-such-package" in (project / ".venv/pip.log").read_text()
    assert not (project / ".venv.old").exists()


def test_a_link_to_run_starts_the_project_in_spite_of_its_shell(tmp_path):
    """A made-up project shows what `run` passes on: folder, caller, environment."""
    project = made_up_project(tmp_path / "a b" / "project")
    show = "import os, sys; print(os.getcwd(), sys.argv[1:], os.environ.get('PYTHONPATH'), "
    show += "os.environ['PYTHONUTF8'], sep='|')"
    (project / "scripts/moirepol/workflow/launch.py").write_text(show)
    link = tmp_path / "link"
    link.symlink_to(project / "run")
    environment = os.environ | {"PYTHONPATH": "/foreign", "HOME": "/proc/none"}
    environment.pop("MOIREPOL_VENV", None)  # the environment of a container, which it would replace
    run = subprocess.run(
        [link, "-n", "a b"], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == f"{project}|['/', '-n', 'a b']|None|1", run.stderr


@pytest.mark.parametrize(
    ("arguments", "runs_jobs"),
    [
        (["fig1"], True),
        (["-n", "fig1"], False),
        (["-np", "fig1"], False),
        (["--list"], False),
        (["--summary", "fig1"], False),
        (["fig1", "--cores", "2", "--keep-going"], True),
    ],
)
def test_commands_that_run_no_job(arguments, runs_jobs):
    assert request(arguments).runs_jobs is runs_jobs


def test_requested_targets():
    assert request(["fig1", "claims", "-n"]).targets == ("fig1", "claims")
    assert Path(sys.argv[0]).name != "snakemake"
    assert request() == request([])


def test_a_scheduler_has_one_timer_that_nobody_waits_for():
    from snakemake.scheduling.job_scheduler import JobScheduler

    class Scheduler(JobScheduler):
        def __init__(self):
            self._open_jobs = threading.Semaphore(0)

    keep_one_timer(Scheduler)
    scheduler = Scheduler()
    before = threading.active_count()
    for _ in range(5):
        scheduler._schedule_reevalutation(0.1)
    assert threading.active_count() == before + 1
    assert scheduler.timer.daemon
    assert scheduler._open_jobs.acquire(timeout=10)
    scheduler.timer.join()
    scheduler._schedule_reevalutation(0.1)
    assert scheduler._open_jobs.acquire(timeout=10)
