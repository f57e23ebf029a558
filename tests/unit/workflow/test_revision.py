"""The git revision of a result is that of the project, or unknown, never that of another."""

import subprocess

import pytest

from moirepol.workflow import provenance
from support import ROOT


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    run = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "empty")
    return tmp_path


def test_a_checkout_has_its_commit(repository):
    assert provenance.git_revision(repository) == git(repository, "rev-parse", "--short=12", "HEAD")


def test_a_repository_around_the_project_does_not_count(repository):
    project = repository / "moirepol"
    project.mkdir()
    assert provenance.git_revision(project) == "unknown"


def test_a_repository_of_the_shell_does_not_count(repository, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert provenance.git_revision(tmp_path_factory.mktemp("project")) == "unknown"


def test_an_archive_has_the_commit_that_it_was_made_of(repository, tmp_path_factory, monkeypatch):
    name = "scripts/moirepol/revision.txt"
    for file in (".gitattributes", name):
        (repository / file).parent.mkdir(parents=True, exist_ok=True)
        (repository / file).write_bytes((ROOT / file).read_bytes())
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "with attributes")
    project = tmp_path_factory.mktemp("archive")
    git(repository, "archive", "-o", str(project / "a.tar"), "HEAD")
    subprocess.run(["tar", "xf", "a.tar"], cwd=project, check=True)
    monkeypatch.setattr(provenance, "REVISION", project / name)
    found = provenance.git_revision(project)
    assert len(found) >= 7
    assert git(repository, "rev-parse", "HEAD").startswith(found)
