"""Every script runs outside Snakemake, on files that are given to it."""

import inspect
import os
import runpy
import subprocess
import sys

import pytest

from moirepol.physics.polarization import map_of_bilayer
from moirepol.workflow.job import groups_of, parameters_of
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from support import ROOT
from support.frames import stacked

#: Names that say their unit speak for themselves.
UNITS = ("_A", "_V_per_A", "_eA")
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_tells_what_it_takes(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    assert ended.value.code == 0
    told = capsys.readouterr().out
    function = runpy.run_path(str(script))[script.stem]
    described = "".join(map(inspect.getdoc, (function, *groups_of(function).values())))
    assert inspect.getdoc(function).splitlines()[0] in told
    for name in parameters_of(function):
        assert f"--{name} " in told
        assert name in described or name.endswith(UNITS), f"{script.stem}: {name} is not described"


def by_hand(script, folder, **arguments):
    options = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / f"{script}.py"), *options],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_charge_by_hand(tmp_path):
    map_of_one = stamp(map_of_bilayer(stacked("AA_twist-2-3"), 24), "map")
    write_netcdf(map_of_one, tmp_path / "map.nc")
    arguments = {"polarization_map": "map.nc", "charge": "charge.nc", "zero_tolerance": "1.0e-6"}
    run = by_hand("compute_charge", tmp_path, grids=[12, 24], **arguments)
    assert run.returncode == 0, run.stderr
    assert set(read_netcdf(tmp_path / "charge.nc", "Q")["grid"].values) == {12, 24}


def test_a_missing_file_is_told_in_one_line(tmp_path):
    run = by_hand("plot_in_plane", tmp_path, polarization_map="no.nc", data="d", pdf="p", png="g")
    assert run.returncode == 1
    assert run.stderr.startswith("error: no.nc is no readable NetCDF file")
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "argument", "others"),
    [
        ("plot_parity", "parities", {"data": "d", "pdf": "p", "png": "g"}),
        ("plot_angles", "polarization_maps", {"labels": "l", "data": "d", "pdf": "p", "png": "g"}),
        ("benchmark_training", "courses", {"training": "t.csv", "errors_eA": "1.0e-3"}),
        ("tabulate_audit", "audits", {"table": "t.csv", "page": "t.html"}),
        ("collect_labels", "computed", {"frames": "[]", "settings": "{}", "labels": "l.nc"}),
    ],
)
def test_one_file_for_a_list(script, argument, others, tmp_path):
    run = by_hand(script, tmp_path, **{argument: "no.nc"}, **others)
    assert run.stderr.startswith("error: no.nc is no readable NetCDF file"), run.stderr
