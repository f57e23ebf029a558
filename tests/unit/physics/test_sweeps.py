"""Sweeps: one expansion for all fields, thresholds, dimensions, and what a sweep may hold."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
import yaml

import collect_sweep
from moirepol import predictor
from moirepol.errors import ConfigError, JobError
from moirepol.physics import expansion
from moirepol.physics import gradient as dg
from moirepol.physics.long_range import LongRange
from moirepol.physics.polarization import PC_PER_M, net_polarization
from moirepol.predictor import NetworkTerm, Predictor
from moirepol.structure.building import build
from moirepol.structure.names import System
from moirepol.workflow.configuration import check_config
from moirepol.workflow.label_sets import geometries_of_sweep, systems_of_sweep
from support.dictionary import faults
from support.gradients import gradient_file

LONG_RANGE = LongRange(0.4)
COUPLING = 0.6


def a_committee(seed, members=2, kind="zero_field", field=0.02):
    return [
        SimpleNamespace(seed=seed + k, kind=kind, field_V_per_A=field, info={})
        for k in range(members)
    ]


@pytest.fixture
def random_dipoles(monkeypatch):
    """Every made-up member predicts its own random dipoles."""

    def evaluate(members, bilayer, local_stackings):
        assert local_stackings
        shape = len(bilayer.sites), 3
        return np.array([np.random.default_rng(m.seed).normal(0, 1e-3, shape) for m in members])

    monkeypatch.setattr(predictor, "evaluate", evaluate)
    return evaluate


def a_predictor(zero_field, response, order, long_range):
    terms = [NetworkTerm("zero_field", zero_field)]
    if response:
        terms.append(NetworkTerm("response", response))
    if order is not None:
        fits = gradient_file(COUPLING, first_order=order)
        terms.append(dg.DisplacementGradient(fits, ""))
    return Predictor([*terms, *([LONG_RANGE] if long_range else [])])


@pytest.mark.parametrize("with_gradient", [False, True])
@pytest.mark.parametrize("long_range", [False, True])
def test_the_expansion_is_the_prediction_in_any_field(random_dipoles, long_range, with_gradient):
    bilayer = build("AA_mismatch-3-4", 2.51, 3.33)
    zero_field, response = a_committee(0), a_committee(10, kind="response")
    order = None
    if with_gradient:
        shape = 2, len(dg.GRADIENT), len(dg.TERMS), 3
        order = np.random.default_rng(5).normal(0, 1e-2, shape)
    whole = a_predictor(zero_field, response, order, long_range)
    powers = whole.expand(bilayer).powers()
    p0 = random_dipoles(zero_field, bilayer, True)
    R = bilayer.site_signs[:, None] * random_dipoles(response, bilayer, True) / 0.02
    if with_gradient:  # each member twice: with both signs of a deviation, which is 0 here
        p0 = np.repeat(p0 + dg.change(order, bilayer), 2, axis=0)
        R = np.repeat(R, 2, axis=0)
    field = -0.013
    predicted = whole.dipoles(bilayer, field)
    in_field = expansion.polynomial_at(powers, field)
    for member in range(len(p0)):
        expected = p0[member] + field * R[member]
        if long_range:
            coupling = COUPLING if with_gradient else 1.0
            expected = LONG_RANGE.solver(bilayer, R.mean(axis=0), coupling).add(expected)
        np.testing.assert_allclose(in_field[member], expected, atol=1e-9, rtol=1e-7)
        found = predicted.arrays["dipole_member"][bilayer.sites, member]
        np.testing.assert_allclose(found, expected, atol=1e-9, rtol=1e-7)
    np.testing.assert_allclose(predicted.dipoles, in_field.mean(axis=0), atol=1e-9, rtol=1e-7)


def test_committees_of_different_size_contribute_their_means(random_dipoles):
    bilayer = build("AA_mismatch-3-4", 2.51, 3.33)
    zero_field, response = a_committee(0, 3), a_committee(10, 2, "response")
    powers = a_predictor(zero_field, response, None, False).expand(bilayer).powers()
    assert powers.shape == (2, 1, len(bilayer.sites), 3)
    np.testing.assert_allclose(powers[0, 0], random_dipoles(zero_field, bilayer, True).mean(axis=0))
    with pytest.raises(JobError, match="no response model"):
        a_predictor(zero_field, (), None, True).expand(bilayer)


def test_the_nearest_zero_of_a_polynomial():
    assert expansion.first_zero(np.array([-3.0, 100.0])) == pytest.approx(0.03)
    assert expansion.first_zero(np.array([-2.0, 1.0, 1.0])) == pytest.approx(1.0)
    assert np.isnan(expansion.first_zero(np.array([1.0, 0.0, 1.0])))
    assert np.isnan(expansion.first_zero(np.array([1.0])))


def test_zeros_along_an_axis_lie_between_neighbours():
    places = np.array([0.1, -0.1, 0.05])
    values = np.stack([places - 0.075, np.ones(3)], axis=1)
    zeros = collect_sweep.along(places, values)
    assert zeros.shape == (2, 1)
    assert zeros[0, 0] == pytest.approx(0.075)
    assert np.isnan(zeros[1, 0])


@pytest.mark.parametrize("name", ["AA_slide-0-0-1", "AA_mismatch-3-4"])
def test_the_net_polarization_is_the_sum_over_atoms_by_area(name):
    bilayer = build(name, 2.51, 3.33)
    p = np.random.default_rng(0).normal(size=(len(bilayer.sites), 3))
    expected = PC_PER_M * p.sum(axis=0) / abs(np.linalg.det(bilayer.cell_2d))
    np.testing.assert_allclose(net_polarization(bilayer, p), expected)


def a_geometry(system, strain, folder):
    """A file as `sweep_fields` writes it, with values that tell where they come from."""
    eta = {"AA_mismatch-9-10": 0.1, "AA_mismatch-11-10": -0.1}[system]
    P = np.zeros((2, 3, 3))
    P[:, :, 2] = eta + strain
    ds = xr.Dataset(
        {
            "Q": (("field", "scheme", "region"), np.full((2, 1, 3), eta + strain)),
            "P_point": (("field", "point", "component"), P),
            "threshold_field": ("deciding", [eta, strain, 0.0]),
        },
        coords={
            "field": [0.0, 0.02],
            "point": ["G", "N", "M"],
            "deciding": ["G", "N", "M"],
            "component": ["x", "y", "z"],
        },
    )
    path = folder / f"{system}_{strain}.nc"
    ds.to_netcdf(path)
    return path


def test_a_sweep_has_the_dimensions_of_its_lists(tmp_path):
    systems, strains = ["AA_mismatch-9-10", "AA_mismatch-11-10"], [0.0, 1.0]
    files = [a_geometry(system, strain, tmp_path) for system in systems for strain in strains]
    collect_sweep.collect_sweep(files, tmp_path / "sweep.nc", systems, strains)
    with xr.open_dataset(tmp_path / "sweep.nc") as ds:
        assert ds["Q"].dims[:3] == ("system", "strain", "field")
        assert ds["Q"].sel(system="AA_mismatch-11-10", strain=1.0).values == pytest.approx(0.9)
        np.testing.assert_allclose(ds["eta"], [0.1, -0.1])
        assert ds["threshold_field"].sel(strain=1, deciding="N").values == pytest.approx(1)
        zero = ds["threshold_eta"].sel(strain=0, field=0, deciding="G", crossing=0)
        assert zero.item() == pytest.approx(0)


@pytest.mark.parametrize(("angle", "m"), [(21.8, 1), (1.54, 21), (1.085, 30), (6, 5), (25, 1)])
def test_a_sweep_takes_the_nearest_twist(angle, m):
    assert systems_of_sweep({"twist_angles_deg": [angle]}) == [f"AA_twist-{m}-{m + 1}"]
    apart = abs(System.parse(f"AA_twist-{m}-{m + 1}").twist_angle_deg - angle)
    for k in range(1, 60):
        assert apart <= abs(System.parse(f"AA_twist-{k}-{k + 1}").twist_angle_deg - angle)


def test_geometries_are_all_combinations():
    sweep = {
        "systems": ["AA_mismatch-9-10"],
        "twist_angles_deg": [1.08, 1.09],
        "strains_percent": [0, -1],
    }
    assert systems_of_sweep(sweep) == ["AA_mismatch-9-10", "AA_twist-30-31"]
    assert geometries_of_sweep(sweep) == [
        "AA_mismatch-9-10",
        "AA_mismatch-9-10_strain-1.00",
        "AA_twist-30-31",
        "AA_twist-30-31_strain-1.00",
    ]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("sweeps.field", {"fields_V_per_A": [0]}, "at least 1 entry of systems"),
        ("sweeps.field.systems", ["AA_slide-1-1-3"], "allowed is a moire cell"),
        ("sweeps.field.systems", ["AA_twist-1-2_field+0.0100"], "without strain and field"),
        ("predictors.AA", {"zero_field": "aa"}, "no response model"),
        ("sweeps.field.systems", ["AA_strip-9-10"], "allowed is a moire cell"),
        ("sweeps.field.fields_V_per_A", [], "at least 1 entry"),
        ("sweeps.field.twist_angles_deg", [0], "a number from 0.5 to 25"),
        ("figures.fig4j.sweep", "other", "allowed is one of field, mismatch"),
    ],
)
def test_a_sweep_that_cannot_be_is_rejected(root, path, value, words):
    config = copy.deepcopy(yaml.safe_load((root / "config.yaml").read_text()))
    *parents, last = path.split(".")
    section = config
    for key in parents:
        section = section[key]
    section[last] = value
    with pytest.raises(ConfigError, match=words) as error:
        check_config(config)
    assert "\n" not in str(error.value)


def test_systems_may_be_twist_angles_and_mismatches(root):
    sweep = {"systems": ["AA_angle-2.0", "AA_eta+0.01", "AA_twist-16-17"]}
    assert systems_of_sweep(sweep) == ["AA_twist-16-17", "AA_mismatch-99-100"]
    config = yaml.safe_load((root / "config.yaml").read_text())
    config["sweeps"]["mine"] = sweep
    check_config(config)
    config["sweeps"]["mine"] = {"systems": ["AA_angel-2.0"]}
    with pytest.raises(ConfigError, match=r"^sweeps.mine.systems = 'AA_angel-2.0': "):
        check_config(config)


def test_a_sweep_over_twist_angles_is_described_and_selected_by_name(tmp_path):
    """Every variable stands in docs/data.md, also those of two twist angles."""
    files = []
    for system in ("AA_mismatch-9-10", "AA_mismatch-11-10"):
        with xr.open_dataset(a_geometry(system, 0.0, tmp_path)) as ds:
            ds = ds.load().assign_coords(scheme=["sign_rule"], region=["N", "M", "total"])
        ds["Q"].attrs["units"] = "1"
        ds["P_point"].attrs["units"] = "e.angstrom"
        for name in ("threshold_field", "field"):
            ds[name].attrs["units"] = "V/angstrom"
        files.append(tmp_path / f"{system}.nc")
        ds.to_netcdf(files[-1])
    path = tmp_path / "results/sweeps/angles.nc"
    collect_sweep.collect_sweep(files, path, ["AA_twist-5-6", "AA_twist-8-9"], [0.0])
    assert faults(path, path.relative_to(tmp_path)) == []
    with xr.open_dataset(path) as ds:
        assert "threshold_twist_angle" in ds
        Q = ds["Q"].sel(system="AA_twist-5-6", field=0.02, scheme="sign_rule", region="N")
        assert Q.item() == pytest.approx(0.1)
