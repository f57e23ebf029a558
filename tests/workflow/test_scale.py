"""Ten thousand labels are planned in 2 GB of memory."""

import csv

import pytest

from benchmark_dag import benchmark_dag
from support.projects import copy_project


@pytest.mark.slow
def test_ten_thousand_labels(root, tmp_path):
    project = copy_project(root, tmp_path / "project")
    benchmark_dag(10_000, tmp_path / "dag.csv", project)
    with open(tmp_path / "dag.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert int(row["labels"]) >= 10_000
    assert float(row["seconds"]) > 0
    assert float(row["memory_MB"]) < 2000
