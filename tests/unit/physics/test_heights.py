"""Change of the dipoles with layer distance, rumpling, tilt and curvature."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from moirepol.errors import JobError
from moirepol.physics import heights
from moirepol.physics.expansion import Expansion
from moirepol.physics.heights import Heights
from moirepol.physics.monolayer import Monolayer
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames
from moirepol.structure.local_geometry import Relief
from support import ROOT

A, D = 2.51, 3.33
LABELS = ROOT / "resources" / "labels"
RANDOM = np.random.default_rng(0)


def changes(n=3, powers=2):
    dims = "t1", "t2", "layer", "component"
    found = {"reference_distance": D}
    for part in heights.PARTS:
        values = RANDOM.normal(size=(powers, n, n, 2, 3))
        found[f"distance_{part}"] = ("power", *dims), values
        found[f"relaxed_{part}"] = dims, RANDOM.normal(size=(n, n, 2, 3))
    return xr.Dataset(found)


def expansion(bilayer):
    """Zero dipoles with and without a field."""
    zero = np.zeros((1, len(bilayer.sites), 3))
    return Expansion(bilayer, {0: zero, 1: zero})


def test_a_polynomial_passes_through_its_values():
    steps, values = np.array([-0.2, 0.1, 0.4]), RANDOM.normal(size=(3, 4, 2))
    found = heights.polynomial(steps, values)
    for step, value in zip(steps, values, strict=True):
        np.testing.assert_allclose(sum(step**k * c for k, c in enumerate(found, 1)), value)


def test_nothing_changes_at_the_distance_of_the_models():
    term = Heights(changes(), "heights.nc")
    assert not term.applies(build("AA_twist-2-3", A, D))
    assert term.applies(build("AA_twist-2-3_d3.400", A, D))
    assert np.abs(term.change(build("AA_slide-1-1-3", A, D), "zero_field")).max() < 1e-9


@pytest.mark.parametrize("part", heights.PARTS)
def test_the_change_at_another_distance(part):
    """On the grid of stackings it is the polynomial of the file."""
    ds = changes()
    bilayer = build("AA_slide-1-2-3_d3.430", A, D)
    found = Heights(ds, "heights.nc").change(bilayer, part)
    values = ds[f"distance_{part}"].values[:, 1, 2]
    wanted = sum(0.1 ** (k + 1) * each for k, each in enumerate(values))
    np.testing.assert_allclose(found, wanted[bilayer.site_layers], atol=1e-9)


def test_a_relaxed_layer_is_rumpled_tilted_and_curved():
    ds = changes()
    ds["distance_zero_field"] *= 0
    bilayer = build("AA_slide-1-1-3", A, D)
    geometry, n = bilayer.local_geometry, len(bilayer.sites)
    bilayer.set_local_geometry(geometry)
    moved = np.tile([0.0, 0.01, 0.0], (n, 1))
    bilayer.set_relief(Relief(np.tile([0.1, 0.0], (n, 1)), np.full(n, 0.02), moved))
    bilayer.info["relaxed_heights"] = True
    asked = expansion(bilayer)
    Heights(ds, "heights.nc", Monolayer(11.0, 7.0, -0.3, -2.7, 1.5)).contribute(asked)
    rumpled = ds["relaxed_zero_field"].values[1, 1][bilayer.site_layers]
    found = asked.coefficients[0][0]
    np.testing.assert_allclose(found[:, 2], rumpled[:, 2] + 1.5 * 0.02, atol=1e-9)
    tilted = rumpled[:, 0] - 0.1 * (rumpled[:, 2] + 1.5 * 0.02)
    np.testing.assert_allclose(found[:, 0], tilted, atol=1e-9)
    np.testing.assert_allclose(found[:, 1], rumpled[:, 1] - 2.7 * 0.01, atol=1e-9)


def test_labels_fill_the_grid_and_the_opposite_field():
    """The exchange of the layers reverses the field: labels in one field give both."""
    frames = read_frames(LABELS / "aa_field.nc")
    by_field = {
        field: [f for f in frames if f.system.field_V_per_A == field] for field in (0.02, -0.02)
    }
    one = heights.on_grid(by_field[0.02], 10, D)
    other = heights.on_grid(by_field[-0.02], 10, D)
    np.testing.assert_allclose(one[:, :, 1], other[:, :, 0], atol=3e-6)
    assert np.abs(one[:, :, 0] - one[:, :, 1]).max() > 1e-4


def test_a_missing_stacking_is_named():
    frames = read_frames(LABELS / "aa_relaxed.nc")
    with pytest.raises(JobError, match=r"^no label of the stacking \(\d, \d\) / 6$"):
        heights.on_grid(frames[1:], 6, D)


def test_the_dipole_decays_with_the_distance_in_the_labels():
    """P_perp of N falls by a factor of about three from 3.15 to 3.7 angstrom."""
    frames = read_frames(LABELS / "aa_distance.nc")
    found = {
        frame.system.distance_A: abs(frame.dipoles[:, 2].sum())
        for frame in frames
        if frame.system.indices == (1, 1, 3)
    }
    assert found[3.15] > found[3.45] > found[3.7] > 0
    assert 2 < found[3.15] / found[3.7] < 5


def test_held_out_distances_follow_from_the_others():
    """P_perp of N at 3.3 and 3.5 angstrom, from labels at 3.15, 3.33, 3.45 and 3.7 angstrom."""
    sets = {name: read_frames(LABELS / f"{name}.nc") for name in ("aa", "aa_distance", "distance")}

    def dipole(name, frames):
        (found,) = [frame for frame in frames if frame.name == name]
        return found.dipoles[:, 2].sum()

    rest = dipole("AA_slide-1-1-3", sets["aa"])
    apart = np.array([3.15, 3.45, 3.7])
    known = [dipole(f"AA_slide-1-1-3_d{d:.3f}", sets["aa_distance"]) - rest for d in apart]
    coefficients = heights.polynomial(apart - D, np.array(known))
    for d in (3.3, 3.4, 3.5, 3.6):
        predicted = rest + sum((d - D) ** k * c for k, c in enumerate(coefficients, 1))
        direct = dipole(f"AA_slide-1-1-3_d{d:.3f}", sets["distance"])
        assert predicted == pytest.approx(direct, rel=0.01), d


@pytest.mark.parametrize("part", heights.PARTS)
@pytest.mark.parametrize("family", ["AA", "AAp"])
def test_symmetrized_values_do_not_change_again(family, part):
    values = heights.symmetrized(RANDOM.normal(size=(6, 6, 2, 3)), family, part)
    np.testing.assert_allclose(heights.symmetrized(values, family, part), values, atol=1e-14)
    assert np.abs(values).max() > 0.1
    # At G, P_perp of the sum of the layers of AA vanishes without a field, not its response.
    if family == "AA":
        total = values[0, 0, :, 2].sum()
        assert (abs(total) < 1e-14) == (part == "zero_field")


def test_labels_have_the_symmetry():
    """Averaging changes the labels by their noise only."""
    frames = [f for f in read_frames(LABELS / "aa_distance.nc") if f.system.distance_A == 3.45]
    values = heights.on_grid(frames, 6, D)[:, :, 0]
    np.testing.assert_allclose(heights.symmetrized(values, "AA", "zero_field"), values, atol=5e-6)


def relaxed_moire():
    """A bilayer whose layer distance varies, with a change of known size."""
    bilayer = build("AA_twist-2-3", A, D)
    geometry = bilayer.local_geometry
    distances = D + 0.1 * np.cos(2 * np.pi * geometry.stackings[:, 0])
    bilayer.set_local_geometry(replace(geometry, distances_A=distances))
    n = len(bilayer.sites)
    bilayer.set_relief(Relief(np.zeros((n, 2)), np.zeros(n), np.zeros((n, 3))))
    bilayer.displace(np.full((len(bilayer), 3), 0.01))
    return bilayer


def test_the_error_is_a_fraction_of_the_change():
    bilayer = relaxed_moire()
    term = Heights(changes(), "heights.nc", relative_error=(0.5, 0.25), largest_displacement_A=1)
    found = expansion(bilayer)
    term.contribute(found)
    mean, spread = found.coefficients[0].mean(axis=0), found.coefficients[0].std(axis=0)
    np.testing.assert_allclose(spread, np.abs(mean) * [0.5, 0.5, 0.25], atol=1e-12)
    assert term.beyond(bilayer) == ""


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ({}, "no relaxed cell of AA was validated"),
        ({"relative_error": (0.5, 0.2), "largest_displacement_A": 0.003}, "0.014 Å, the error"),
    ],
)
def test_relaxation_beyond_the_validated_cells_is_described(term, words):
    assert words in Heights(changes(), "heights.nc", **term).beyond(relaxed_moire())
    assert Heights(changes(), "heights.nc", **term).beyond(build("AA_twist-2-3", A, D)) == ""
