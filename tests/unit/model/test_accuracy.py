"""The tables of errors, on predictions and labels made up so that every number is known."""

import numpy as np
import pandas as pd
import pytest

from moirepol.model.comparison import compared, together
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from plot_calibration import plot_calibration
from tabulate_accuracy import tabulate_accuracy

PLANE_EA, Z_EA, SPREAD_EA = 1e-4, 3e-4, 2e-4


def labelled(name):
    atoms = build(name, 2.51, 3.33)
    dipole = np.full((len(atoms), 3), np.nan)
    dipole[atoms.is_site] = [1e-3, 0.0, 5e-3]
    atoms.set_array("dipole", dipole)
    atoms.info["symmetry_residual_eA"] = 2e-6
    return atoms


def comparison(names, side):
    parts = []
    for frame in map(labelled, names):
        wrong = frame.arrays["dipole"][frame.sites] + [PLANE_EA, -PLANE_EA, Z_EA]
        parts.append(compared(frame, wrong, np.full_like(wrong, SPREAD_EA), 4, side))
    return together(parts, "test")


@pytest.fixture
def files(tmp_path):
    parity = comparison(["AA_slide-0-0-1", "AA_slide-1-1-3"], "validation")
    path = tmp_path / "aa_copies" / "parity.nc"
    write_netcdf(stamp(parity, "parity", {"split": "copies"}), path)
    names = ["AA_twist-1-2", "AA_slide-1-1-3"]
    study = comparison(names, "test")
    study["gradient"] = study["layer"] * 0.0 + 1.3
    study["remainder"] = 0 * study["model"]
    study = study.assign_coords(cell=names[:1], source=["dft", "model"], part=["P_perp", "P_par"])
    study["amplitude"] = ("cell", "source", "part"), [[[1e-3, 2e-3], [3e-3, 4e-3]]]
    write_netcdf(stamp(study, "study", {}), tmp_path / "mine.nc")
    labels = to_dataset([labelled("AA_slide-0-0-1")])
    write_netcdf(stamp(labels, "labels", {}), tmp_path / "aa.nc")
    return tmp_path


def test_tables_hold_the_errors_by_axis(root, files):
    tables = files / "accuracy.csv", files / "range.csv"
    tabulate_accuracy(
        [str(files / "aa_copies" / "parity.nc")],
        [str(files / "mine.nc")],
        {"mine": ["aa", "aap"]},
        [str(files / "aa.nc")],
        root / "resources" / "claims.yaml",
        *tables,
    )
    errors, cells = map(pd.read_csv, tables)
    of = errors.set_index(["on", "model", "axis"]).sort_index()
    wanted = {"in_plane": PLANE_EA, "z": Z_EA, "all": (2 * PLANE_EA + Z_EA) / 3}
    for on, model, paper in (
        ("symmetry copies held out", "aa_copies", 1e-5),
        ("AA_twist-1-2", "mine", np.nan),
        ("labels aa, aap", "mine", np.nan),
    ):
        for axis, error in wanted.items():
            row = of.loc[(on, model, axis)]
            assert row["mae_eA"] == pytest.approx(error, rel=1e-2)
            assert row["spread_eA"] == pytest.approx(SPREAD_EA, rel=1e-2)
            assert row["paper_eA"] == paper or np.isnan(paper)
    assert of.loc[("AA_twist-1-2", "mine", "in_plane"), "n"] == 2 * 14
    assert of.loc[("labels aa", "largest violation of symmetry", "all"), "mae_eA"] == 2e-6
    assert of.loc[("labels aa", "mean of each layer", "z"), "mae_eA"] == 0
    (cell,) = cells.to_dict("records")
    assert (cell["P_perp_dft_eA"], cell["P_par_model_eA"], cell["mae_z_eA"]) == (1e-3, 4e-3, Z_EA)
    assert cell["twist_angle_deg"] == pytest.approx(21.79, abs=0.01)


def test_calibration_counts_what_lies_within_the_bars(files):
    written = [files / f"calibration.{ending}" for ending in ("nc", "pdf", "png")]
    plot_calibration([str(files / "mine.nc")], [], {"mine": "made up"}, *written)
    ds = read_netcdf(written[0])
    assert ds["within_2"].values == pytest.approx([1.0])
    np.testing.assert_allclose(ds["error"], np.sqrt((2 * PLANE_EA**2 + Z_EA**2) / 3))
