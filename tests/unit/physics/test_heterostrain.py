"""Strain of one layer against the other: what strips say, and slides in place of surroundings."""

import numpy as np
import pytest

from moirepol.errors import JobError
from moirepol.model.local_stacking import LocalStackingNeighbours
from moirepol.model.neighbours import Neighbours
from moirepol.physics import heterostrain as hs
from moirepol.physics.configuration import at_stackings, labelled_slides, slide_waves
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames
from moirepol.structure.material import load_material
from moirepol.structure.names import System
from moirepol.structure.symmetry import layer_symmetries, transform_slide
from support import ROOT

A, D, CUTOFF = 2.51, 3.33, 6.0
SPECIES = load_material().species
SHIPPED = ROOT / "resources" / "labels"
PLACES = ("", "_shift-0-1-3", "_shift-0-2-3", "_shift-0-1-2")
STRIPS = [f"AA_strip-{cells}{place}" for cells in ("9-10", "9-8") for place in PLACES]


def slides(tau):
    """Some dipoles of stackings, (m, layer, 3)."""
    wave = np.cos(2 * np.pi * tau @ [1, 0])[:, None, None]
    return wave * np.array([[1.0, 2.0, -3.0], [0.5, 0.0, 4.0]])


def made(names, orders):
    """Strips whose dipoles are e t + e^2 u beyond those of the slides."""
    strips = []
    for name in names:
        strip = build(name, A, D)
        dipole = np.full((len(strip), 3), np.nan)
        e = hs.strain_of(strip)
        for i in strip.sites:
            layer, tau = strip.layer[i], strip.stacking_at(strip.positions[[i], :2])
            first, second = orders[:, layer]
            dipole[i] = slides(tau)[0, layer] + hs.terms(tau)[0] @ (e * first + e**2 * second)
        strip.set_array("dipole", dipole)
        strips.append(strip)
    return strips


@pytest.fixture(scope="module")
def orders():
    return np.random.default_rng(0).normal(size=(2, 2, len(hs.TERMS), 3))


def test_a_fit_finds_both_orders(orders):
    found, left = hs.fit(made(STRIPS, orders), slides)
    np.testing.assert_allclose(found, orders, atol=1e-10)
    assert left.max() < 1e-12


@pytest.mark.parametrize(
    "few", [STRIPS[:4], STRIPS[4:], [STRIPS[0], STRIPS[1], STRIPS[4], STRIPS[5]]]
)
def test_too_few_strips_are_an_error(orders, few):
    with pytest.raises(JobError, match="of compression and of tension"):
        hs.fit(made(few, orders), slides)


def test_strain_in_every_direction_has_the_symmetry_of_the_layers(orders):
    t, tau = orders[0, 0], np.random.default_rng(1).random((7, 2))
    T = hs.biaxial_response(t, tau, "AA")
    for matrix, swap in layer_symmetries("AA"):
        if not swap:
            turned = hs.biaxial_response(t, transform_slide(tau, (matrix, False)), "AA")
            np.testing.assert_allclose(turned, T @ matrix.T, atol=1e-12)
    assert np.abs(T).max() > 0.1


def test_what_one_direction_makes_alone_is_taken_away():
    """A piezoelectric dipole in the plane cancels; along z two directions count twice."""
    t = np.zeros((len(hs.TERMS), 3))
    t[0] = 5.0, -4.0, 1.5
    T = hs.biaxial_response(t, np.random.default_rng(2).random((5, 2)), "AA")
    np.testing.assert_allclose(T, np.tile([0, 0, 3.0], (5, 1)), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "strain"),
    [
        ("AA_mismatch-9-10", -0.1),
        ("AA_mismatch-5-4", 0.25),
        ("AA_strip-9-10", -0.1),
        ("AA_twist-2-3", 0.0),
        ("AA_slide-1-2-5_strain+2.00", 0.0),
    ],
)
def test_strain_is_that_of_the_lower_layer_against_the_upper(name, strain):
    atoms = build(name, A, D)
    assert hs.strain_of(atoms) == pytest.approx(strain, abs=1e-12)
    assert bool(System.parse(name).eta) == bool(strain)


def test_a_strip_has_its_own_direction_and_a_cell_both(orders):
    for name in ("AA_strip-9-10", "AA_mismatch-4-5"):
        atoms = build(name, A, D)
        chosen = atoms.sites
        tau, layer = atoms.stacking_at(atoms.positions[chosen, :2]), atoms.layer[chosen]
        for own in (0, 1):
            t = orders[0, own]
            strip = name.startswith("AA_strip")
            one = hs.terms(tau) @ t if strip else hs.biaxial_response(t, tau, "AA")
            found = hs.heterostrain_correction(atoms, orders[0])[layer == own]
            np.testing.assert_allclose(found, hs.strain_of(atoms) * one[layer == own], atol=1e-12)


@pytest.mark.parametrize("name", ["AA_mismatch-4-5", "AAp_mismatch-5-4", "AA_mismatch-3-4_d3.500"])
def test_local_slides_are_the_slides(name):
    """Every N has the surroundings of the slide of its stacking, as `build` makes it."""
    atoms = build(name, A, D)
    chosen = atoms.sites
    found = LocalStackingNeighbours(atoms, SPECIES, CUTOFF).of(chosen)
    tau = atoms.stacking_at(atoms.positions[chosen, :2])
    for index, i in enumerate(chosen):
        slide = build(f"{atoms.family}_slide-0-0-1", A, np.ptp(atoms.positions[:, 2]))
        slide.positions[slide.layer == 1, :2] += tau[index] @ slide.cell.array[:2, :2]
        layer = atoms.layer[i]
        own = np.flatnonzero((slide.is_site) & (slide.layer == layer))
        wanted = Neighbours(slide, SPECIES, CUTOFF).of(own)
        for here, there in zip(found.vectors, wanted.vectors, strict=True):
            a, b = (_sorted(v) for v in (here[index], there[0]))
            np.testing.assert_allclose(a, b, atol=1e-9)


def _sorted(vectors):
    vectors = vectors[np.isfinite(vectors[:, 0])].round(9)
    return vectors[np.lexsort(vectors.T)]


def test_shipped_strips_follow_both_orders():
    """Seven numbers a layer and order hold 7.5e-4 e.A of strain to a twentieth of that."""
    strips = read_frames(SHIPPED / "strips.nc")
    waves = slide_waves(*labelled_slides(read_frames(SHIPPED / "aa_large.nc"), "AA", 10))
    (first, _), left = hs.fit(strips, lambda tau: at_stackings(*waves, tau))
    assert left[:, 2].max() < 1e-4
    change = 0.1 * np.abs(first[:, :, 2]).sum(axis=1)
    assert change.min() > 5e-4
