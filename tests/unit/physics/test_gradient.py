"""Displacement gradient: its value in built cells, symmetry, the fit, and shipped labels."""

import numpy as np
import pytest
import xarray as xr

from moirepol.dft.audit import symmetry_residual
from moirepol.errors import JobError
from moirepol.physics import gradient as dg
from moirepol.physics.configuration import at_stackings, labelled_slides, slide_waves
from moirepol.physics.expansion import Expansion
from moirepol.structure.building import build, sample
from moirepol.structure.conventions import LOWER, PRIMITIVE, UPPER
from moirepol.structure.frames import read_frames
from support import ROOT
from support.gradients import SHAPES, gradient_file

A, D = 2.51, 3.33
SHIPPED = ROOT / "resources" / "labels"
PLACES = ("", "_shift-0-1-3", "_shift-0-2-3", "_shift-0-1-2")
STRETCHED = [f"strip-{cells}{place}" for cells in ("9-10", "9-8") for place in PLACES]
SHEARED = ["shear-9", "shear-9_shift-1-0-3", "shear-9_shift-2-0-3"]
#: Narrow priors of everything but the first order, and almost no noise.
EXACT = np.array([1e-12, 1e-12, 1e-12, 1e-9, 1e-12, 1e-12])


def uniaxial(family):
    return [build(f"{family}_{name}", A, D) for name in (*STRETCHED, *SHEARED)]


def translated(tau):
    """Some dipoles of stackings, (m, layer, 3)."""
    wave = np.cos(2 * np.pi * tau @ [1, 0])[:, None, None]
    return wave * np.array([[1.0, 2.0, -3.0], [0.5, 0.0, 4.0]])


def coefficients(family, order=1):
    basis = dg.invariants(family, order)
    return np.tensordot(np.random.default_rng(0).normal(size=len(basis)), basis, 1)


@pytest.mark.parametrize(
    "name",
    [
        "AA_twist-2-3",
        "AA_twist-3-2",
        "AA_mismatch-9-10",
        "AA_strip-9-8",
        "AA_shear-9",
        "AAp_shear-9",
        "AA_moire-3-4-4-3",
        "AA_slide-1-2-5_strain+2.00",
    ],
)
def test_a_gradient_gives_the_lattices(name):
    """Strain and angle of each layer make its primitive vectors from the reference lattice."""
    bilayer = build(name, A, D)
    g = dg.gradient_of(bilayer)
    mean = np.radians(bilayer.orientations_deg.mean())
    for layer, half in ((LOWER, -g[6] / 2), (UPPER, g[6] / 2)):
        xx, yy, xy = g[3 * layer : 3 * layer + 3]
        c, s = np.cos(mean + half), np.sin(mean + half)
        stretch = np.array([[1 + xx, xy], [xy, 1 + yy]])
        F = np.array([[c, -s], [s, c]]) @ stretch
        lattice = bilayer.reference_lattice_constant_A * PRIMITIVE @ F.T
        np.testing.assert_allclose(lattice, bilayer.lattices[layer], atol=1e-12)


def test_a_twist_is_counter_clockwise_and_a_mismatch_strains_the_lower_layer():
    twisted = build("AA_twist-2-3", A, D)
    expected = np.radians(twisted.system.twist_angle_deg)
    np.testing.assert_allclose(dg.gradient_of(twisted), [0] * 6 + [expected], atol=1e-12)
    g = dg.gradient_of(build("AA_mismatch-9-10", A, D))
    np.testing.assert_allclose(g, [-0.1, -0.1, 0, 0, 0, 0, 0], atol=1e-12)


def test_a_shear_is_half_rotation_and_half_strain():
    shear = 1 / 9 / np.cos(np.pi / 6)
    g = dg.gradient_of(build("AA_shear-9", A, D))
    assert g[6] == pytest.approx(-shear / 2, rel=0.01)
    assert g[:3] == pytest.approx(np.zeros(3), abs=1e-12)
    deviatoric = np.hypot(g[3] - g[4], 2 * g[5])
    assert deviatoric == pytest.approx(shear, rel=0.01)


@pytest.mark.parametrize("family", ["AA", "AAp"])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("geometry", ["twist-2-3", "mismatch-4-5", "strip-9-10", "shear-9"])
def test_the_change_has_every_symmetry_of_the_bilayer(family, order, geometry):
    """The symmetry analysis of labels finds no violation, for the exchange of the layers too."""
    bilayer = build(f"{family}_{geometry}", A, D)
    random = np.random.default_rng(1).normal(size=dg.invariants(family, order).shape[1:])
    residuals = []
    for values in (coefficients(family, order), random):
        bilayer.set_site_array("dipole", dg.change(values, bilayer))
        residuals.append(symmetry_residual(bilayer) / np.abs(bilayer.dipoles).max())
    assert residuals[0] < 1e-9
    assert residuals[1] > 1e-3 or geometry in ("strip-9-10", "shear-9")


@pytest.mark.parametrize("family", ["AA", "AAp"])
def test_the_sum_over_layers_of_a_twist_is_of_first_order_in_the_plane_alone(family):
    """Symmetry forbids a uniform dipole, and with the shortest waves an out-of-plane one, of a
    twist."""
    values = coefficients(family)[:, 6]
    assert np.abs(values[..., 2]).max() < 1e-12
    assert np.abs(values[:, 0, :2]).max() < 1e-12
    assert np.abs(values[:, 1:, :2]).max() > 0.01


def with_dipoles(cells, *orders):
    """Cells with the dipoles of some translated bilayers and the coefficients of some orders."""
    for cell in cells:
        sites = np.arange(len(cell.sites))
        p0 = translated(cell.site_stackings)[sites, cell.site_layers] @ cell.mean_orientation.T
        cell.set_site_array("dipole", p0 + sum(dg.change(order, cell) for order in orders))
    return cells


@pytest.mark.parametrize("family", ["AA", "AAp"])
def test_a_fit_finds_the_first_order(family):
    expected = coefficients(family)
    cells = with_dipoles(uniaxial(family), expected)
    found = dg.fit(cells, translated, EXACT)
    np.testing.assert_allclose(found.mean.first_order, expected, atol=1e-6)
    assert found.rms.max() < 1e-9
    assert np.abs(found.deviations.first_order).max() < 1e-6
    assert not np.any(found.mean.second_order)


@pytest.mark.parametrize("family", ["AA", "AAp"])
def test_a_moire_cell_determines_the_second_order_of_a_twist(family):
    """Uniaxial cells alone do not: their relative gradient has no determinant."""
    first, second = coefficients(family), coefficients(family, 2)
    moire = [build(f"{family}_{name}", A, D) for name in ("moire-1-4-2-3", "moire-2-3-1-4")]
    cells = with_dipoles([*uniaxial(family), *moire], first, second)
    wide = np.array([10.0, 10.0, 1e-9, 1e-6, 1e-9, 1e-9])
    twisted = build(f"{family}_twist-3-4", A, D)
    expected = dg.change(second, twisted)
    errors = [
        np.abs(dg.change(dg.fit(some, translated, wide).mean.second_order, twisted) - expected)
        for some in (cells, cells[: -len(moire)])
    ]
    assert errors[0].max() < 1e-3 * np.abs(expected).max()
    assert errors[1].max() == pytest.approx(np.abs(expected).max())


def test_cells_of_a_large_gradient_have_more_noise():
    """A part of the third order in the largest cells changes the fit less."""
    first, second = coefficients("AA"), coefficients("AA", 2)
    cells = with_dipoles(uniaxial("AA"), first, second)
    random = np.random.default_rng(7)
    for cell in cells:
        noise = dg.strain_of(dg.gradient_of(cell)) ** 3 * random.normal(size=cell.dipoles.shape)
        cell.set_site_array("dipole", cell.dipoles + noise)
    found = dg.fit(cells, translated)
    strain, twist = np.mean(
        [(dg.strain_of(g), abs(g[6])) for g in map(dg.gradient_of, cells)], axis=0
    )
    parts = found.widths[3:] * [1, twist**3, strain**3]
    assert np.linalg.norm(parts) == pytest.approx(strain**3, rel=0.3)
    assert parts[2] > parts[1]


def test_a_fit_separates_the_interlayer_coupling_from_the_first_order():
    """Cells of two lengths do; what the coupling adds depends on the wave vector."""
    expected, random = coefficients("AA"), np.random.default_rng(4)
    cells = [build(f"AA_{name}", A, D) for name in (*STRETCHED, *SHEARED, "strip-19-20")]
    for cell in cells:
        sites = np.arange(len(cell.sites))
        p0 = translated(cell.site_stackings)[sites, cell.site_layers] @ cell.mean_orientation.T
        long_range, coupled = random.normal(size=(2, len(sites), 3))
        cell.set_site_array("long_range", long_range)
        cell.set_site_array("coupled", coupled)
        dipole = p0 + dg.change(expected, cell) + long_range + 0.6 * coupled
        cell.set_site_array("dipole", dipole)
    found = dg.fit(cells, translated, EXACT)
    assert found.mean.coupling == pytest.approx(0.6, abs=1e-6)
    assert np.abs(found.deviations.coupling).max() < 1e-6
    assert found.coupling_error < 1e-6
    np.testing.assert_allclose(found.mean.first_order, expected, atol=1e-6)


def test_the_second_order_does_not_bias_the_first():
    expected, second = coefficients("AA"), coefficients("AA", 2)
    cells = with_dipoles(uniaxial("AA"), expected, second)
    found = dg.fit(cells, translated, np.array([1.0, 1.0, 1e-6, 1e-6, 1e-9, 1e-9]))
    blind = dg.fit(cells, translated, np.array([1e-9, 1e-9, 1e-6, 1e-2, 1e-9, 1e-9]))
    wrong, alone = (np.abs(each.mean.first_order - expected).max() for each in (found, blind))
    assert wrong < alone / 5


def test_too_few_cells_are_an_error():
    few = [build(f"AA_{name}", A, D) for name in STRETCHED[:1]]
    for cell in few:
        cell.set_site_array("dipole", np.zeros((len(cell.sites), 3)))
    with pytest.raises(JobError, match="do not determine the first order"):
        dg.fit(few, translated, EXACT)
    other = build("AAp_shear-9", A, D)
    with pytest.raises(JobError, match="allowed is one family"):
        dg.fit([*few, other], translated, EXACT)


def test_stretched_and_sheared_cells_agree_on_the_twist():
    """The two kinds of cells give the effect of a twist independently. Both are without the
    long-range field here."""
    waves = slide_waves(*labelled_slides(read_frames(SHIPPED / "aa_large.nc"), "AA", 10))
    fits = [
        dg.fit(
            [cell for name in names for cell in read_frames(SHIPPED / f"{name}.nc")],
            lambda tau: at_stackings(*waves, tau),
        )
        for names in (["strips", "strips_long"], ["shear"])
    ]
    stretched, sheared = (each.mean.first_order[:, 6] for each in fits)
    assert np.corrcoef(stretched.ravel(), sheared.ravel())[0, 1] > 0.9
    assert np.abs(stretched - sheared).max() < 0.35 * np.abs(sheared).max()


def test_the_term_adds_both_orders_and_both_signs_of_their_deviations():
    random = np.random.default_rng(2)
    given = {}
    for name, shape in SHAPES.items():
        given[name] = random.normal(size=shape)
        given[f"{name}_deviation"] = random.normal(0, 1e-3, (dg.DRAWS, *shape))
    couplings = random.normal(0, 0.1, dg.DRAWS)
    fits = gradient_file(0.6, ["AA_shear-9"], dg.DRAWS, coupling_deviation=couplings, **given)
    bilayer = build("AA_twist-2-3", A, D)
    expansion = Expansion(bilayer)
    p0 = np.random.default_rng(3).normal(size=(4, len(bilayer.sites), 3))
    expansion.add(0, p0)
    expansion.add(1, 2 * p0)
    term = dg.DisplacementGradient(fits, "")
    assert term.applies(bilayer)
    assert not term.applies(build("AA_slide-1-1-3", A, D))
    term.contribute(expansion)
    found = expansion.coefficients[0]
    assert found.shape == (8, len(bilayer.sites), 3)
    change, deviations = (
        sum(dg.change(given[f"{name}{kind}"], bilayer) for name in SHAPES)
        for kind in ("", "_deviation")
    )
    np.testing.assert_allclose(found.mean(axis=0), p0.mean(axis=0) + change, atol=1e-12)
    half = (found[::2] - found[1::2]) / 2
    np.testing.assert_allclose(half, deviations, atol=1e-12)
    np.testing.assert_allclose(expansion.coupling_deviations[::2], couplings)
    np.testing.assert_allclose(expansion.coupling_deviations[1::2], -couplings)
    np.testing.assert_allclose(expansion.coefficients[1], np.repeat(2 * p0, 2, axis=0))
    assert expansion.interlayer_coupling == 0.6


@pytest.mark.parametrize("name", ["AA_twist-5-6", "AAp_mismatch-9-10", "AA_strip-9-10"])
def test_a_sampled_bilayer_has_the_change_of_the_atoms(name):
    """The grid of local stackings and the atoms sample one smooth field."""
    from moirepol.physics.polarization import layer_fields

    values = coefficients(name.split("_")[0])
    fields = []
    for bilayer in (build(name, A, D), sample(name, A, D, 12)):
        bilayer.set_site_array("dipole", dg.change(values, bilayer))
        fields.append(layer_fields(bilayer, 24))
    if name == "AA_strip-9-10":  # one row of sites does not resolve the second direction
        fields = [field[..., 0] for field in fields]
    np.testing.assert_allclose(fields[1], fields[0], atol=1e-9 * np.abs(fields[0]).max())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AAp_twist-2-3", ""),
        ("AAp_twist-1-2", "a twist of 21.79°"),
        ("AAp_mismatch-99-100", "strains of size 0.014"),
        ("AAp_slide-1-1-3", ""),
    ],
)
def test_a_gradient_beyond_the_validated_cells_is_described(name, words):
    """A family whose validated cells are twisted only has no validated strain."""
    term = dg.DisplacementGradient(xr.Dataset(), "", None, 0.0, 15.0)
    assert term.beyond(build(name, A, D)).startswith(words)
    assert bool(term.beyond(build(name, A, D))) == bool(words)
