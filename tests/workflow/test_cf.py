"""Files follow the CF conventions, by the compliance checker of IOOS."""

import numpy as np
import pytest

from compute_charge import compute_charge
from moirepol.physics.polarization import map_of_bilayer
from moirepol.structure.frames import to_dataset
from moirepol.workflow.provenance import stamp, write_netcdf
from support import ROOT
from support.frames import stacked

runner = pytest.importorskip("compliance_checker.runner")


def check(path, report):
    runner.CheckSuite.load_all_available_checkers()
    passed, _ = runner.ComplianceChecker.run_checker(
        str(path), ["cf:1.11"], 0, "normal", output_filename=str(report), output_format="text"
    )
    return passed, report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with dipoles, a map and a charge, as the rules write them."""
    folder = tmp_path_factory.mktemp("results")
    frame = stacked("AA_twist-2-3")
    frame.set_array("dipole_error", frame.arrays["dipole"])
    frame.set_array("dipole_member", np.stack([frame.arrays["dipole"]] * 2, axis=1))
    write_netcdf(stamp(to_dataset([frame]), "dipoles"), folder / "dipoles.nc")
    write_netcdf(stamp(map_of_bilayer(frame, 24), "map"), folder / "map.nc")
    compute_charge(folder / "map.nc", folder / "charge.nc", [12, 24], 1e-6)
    return folder


@pytest.mark.parametrize("name", ["dipoles", "map", "charge"])
def test_results_pass(name, made, tmp_path):
    passed, report = check(made / f"{name}.nc", tmp_path / "report.txt")
    assert passed, report


SHIPPED = ["labels/aa.nc", "labels/strips.nc", "polarizability/AA_slide-1-1-3.nc"]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_pass(name, tmp_path):
    passed, report = check(ROOT / "resources" / name, tmp_path / "report.txt")
    assert passed, report
