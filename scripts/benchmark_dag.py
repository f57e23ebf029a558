"""Measure the time and the memory that Snakemake needs to plan a given number of labels."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from moirepol.workflow.label_sets import frames_of

SLIDES_PER_AXIS = 100


def benchmark_dag(labels: int, table: str, project: str | None = None) -> None:
    """Measure the time and the memory that Snakemake needs to plan one label set.

    Parameters
    ----------
    labels
        Smallest number of labels in the set.
    table
        CSV to write: labels, seconds, memory_MB.
    project
        Folder of the workflow; by default the one that this script belongs to.

    Raises
    ------
    RuntimeError
        If the dry run fails.
    """
    project = Path(project) if project else Path(__file__).parents[1]
    grid = {"family": "AA", "slides_per_axis": SLIDES_PER_AXIS}
    strains = 1
    while len(frames_of({"grids": [grid]})) < labels:
        strains += 1
        grid["strains_percent"] = list(range(strains))
    count = len(frames_of({"grids": [grid]}))
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "many.yaml"
        settings.write_text(yaml.safe_dump({"labels": {"sets": {"many": {"grids": [grid]}}}}))
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all"]
        command += ["--configfile", str(settings), "--", "results/labels/many.nc"]
        started = time.monotonic()
        run = subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        words = run.stdout.read()
        _, status, usage = os.wait4(run.pid, 0)
        seconds = time.monotonic() - started
    if status:
        raise RuntimeError(words[-2000:])
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["labels", "seconds", "memory_MB"])
        writer.writerow([count, f"{seconds:.1f}", f"{usage.ru_maxrss / 1024:.0f}"])


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(benchmark_dag, globals().get("snakemake"))
