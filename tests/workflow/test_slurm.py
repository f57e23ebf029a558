"""The workflow as jobs of a real Slurm: labels, training and prediction, and what goes wrong."""

import re
import shutil
import subprocess
import sys
import time

import pytest
import yaml

from moirepol.structure.frames import read_frames
from support import slurm_cluster
from support.projects import TINY, copy_project

pytestmark = [pytest.mark.slow, pytest.mark.slurm]

PROFILE = (
    *("--workflow-profile", "profiles/slurm"),
    *(*TINY, "tests/config-short-range.yaml"),
)
#: A test's jobs take 10 to 20 s; the plugin looks after n, 2n + 10, 3n + 30 ... s.
QUICK = ("--slurm-init-seconds-before-status-checks", "22", "--latency-wait", "10")


@pytest.fixture(scope="module")
def cluster():
    missing = [
        program
        for program in slurm_cluster.PROGRAMS
        if not shutil.which(program, path=slurm_cluster.SEARCH)
    ]
    if missing:
        pytest.skip(f"apt install slurm-wlm munge: {', '.join(missing)} not found")
    with slurm_cluster.running() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    """A copy of the project for a site with a partition and an account to be named."""
    project = copy_project(root, tmp_path_factory.mktemp("slurm"))
    profile = project / "profiles" / "slurm" / "config.v9+.yaml"
    settings = re.sub(r"^#(  slurm_\w+:)", r"\1", profile.read_text(), flags=re.M)
    assert settings.count("\n  slurm_") == 2
    profile.write_text(settings)
    return project


def start(project, cluster, *arguments):
    with open(project / "run.txt", "a") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *PROFILE, *QUICK, *arguments],
            cwd=project,
            env=cluster.environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def wait_for(condition, run, seconds=240):
    """Wait until the condition holds while the run is alive."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert run.poll() is None, "the run ended too early"
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.5)
    return found


def states(cluster, rule):
    return [job["state"] for job in cluster.jobs() if rule in job["rule"]]


@pytest.fixture(scope="module")
def finished(project, cluster):
    """Labels, a model and its prediction, with everything on the way that may happen.

    The first labels are killed for their memory; one of two nodes is lost when they run again; the
    other is drained and Snakemake killed while the labels' collection waits; a second run goes on.
    """
    arguments = (
        *("--group-components", "small_labels=2"),
        *("--set-resources", "label_frame:mem_mb=40 if attempt == 1 else 1500"),
        *("--", "results/dipoles/AA_twist-1-2.nc"),
    )
    run = start(project, cluster, *arguments)
    try:
        wait_for(lambda: "RUNNING" in states(cluster, "label_frame")[2:], run)
        lost = next(job for job in cluster.jobs() if job["state"] == "RUNNING")
        cluster.lose(lost["node"])
        wait_for(lambda: cluster.restarts(lost["id"]) == 1, run)
        wait_for(lambda: not {"PENDING"} & set(states(cluster, "label_frame")), run)
        cluster.set_nodes("drain")
        wait_for(lambda: states(cluster, "collect_labels") == ["PENDING"], run)
        time.sleep(2)
        assert states(cluster, "collect_labels") == ["PENDING"]
        run.kill()
        run.wait()
        run = start(project, cluster, *arguments)
        wait_for(lambda: states(cluster, "collect_labels") == ["PENDING"] * 2, run)
        cluster.set_nodes("resume", {*slurm_cluster.NODES} - {lost["node"]})
        code = run.wait(400)
    finally:
        run.kill()
    assert code == 0, (project / "run.txt").read_text()[-6000:]
    return lost, cluster.jobs()


def test_every_rule_ran_as_a_job(finished, project):
    _, jobs = finished
    done = [job["rule"] for job in jobs if job["state"] == "COMPLETED"]
    for rule in ("label_frame", "collect_labels", "train_model", "predict_dipoles"):
        assert any(rule in name for name in done), rule
    assert len(read_frames(project / "results" / "labels" / "aa.nc")) == 3
    (predicted,) = read_frames(project / "results" / "dipoles" / "AA_twist-1-2.nc")
    assert len(predicted) == 28


def groups_of_labels(finished):
    return [job for job in finished[1] if job["rule"].startswith("rule_small_labels")]


def test_every_job_goes_to_the_profiles_partition_and_account(finished):
    assert {(job["partition"], job["account"]) for job in finished[1]} == {("standard", "project")}


def test_a_job_that_lost_its_node_comes_back_on_the_other(finished, cluster):
    """While what it left on the lost node was still at work: the second waits for the first."""
    lost, jobs = finished
    (same,) = (job for job in jobs if job["id"] == lost["id"])
    assert cluster.restarts(lost["id"]) == 1
    assert same["state"] == "COMPLETED"
    assert {lost["node"], same["node"]} == set(slurm_cluster.NODES)


def test_a_group_holds_several_labels_and_asks_for_what_one_needs(finished):
    groups = groups_of_labels(finished)
    assert len([job for job in groups if job["state"] == "COMPLETED"]) == 2
    assert {job["cpus"] for job in groups} == {"1"}


def test_a_job_killed_for_memory_comes_back_larger(finished, project):
    groups = groups_of_labels(finished)
    assert [(job["state"] == "COMPLETED", job["memory"]) for job in groups] == [
        *[(False, "40M")] * 2,
        *[(True, "1500M")] * 2,
    ]
    assert "Trying to restart" in (project / "run.txt").read_text()


def test_nothing_is_left_to_do(finished, project, cluster):
    run = start(project, cluster, "-n", "--", "results/dipoles/AA_twist-1-2.nc")
    assert run.wait(60) == 0
    assert "Nothing to be done" in (project / "run.txt").read_text()


def test_pw_runs_in_parallel(finished, project, cluster):
    """Two MPI processes in one job; the label is that of one process."""
    label = project / "results" / "labels" / "standard" / "AA_slide-0-0-1.nc"
    serial = read_frames(label)[0].arrays["dipole"]
    kept = label.rename(label.with_suffix(".kept"))
    name = str(label.relative_to(project))
    run = start(project, cluster, "--set-threads", "label_frame=2", "--", name)
    try:
        assert run.wait(240) == 0, (project / "run.txt").read_text()[-6000:]
        difference = abs(read_frames(label)[0].arrays["dipole"] - serial)
    finally:
        run.kill()
        kept.replace(label)  # as old as what was made from it
    assert cluster.jobs()[-1]["cpus"] == "2"
    assert difference[~(difference != difference)].max() < 1e-5


def test_the_profile_asks_for_retries_and_no_rule_does(root):
    profile = yaml.safe_load((root / "profiles" / "slurm" / "config.v9+.yaml").read_text())
    assert profile["retries"] >= 1
    for rules in (root / "rules").glob("*.smk"):
        assert not re.search(r"^\s*retries:", rules.read_text(), re.M), rules


def test_the_profile_keeps_what_the_default_one_sets(root):
    default, slurm = (
        yaml.safe_load((root / "profiles" / name / "config.v9+.yaml").read_text())
        for name in ("default", "slurm")
    )
    differing = {key for key in default if slurm.get(key) != default[key]}
    assert differing <= {"cores", "latency-wait"}
