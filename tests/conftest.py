"""What all tests share."""

from pathlib import Path

import pytest

from support import ROOT
from support.projects import TINY, copy_project, snakemake


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory) -> Path:
    """A copy of the project in which the whole chain of tests/config-tiny.yaml has run."""
    project = copy_project(root, tmp_path_factory.mktemp("chain"))
    run = snakemake(project, "all", *TINY)
    assert run.returncode == 0, run.stdout[-6000:]
    return project
