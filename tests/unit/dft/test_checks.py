"""The labels' audit and the comparison of labels made twice, on made-up labels."""

import csv
import html

import numpy as np
import pytest

from audit_labels import audit_labels
from check_copies import check_copies
from compare_labels import compare_labels
from moirepol.dft.audit import AUDIT_UNITS
from moirepol.errors import JobError
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.structure.symmetry import symmetry_copies
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf
from study_convergence import study_convergence
from tabulate_audit import tabulate_audit

SOUND = {
    "centre_distance_A": 0.5,
    "largest_singular_value": 0.999,
    "smallest_singular_value": 0.9,
    "smallest_projection": 0.35,
    "spread_A2": 1.3,
    "symmetry_residual_eA": 1e-7,
    "wannier90_difference_A": 1e-7,
    "wall_s": 60.0,
}


def labelled(name, **numbers):
    atoms = build(name, 2.51, 3.33)
    dipole = np.full((4, 3), np.nan)
    dipole[atoms.is_site] = [[2e-3, 1e-3, -9e-3], [1e-3, 1e-3, 6e-3]]
    atoms.set_array("dipole", dipole)
    atoms.info.update(SOUND | numbers)
    return atoms


def write_set(path, frames):
    ds = stamp(to_dataset(frames, units=AUDIT_UNITS), "labels", {})
    write_netcdf(ds.assign_attrs(settings_digest="0123", pseudopotentials_sha256="B:1"), path)
    return path


def test_audit_counts_what_is_converged_rejected_and_compared(tmp_path):
    names = ["AA_slide-0-0-1", "AA_slide-1-1-3", "AA_slide-0-1-2", "AA_slide-1-2-5"]
    frames = [
        labelled(names[0], qe_dipole_eA=-3.01e-3, density_dipole_eA=-3.002e-3, core_s=90.0),
        labelled(names[1], symmetry_residual_eA=1e-3),
    ]
    (tmp_path / f"{names[2]}.rejected").write_text("the scf did not converge\n")
    audit = tmp_path / "aa.nc"
    labels = write_set(tmp_path / "labels.nc", frames)
    audit_labels(labels, names, tmp_path, audit, "aa")
    ds = read_netcdf(audit)
    assert ds["state"].values[0] == "converged"
    assert "symmetry_residual_eA is 0.001" in ds["state"].values[1]
    assert list(ds["state"].values[2:]) == ["the scf did not converge", "missing"]
    assert ds["qe_difference_eA"].values[0] == pytest.approx(1e-5)
    assert np.isnan(ds["qe_difference_eA"].values[1:]).all()

    tabulate_audit([str(audit)], tmp_path / "audit.csv", tmp_path / "audit.html")
    with open(tmp_path / "audit.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["set"], row["frames"], row["converged"], row["rejected"]) == ("aa", "4", "1", "2")
    assert float(row["core_hours"]) == pytest.approx(150 / 3600)
    assert float(row["density"]) == pytest.approx(2e-6)
    assert row["pw.x_frames"] == "1"
    assert "AA_slide-0-1-2: the scf did not converge" in row["reasons"]
    assert html.escape(row["reasons"]) in (tmp_path / "audit.html").read_text()  # however long


def test_copies_are_compared_component_by_component(tmp_path):
    original = labelled("AA_slide-2-3-10")
    copies = {frame.name: frame for frame in symmetry_copies(original)}
    direct = [copies["AA_slide-7-5-10"], copies["AA_slide-8-7-10"]]
    direct[1].arrays["dipole"][direct[1].numbers == 7, 1] += 3e-6
    files = [write_set(tmp_path / f"{n}.nc", f) for n, f in (("aa", [original]), ("c", direct))]
    check_copies(*files, 1e-5, tmp_path / "check.nc")
    ds = read_netcdf(tmp_path / "check.nc")
    assert ds["difference_eA"].values == pytest.approx([0, 3e-6], abs=1e-12)
    assert list(ds["original"].values) == ["AA_slide-2-3-10"] * 2
    with pytest.raises(JobError, match=r"AA_slide-8-7-10 differs by 3e-06 e\.A, allowed is 1e-06"):
        check_copies(*files, 1e-6, tmp_path / "check.nc")
    with pytest.raises(JobError, match="AA_slide-2-3-10 is no symmetry copy"):
        check_copies(write_set(tmp_path / "g.nc", [labelled("AA_slide-0-0-1")]), files[0], 1, "")


def test_convergence_is_measured_against_the_standard_recipe(tmp_path):
    slides = ["AA_slide-1-1-3", "AA_slide-0-1-2", "AA_slide-0-0-1"]
    standard = write_set(tmp_path / "aa.nc", [labelled(name) for name in slides])
    changed = [labelled(name) for name in slides]
    for frame in changed:  # a common shift is no change of a difference
        frame.arrays["dipole"][frame.is_site, 2] += 1e-3
    changed[0].arrays["dipole"][changed[0].numbers == 7, 2] += [1e-5, 0]
    files = [write_set(tmp_path / f"{frame.name}.nc", [frame]) for frame in changed]
    out = [tmp_path / f"study.{ending}" for ending in ("nc", "csv", "pdf", "png")]
    study_convergence(standard, files, {"wfc_60": {"ecutwfc_Ry": 60}}, slides, {}, *out)
    ds = read_netcdf(out[0]).sel(recipe="wfc_60")
    assert float(ds["largest_change"]) == pytest.approx(1e-5)
    assert float(ds["largest_change_absolute"]) == pytest.approx(1.01e-3)
    with open(out[1], newline="") as file:
        rows = {row["recipe"]: row for row in csv.DictReader(file)}
    assert float(rows["wfc_60"]["P_perp_AB_change"]) == pytest.approx(2.01e-3)
    assert float(rows["standard"]["P_perp_AB"]) == pytest.approx(-3e-3)
    assert out[3].stat().st_size > 1000


def test_label_sets_are_compared_by_component(tmp_path):
    first, second = (labelled("AA_slide-0-0-1") for _ in range(2))
    second.arrays["dipole"][second.is_site] += [[2e-6, 0, 4e-6], [-2e-6, 0, 0]]
    only = labelled("AA_slide-1-1-3")
    files = [
        write_set(tmp_path / f"{name}.nc", frames)
        for name, frames in (("a", [first, only]), ("b", [second]), ("c", [only]))
    ]
    compare_labels(*map(str, files[:2]), tmp_path / "found.nc", tmp_path / "found.csv")
    ds = read_netcdf(tmp_path / "found.nc")
    assert ds["frame"].values.tolist() == ["AA_slide-0-0-1"]
    values = [ds[name].item() for name in ("in_plane", "out_of_plane", "net", "largest")]
    assert values == pytest.approx([1e-6, 2e-6, 2e-6, 4e-6])
    with pytest.raises(JobError, match="have no system in common"):
        compare_labels(*map(str, files[1:]), tmp_path / "found.nc", tmp_path / "found.csv")
