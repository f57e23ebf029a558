"""Copies of the project, and Snakemake in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: Options for the small settings of a whole chain.
TINY = ("--directory", ".", "--configfile", "tests/config-tiny.yaml")
FILES = ("Snakefile", "config.yaml", "tests/config-tiny.yaml", "tests/config-short-range.yaml")
FOLDERS = ("rules", "scripts", "envs", "profiles", "schemas", "report", "resources")


def copy_project(root: Path, folder: Path) -> Path:
    """Copy what the workflow needs into a folder, without results."""
    for part in (*FILES, *FOLDERS):
        source, target = root / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def snakemake(project: Path, *arguments: str, **environment: str):
    """Run snakemake in a copy of the project; output and errors together in `stdout`."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=project,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def error_lines(output: str) -> set[str]:
    """Lines that say why a run failed.

    Snakemake prints the log of a failed job, too. It has the reason without the name of the job.
    """
    lines = {line.strip() for line in output.splitlines() if line.strip().startswith("error:")}
    return {
        line
        for line in lines
        if not any(x != line and x.endswith(line.removeprefix("error: ")) for x in lines)
    }


def jobs_of(dry_run: str) -> set[str]:
    """Rules in the job table of a dry run."""
    table = dry_run.partition("Job stats:")[2].partition("total")[0]
    return {line.split()[0] for line in table.splitlines()[2:] if line.split()}
