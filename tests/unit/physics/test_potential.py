"""The potential above a bilayer: limits, images, a numerical solution, and direct DFT."""

import numpy as np
import pytest
from scipy.linalg import solve_banded

from moirepol.physics.long_range import COULOMB_V_A
from moirepol.physics.polarization import map_of_bilayer
from moirepol.physics.potential import (
    Dielectric,
    DipoleLayers,
    Surroundings,
    emitted,
    potential_above,
    potential_of_map,
    reflection,
    respond,
)
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import read_netcdf
from support import ROOT

AREA, T = 5.456, 3.33
P_PERP = 3.29e-3 / 2  # e.A per N atom: two layers make the polarization of the stacking N
HBN = Dielectric(20.0, 6.9, 3.8)


def layers(q, p=((0, 0, P_PERP), (0, 0, P_PERP)), **options):
    """One wave along x with the same dipoles in both layers."""
    q = np.atleast_1d(q)
    dipoles = np.broadcast_to(np.array(p, dtype=complex), (len(q), 2, 3))
    return DipoleLayers(np.column_stack([q, 0 * q]), dipoles, np.array([AREA, AREA]), T, **options)


def test_a_wave_decays_with_its_wave_number():
    q = np.array([0.02, 0.1, 0.5])
    near, far = potential_above(layers(q), [4.0, 11.0], Surroundings())
    np.testing.assert_allclose(far / near, np.exp(-7 * q), rtol=1e-12)


@pytest.mark.parametrize(("grounded", "expected"), [(False, 54.6), (True, 109.1)])
def test_a_wide_domain_has_the_step_of_its_polarization(grounded, expected):
    """P/(2 eps0) above a free bilayer, P/eps0 above a grounded one, whatever the spacer."""
    for spacer in ((), (HBN,)):
        around = Surroundings(grounded=grounded, spacer=spacer)
        phi = potential_above(layers(1e-7), [5.0], around)
        assert phi.real.item() == pytest.approx(expected, abs=0.1)
        assert abs(phi.imag.item()) < 1e-6


def test_a_stack_adds_its_interfaces():
    around = Surroundings(interfaces=3, between=(HBN,))
    one, three = (potential_above(layers(1e-7), [5.0], a).item() for a in (Surroundings(), around))
    assert three == pytest.approx(3 * one, rel=1e-4)
    # A short wave of the lower interfaces does not reach the surface.
    one, three = (potential_above(layers(0.5), [5.0], a).item() for a in (Surroundings(), around))
    assert abs(three) < 1.1 * abs(one)


def test_a_grounded_plane_makes_images():
    """Each dipole has an image as far behind the plane: p_z the same, charges the opposite."""
    q, gap, height = 0.2, 4.0, 6.0
    p = np.array([[2e-3, 0, 1e-3], [2e-3, 0, 1e-3]])
    found = potential_above(
        layers(q, p), [height], Surroundings(grounded=True, spacer=(Dielectric(gap, 1, 1),))
    ).item()
    x = q * T / 2
    size = 1e3 * 2 * np.pi * COULOMB_V_A / AREA * np.sinh(x) / x
    expected = 0
    for level in (0, 1):
        above_plane = gap + T / 2 + level * T
        z = gap + 1.5 * T + height  # of the place, above the plane
        charge, pz = -1j * p[level, 0], p[level, 2]
        expected += size * (pz + charge) * np.exp(-q * (z - above_plane))
        expected += size * (pz - charge) * np.exp(-q * (z + above_plane))
    assert found == pytest.approx(expected, rel=1e-12)


def test_slabs_agree_with_a_numerical_solution():
    """Poisson's equation for one wave on a fine grid, with a plane, a spacer and a cover."""
    q, step = 0.15, 0.005
    spacer, cover = Dielectric(7.0, 5.0, 3.0), Dielectric(6.0, 6.9, 3.8)
    bottom = spacer.thickness_A
    top = bottom + 2 * T
    z = np.arange(step, top + cover.thickness_A + 60, step)

    def permittivity(place, name):
        inside = [(0, bottom, spacer), (top, top + cover.thickness_A, cover)]
        values = np.ones(len(place))
        for low, high, slab in inside:
            values[(place > low) & (place < high)] = getattr(slab, name)
        return values

    between = permittivity(np.append(z - step / 2, z[-1] + step / 2), "out_of_plane")
    main = -(between[1:] + between[:-1]) / step**2 - q**2 * permittivity(z, "in_plane")
    beside = between[1:-1] / step**2
    bands = np.array([np.append(0, beside), main, np.append(beside, 0)])
    # p_z of both slabs: charges at the surfaces of one slab of thickness 2 t.
    charge = np.zeros(len(z))
    for place, sign in ((bottom, -1), (top, 1)):
        charge[np.abs(z - place).argmin()] += sign * P_PERP / (AREA * T) / step
    phi = 1e3 * solve_banded((1, 1), bands, -4 * np.pi * COULOMB_V_A * charge)
    around = Surroundings(grounded=True, spacer=(spacer,), cover=(cover,))
    heights = np.array([2.0, 10.0])
    found = potential_above(layers(q), heights, around)[:, 0]
    expected = np.interp(top + cover.thickness_A + heights, z, phi)
    np.testing.assert_allclose(found.real, expected, rtol=3e-3)


def test_a_vacuum_reflects_nothing_and_a_metal_everything():
    q = np.array([1e-6, 0.1, 1.8])
    np.testing.assert_allclose(reflection(q, [Dielectric(1e4, 1, 1)], False)[0], 0, atol=1e-12)
    np.testing.assert_allclose(reflection(q, [], True)[0], -1)
    reflected, transmitted = reflection(q, [Dielectric(1e5, 7, 4)], False)
    assert np.isfinite(reflected).all() and np.isfinite(transmitted).all()


def test_the_bilayer_responds_to_its_surroundings():
    polarizable = layers(0.15, polarizability=(0.376, 0.0625))
    none, metal = np.zeros(1), -np.ones(1)
    free = respond(polarizable, none, none)
    np.testing.assert_array_equal(free, polarizable.dipoles)
    near = respond(polarizable, metal, none)
    # A metal attracts: the image of p_z strengthens it.
    assert 1.2 < near[0, 0, 2].real / P_PERP < 1.5
    assert near[0, 0, 2].real > near[0, 1, 2].real
    rigid = layers(0.15)
    np.testing.assert_allclose(respond(rigid, metal, none), rigid.dipoles, atol=1e-15)


def test_the_bilayer_is_the_slab_that_its_polarizability_gives():
    slab = layers(0.1, polarizability=(0.376, 0.0625)).as_dielectric
    assert slab.thickness_A == 2 * T
    assert slab.in_plane == pytest.approx(4.74, abs=0.01)
    assert slab.out_of_plane == pytest.approx(2.65, abs=0.01)


def test_opposite_vertical_dipoles_belong_to_the_quadrupole():
    up, down = emitted(layers(0.2), layers(0.2, ((0, 0, -1e-3), (0, 0, 1e-3))).dipoles)
    assert abs(up) + abs(down) < 1e-15


def test_the_published_decay_with_height_and_period():
    """exp(-4 pi z / (sqrt(3) b)) for the first waves of a pattern of period b."""
    for period in (96.0, 144.0):
        q = 4 * np.pi / (np.sqrt(3) * period)
        near, far = potential_above(layers(q), [3.0, 23.0], Surroundings())
        assert (far / near).real.item() == pytest.approx(
            np.exp(-4 * np.pi * 20 / (3**0.5 * period))
        )


class TestDirectDFT:
    """The first waves at 13.17 degrees against the electrostatic potential of pw.x."""

    NAME = "AA_twist-2-3"

    @pytest.fixture
    def direct(self):
        return read_netcdf(ROOT / "resources" / "potentials" / f"{self.NAME}.nc", "phi", "gap")

    @pytest.fixture
    def model(self):
        """The potential of the dipoles of direct DFT."""
        frames = read_frames(ROOT / "resources" / "labels" / "moire_large.nc")
        (frame,) = (frame for frame in frames if frame.name == self.NAME)
        return potential_of_map(map_of_bilayer(frame, 48), (0.0, 0.0), [3.0, 5.0], Surroundings())

    @staticmethod
    def free_standing(ds, height):
        """First wave in mV without that of the periodic image below, by least squares."""
        heights = ds["height"].values[1:]  # above the density
        waves = np.fft.fft2(ds["phi"].values[1:])[:, 1, 0] / ds["phi"][0].size
        q = 2 * np.pi * np.linalg.norm(np.linalg.inv(ds["cell"].values)[:, 0])
        both = np.exp(-q * np.stack([heights, float(ds["gap"]) - heights], axis=1))
        found, *_ = np.linalg.lstsq(both, waves, rcond=None)
        np.testing.assert_allclose(both @ found, waves, atol=0.02)
        return found[0] * np.exp(-q * height)

    def test_the_waves(self, direct, model):
        for height, phi, close in zip((3.0, 5.0), model, (0.75, 0.2), strict=True):
            found = np.fft.fft2(phi)[1, 0] / phi.size
            expected = self.free_standing(direct, height)
            assert abs(found - expected) < close
