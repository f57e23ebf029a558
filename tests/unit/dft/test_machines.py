"""Programs of labels on unusual machines: the real `mpirun` and `pw.x` where they are installed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from moirepol.dft import espresso, labels, programs
from moirepol.dft.label_file import label_frame
from moirepol.errors import JobError, RejectedLabel
from support import ROOT
from support.processes import make_program

SLOTS = """\
--------------------------------------------------------------------------
There are not enough slots available in the system to satisfy the 2
slots that were requested by the application:

  pw.x

Either request fewer slots for your application, or make more slots
--------------------------------------------------------------------------
"""
ERROR = """
 %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%
     Error in routine readpp (2):
     file ./pseudo/N.upf not found
 %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%
     stopping ...
--------------------------------------------------------------------------
MPI_ABORT was invoked on rank 0
--------------------------------------------------------------------------
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            SLOTS,
            "There are not enough slots available in the system to satisfy the 2 slots that "
            "were requested by the application:",
        ),
        (ERROR, "Error in routine readpp (2): file ./pseudo/N.upf not found"),
        ("hello\n-----\n", "hello"),
        ("", "no output"),
    ],
)
def test_the_reason_of_a_failure_is_not_a_line_of_dashes(text, reason):
    assert programs.failure_reason(text) == reason


@pytest.mark.parametrize(
    ("error", "files"),
    [(JobError("mpirun ended"), []), (RejectedLabel("spread is 4"), ["AA_slide-0-0-1.rejected"])],
)
def test_a_failure_of_a_program_is_no_rejection(tmp_path, monkeypatch, error, files):
    def label(*_):
        raise error

    monkeypatch.setattr(espresso, "require_programs", lambda: None)
    monkeypatch.setattr(labels, "label", label)
    settings = {"recipe": {"cell_height_A": 16}, "lattice_constant_A": 2.5, "layer_distance_A": 3.3}
    with pytest.raises(JobError):
        label_frame("AA_slide-0-0-1", settings, tmp_path / "scratch", tmp_path / "label.nc")
    assert [path.name for path in tmp_path.glob("*.rejected")] == files


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="needs mpirun")
def test_two_processes_on_one_core(tmp_path, monkeypatch):
    """Open MPI sees one core with one thread here."""
    monkeypatch.setenv("HWLOC_SYNTHETIC", "node:1 core:1 pu:1")
    monkeypatch.setenv("HWLOC_THISSYSTEM", "1")
    make_program(tmp_path / "bin", "pw.x", "echo started")
    command = ["mpirun", "-np", "2", str(tmp_path / "bin" / "pw.x")]
    assert programs.run_program(command, tmp_path).split() == ["started"] * 2


def test_a_program_has_temporary_files_of_its_own(tmp_path):
    """Programs of Open MPI remove the folder of temporary files that they share."""
    make_program(tmp_path / "bin", "pw.x", "echo $TMPDIR")
    command = [str(tmp_path / "bin" / "pw.x")]
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        assert programs.run_program(command, folder).strip() == str(folder)


@pytest.mark.skipif(shutil.which("pw.x") is None, reason="needs pw.x")
@pytest.mark.skipif(os.getuid() != 0, reason="needs a network namespace")
def test_pw_starts_without_a_loopback_interface():
    code = "import json; from moirepol.dft import programs; print(json.dumps("
    code += "programs._version('pw.x')[0]))"
    run = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert tuple(json.loads(run.stdout)) >= (6, 7)


def test_a_program_with_hdf5_is_refused_before_a_label(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "require_programs", lambda: None)
    make_program(tmp_path / "bin", "ldd", "echo libhdf5_fortran.so.310 '=>' /opt/lib")
    make_program(tmp_path / "bin", "pw.x", "true")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(JobError, match="built with HDF5.*use a build without HDF5"):
        espresso.require_programs()
    make_program(tmp_path / "bin", "ldd", "echo libmpi.so.40")
    espresso.require_programs()
