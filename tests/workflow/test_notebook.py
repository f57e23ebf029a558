"""The notebook runs, and git has it without outputs."""

import os

import numpy as np
import pytest

from support import ROOT
from support.trained import trained_project

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
NOTEBOOK = ROOT / "docs/tutorial.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_has_no_outputs(notebook):
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_the_notebook_runs(notebook, tmp_path, monkeypatch):
    trained_project(tmp_path)
    (tmp_path / "docs").mkdir()
    paths = [str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    resources = {"metadata": {"path": str(tmp_path / "docs")}}
    done = nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    text = "".join(
        output.get("text", "") for cell in done.cells for output in cell.get("outputs", [])
    )
    difference = float(text.split("largest difference ")[1].split()[0])
    assert np.isfinite(difference) and difference < 1e-8
    images = [o for cell in done.cells for o in cell.get("outputs", []) if "image/png" in str(o)]
    assert images
