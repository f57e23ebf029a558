"""A second clone, disturbed in every stage: what it ends with is what a quiet run ends with."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from moirepol.dft.programs import PROGRAMS
from moirepol.model import committee
from moirepol.workflow.job import PARENT
from support.processes import make_program, mounted, processes_in
from support.projects import TINY, copy_project, error_lines, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.chain]

LABELS = "results/labels/standard"
#: Ends a job, or Snakemake, when the job is about to put a certain file under its final name.
SITECUSTOMIZE = f"""
import os, signal, sys, time

def hook(event, arguments):
    if event == "os.rename":
        for victim, process in (("JOB", os.getpid()), ("RUN", int(os.environ.get("{PARENT}", 0)))):
            if str(arguments[1]) in os.environ.get(f"KILL_{{victim}}", "").split():
                os.kill(process, signal.SIGKILL)
                time.sleep(60)

sys.addaudithook(hook)
"""
#: The same for a program, a moment after its start, by its name and the folder it works in.
PROGRAM = f"""
me=" {{name}}@${{{{PWD##*/}}}} "
case " $KILL_JOB $KILL_RUN " in
*"$me"*) ;;
*) exec {{real}} "$@" ;;
esac
{{real}} "$@" <&0 &
sleep 0.2
case " $KILL_RUN " in
*"$me"*) kill -KILL ${PARENT}; wait ;;
esac
kill -KILL $! $$ 2>/dev/null
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tools")
    for name in PROGRAMS:
        make_program(folder, name, PROGRAM.format(name=name, real=shutil.which(name)))
    return folder


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    clone = copy_project(root, tmp_path_factory.mktemp("second") / "clone")
    # PYTHONPATH of the jobs is the folder of the scripts, whatever that of the shell is.
    (clone / "scripts" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    return clone


@pytest.fixture
def run(project, tools):
    """Make files, with files and programs at which jobs, or the run itself, are killed."""

    def run(*targets, jobs=(), run=()):
        return snakemake(
            project,
            *targets,
            *TINY,
            PATH=f"{tools}:{os.environ['PATH']}",
            PYTHONPATH=str(project / "scripts"),
            KILL_JOB=" ".join(jobs),
            KILL_RUN=" ".join(run),
        )

    return run


def told(run):
    """The lines that say why a run failed."""
    assert run.returncode == 1, run.stdout[-3000:]
    return sorted(error_lines(run.stdout))


PROGRAM_IN = {  # the file for which it runs when it is killed
    "pw.x": f"{LABELS}/AA_slide-0-0-1.nc",
    "pw2wannier90.x": f"{LABELS}/AA_slide-1-1-3.nc",
    "wannier90.x": f"{LABELS}/AA_slide-0-1-3.nc",
    "ph.x": "results/polarizability/AA_slide-1-1-3.nc",
}
#: The file before which a stage is killed: of several, the second, so between two renames.
STAGES = {
    "label_frame": f"{LABELS}/AA_slide-0-0-1_field+0.0200.nc",
    "collect_labels": "results/labels/aa.nc",
    "train_model": "results/models/aa/0.loss.nc",
    "predict_dipoles": "results/dipoles/AA_twist-1-2.nc",
    "map_polarization": "results/maps/AA_twist-1-2.nc",
    "compute_charge": "results/charge/AA_twist-1-2.nc",
    "plot_out_of_plane": "results/figures/fig2d.pdf",
}
#: Files of both clones, their variables, and by how much these may differ.
COMPARED = [
    ("results/labels/aa.nc", ["dipole"], 1e-8),
    ("results/labels/aa_field.nc", ["dipole"], 1e-8),
    ("results/dipoles/AA_twist-1-2.nc", ["dipole"], 1e-8),
    ("results/maps/AA_twist-1-2.nc", ["P"], 1e-8),
    ("results/charge/AA_twist-1-2.nc", ["Q", "charge_density"], 1e-6),
    ("results/figures/fig2d.nc", ["P_perp"], 1e-8),
    ("results/figures/fig2f.nc", ["charge_density"], 1e-6),
]
MODELS = ("aa", "aa_response")


def test_programs_killed(run, project):
    """In one run, each in its own job."""
    frames = {program: Path(file).stem for program, file in PROGRAM_IN.items()}
    for file in PROGRAM_IN.values():
        (project / file).unlink(missing_ok=True)
    killed = run(*PROGRAM_IN.values(), jobs=[f"{p}@{frame}" for p, frame in frames.items()])
    lines = told(killed)
    assert len(lines) == len(frames), lines
    for program, frame in frames.items():
        pattern = re.compile(rf"error: .*{frame}: {program}[^:]* ended with SIGKILL: ")
        assert any(map(pattern.match, lines)), lines
        assert not (project / PROGRAM_IN[program]).exists()
    assert not list((project / LABELS).glob("*.rejected"))


@pytest.mark.parametrize("program", PROGRAM_IN)
def test_run_killed_in_a_program(run, project, program):
    file = PROGRAM_IN[program]
    (project / file).unlink(missing_ok=True)
    killed = run(file, run=[f"{program}@{Path(file).stem}"])
    assert killed.returncode == -9, killed.stdout[-3000:]
    assert not (project / file).exists()
    assert not processes_in(project, program, "scripts")


@pytest.mark.parametrize("stage", STAGES, scope="class")
class TestStage:
    """In the order of the workflow, each stage's first test finishes the stage before."""

    @pytest.fixture(autouse=True)
    def not_made(self, project, stage):
        (project / STAGES[stage]).unlink(missing_ok=True)

    def test_full_disk(self, run, project, stage):
        file = Path(STAGES[stage])
        folder = project / file.parent
        folder.mkdir(parents=True, exist_ok=True)
        before = set(folder.iterdir())
        if stage == "collect_labels":
            pytest.skip("its folder holds what it reads")
        with mounted(folder, "-t", "tmpfs", "-o", "size=4k", "tmpfs"):
            failed = run(file)
            lines = told(failed)
            assert not [path for path in folder.iterdir() if path.is_file()]
        assert any(
            line.startswith(f"error: {stage} ") and f": the disk of {file.parent} is full: " in line
            for line in lines
        ), lines
        assert set(folder.iterdir()) == before

    def test_job_killed(self, run, project, stage):
        killed = run(STAGES[stage], jobs=[STAGES[stage]])
        assert killed.returncode == 1, killed.stdout[-3000:]
        assert "SIGKILL" in killed.stdout
        assert not (project / STAGES[stage]).exists()

    def test_run_killed(self, run, project, stage):
        killed = run(STAGES[stage], run=[STAGES[stage]])
        assert killed.returncode == -9, killed.stdout[-3000:]
        assert not (project / STAGES[stage]).exists()
        assert not processes_in(project, "scripts")


@pytest.fixture(scope="module")
def both(finished, project, tools):
    """The quiet clone and the disturbed one, after a plain run."""
    files = [f"results/models/{model}/0.dp" for model in MODELS]
    rerun = snakemake(project, *(name for name, *_ in COMPARED), *files, *TINY)
    assert rerun.returncode == 0, rerun.stdout[-3000:]
    return finished, project


def test_nothing_is_left_over(both):
    _, project = both
    hidden = [path for path in project.glob("results/**/*") if path.name.startswith(".")]
    assert not hidden
    assert not [path for path in project.glob("results/scratch/**/*") if path.is_file()]


def numbers(folder: Path, name: str) -> xr.Dataset:
    with xr.open_dataset(folder / name) as ds:
        return ds.load()


@pytest.mark.parametrize(("name", "variables", "tolerance"), COMPARED)
def test_two_clones_agree(both, name, variables, tolerance):
    quiet, disturbed = (numbers(folder, name)[variables] for folder in both)
    for variable in variables:
        difference = np.abs(quiet[variable] - disturbed[variable]).max()
        print(f"{name} {variable}: {float(difference):.1e}")
        assert difference <= tolerance
        assert (quiet[variable].isnull() == disturbed[variable].isnull()).all()


@pytest.mark.parametrize("model", MODELS)
def test_models_are_equal(both, model):
    """The weights of two trainings, to the last bit."""
    first, second = (
        committee.load(folder / f"results/models/{model}/0.dp").network.weights for folder in both
    )
    np.testing.assert_array_equal(first, second)
