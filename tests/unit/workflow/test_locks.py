"""Stale locks are removed only where no run can be alive; without locks nothing breaks."""

import errno
import fcntl
import subprocess
import sys

import pytest

from moirepol.errors import ConfigError
from moirepol.workflow import locks


@pytest.fixture
def folder(tmp_path):
    """Snakemake's folder with the lock of a killed run."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    return tmp_path


@pytest.fixture(autouse=True)
def released(monkeypatch):
    monkeypatch.setattr(locks, "_held", held := [])
    yield
    for file in held:
        file.close()


def test_the_locks_of_a_killed_run_are_removed(folder):
    locks.clear_stale_locks(folder)
    assert not (folder / "locks").exists()


def test_the_locks_of_a_live_run_stay(folder, root):
    code = "from moirepol.workflow.locks import clear_stale_locks as clear; import sys;"
    code += "clear(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(root / "scripts")},
    ) as run:
        run.stdout.readline()
        (folder / "locks").mkdir(exist_ok=True)
        locks.clear_stale_locks(folder)
        assert (folder / "locks").exists()
        run.communicate(b"\n")


def test_the_locks_of_another_machine_stay(folder):
    """A lock of the kernel may not be visible on another login node."""
    (folder / f"{locks.ALIVE}other.lock").touch()
    locks.clear_stale_locks(folder)
    assert (folder / "locks" / "0.input.lock").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(folder, monkeypatch, capsys, number):
    def flock(*_):
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    locks.clear_stale_locks(folder)
    assert (folder / "locks" / "0.input.lock").exists()
    assert not list(folder.glob(f"{locks.ALIVE}*"))
    with locks.alone_in(folder / "scratch"):
        pass
    assert not (folder / "scratch.lock").exists()


@pytest.mark.parametrize("name", ["results", "results/labels"])
def test_a_broken_link_of_results_is_named(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).symlink_to("/nowhere")
    with pytest.raises(ConfigError, match=f"{name} is a link to /nowhere, which does not exist"):
        locks.require_writable(tmp_path)


def test_a_folder_of_results_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to("disk")
    locks.require_writable(tmp_path)
