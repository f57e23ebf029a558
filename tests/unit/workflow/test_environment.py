"""Shells of users: what they contain does not reach a job, and paths may have spaces."""

import os
import shutil
import subprocess
import sys

import pytest

from moirepol.workflow.digest import code_digest
from moirepol.workflow.environment import allow_spaces, isolate

SHELL = {
    "PYTHONPATH": "/somewhere",
    "PYTHONHOME": "/nowhere",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "MPLCONFIGDIR": "/proc",
    "MATPLOTLIBRC": "/tmp/matplotlibrc",
    "MPLBACKEND": "TkAgg",
    "BOKEH_RESOURCES": "cdn",
    "GIT_DIR": "/tmp/.git",
    "LC_ALL": "de_DE.ISO-8859-1",
}


@pytest.fixture
def environment(tmp_path):
    found = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | SHELL
    isolate(found, tmp_path / "scripts", tmp_path / "cache")
    return found


def test_what_a_shell_contains_does_not_reach_a_job(environment, tmp_path):
    assert environment["PYTHONPATH"] == str(tmp_path / "scripts")
    assert environment["MPLBACKEND"] == "Agg"
    assert not set(SHELL) - {"PYTHONPATH", "MPLBACKEND", "LC_ALL"} & set(environment)
    assert "XDG_CACHE_HOME" not in environment


def test_text_is_utf_8_in_every_locale(environment, tmp_path):
    """Without the mode of Python, `open` and `print` would use the encoding of the locale."""
    code = "print(open('eta', 'w').encoding, '\\u03b7')"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert run.stdout.decode().split() == ["utf-8", "η"]


@pytest.mark.parametrize("home", ["/proc/none", ""])
def test_a_home_that_cannot_be_made(tmp_path, home):
    found = {"HOME": home}
    isolate(found, tmp_path, tmp_path / "cache")
    assert found["XDG_CACHE_HOME"] == found["MPLCONFIGDIR"] == str(tmp_path / "cache")


def test_figures_do_not_depend_on_a_matplotlibrc(tmp_path, root):
    """A file in the working directory is read in spite of every variable."""
    (tmp_path / "matplotlibrc").write_text("axes.grid: True\ntext.usetex: True\n")
    code = "from moirepol import plotting; print(plotting.plt.rcParams['axes.grid'], plotting.plt."
    code += "rcParams['text.usetex'])"
    environment = dict(os.environ)
    isolate(environment, root / "scripts", tmp_path / "cache")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=True
    )
    assert run.stdout.split() == [b"False", b"False"]


def test_an_interpreter_in_a_path_with_spaces(tmp_path, monkeypatch):
    """Snakemake writes the interpreter into a shell command without quotes."""
    folder = tmp_path / "a b ü"
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    environment = {"PATH": os.environ["PATH"]}
    allow_spaces(environment)
    command = f"{sys.executable} -c 'print(1)'"
    run = subprocess.run(command, shell=True, env=environment, capture_output=True, check=True)
    assert run.stdout == b"1\n"
    assert environment["PATH"].startswith(f"{folder}:")


OTHER_PYTHONS = [
    path
    for n in (11, 12, 13)
    if (path := shutil.which(f"python3.{n}"))
    and not subprocess.run([path, "-c", ""], capture_output=True).returncode
]


@pytest.mark.parametrize("python", OTHER_PYTHONS)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_the_digest_of_the_code_is_that_of_every_python_and_locale(root, python, locale):
    """A system upgrade must not repeat the jobs."""
    code = "from moirepol.workflow.digest import code_digest; print(code_digest('train_model'))"
    environment = {"PYTHONPATH": str(root / "scripts"), "LC_ALL": locale, "PYTHONUTF8": "0"}
    environment["PYTHONCOERCECLOCALE"] = "0"
    run = subprocess.run(
        [python, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == code_digest("train_model")
