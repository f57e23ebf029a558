"""Tests import the package as the scripts do."""

import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))


def shipped_config():
    """The settings of config.yaml as the rules see them."""
    from moirepol.workflow.configuration import check_config

    return check_config(yaml.safe_load((ROOT / "config.yaml").read_text()))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory) -> Path:
    """A copy of the project in which the whole chain of tests/config-tiny.yaml has run."""
    from test_workflow import copy_project, snakemake

    project = copy_project(root, tmp_path_factory.mktemp("chain"))
    run = snakemake(project, "all", "--configfile", "tests/config-tiny.yaml")
    assert run.returncode == 0, run.stdout[-6000:]
    return project
