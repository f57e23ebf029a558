"""Constants of a monolayer from made-up energies, and the shipped ones."""

import numpy as np
import pytest

from moirepol.physics import monolayer
from moirepol.structure.building import build
from moirepol.structure.symmetry import layer_symmetries
from moirepol.workflow.provenance import read_netcdf
from support import ROOT

SHIPPED = ROOT / "resources" / "monolayer" / "hBN.nc"
K, G, C, STIFF, Z, E11, AREA = 11.0, 7.0, 12.0, 40.0, -2.7, -1.2, 5.4
STRAIN, STEP = 0.005, 0.01


def made_up():
    """Energies, forces and dipoles of the model of the module's docstring."""
    cells = {
        "rest": (0, 0, 0),
        "biaxial+": (1, 1, 0),
        "biaxial-": (-1, -1, 0),
        "uniaxial+": (1, 0, 0),
        "uniaxial-": (-1, 0, 0),
        "moved+": (0, 0, 1),
        "moved-": (0, 0, -1),
    }
    energies, forces, dipoles = {}, {}, {}
    for name, (x, y, moved) in cells.items():
        xx, yy, u = STRAIN * x, STRAIN * y, STEP * moved
        elastic = AREA * (K * (xx + yy) ** 2 + G * (xx - yy) ** 2) / 2
        energies[name] = -360.0 + elastic + C * u * (xx - yy) + STIFF * u**2 / 2
        forces[name] = np.array([0.0, -C * (xx - yy) - STIFF * u])
        dipoles[name] = np.array([0.0, E11 * (xx - yy) + Z * u])
    return energies, forces, dipoles


def test_constants_of_a_known_energy():
    found = monolayer.constants(*made_up(), AREA, STRAIN, STEP)
    wanted = {
        "bulk_modulus": K,
        "shear_modulus_clamped": G,
        "shear_modulus": G - C**2 / STIFF / AREA,
        "stiffness": STIFF,
        "coupling": C,
        "internal_displacement": -C / STIFF,
        "born_charge": Z,
        "piezoelectricity_clamped": E11,
        "ionic_piezoelectricity": -Z * C / STIFF,
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


def test_the_polar_strain_turns_as_a_vector():
    """The threefold axis and the mirror plane of the layer turn v as they turn the strain."""
    strain = np.array([[0.3, 0.1], [0.1, -0.2]])
    for matrix, swap in layer_symmetries("AA"):
        if not swap:
            q = matrix[:2, :2]
            turned = monolayer.polar_strain(q @ strain @ q.T)
            np.testing.assert_allclose(turned, q @ monolayer.polar_strain(strain), atol=1e-12)


def test_shipped_constants_are_consistent():
    ds = read_netcdf(SHIPPED, "born_charge", "born_charge_ph")
    by_response = ds["born_charge_ph"].sel(species="N", component="x")
    assert float(ds["born_charge"]) == pytest.approx(float(by_response), abs=0.02)
    assert abs(ds["born_charge_ph"].sum("species")).max() < 0.02  # acoustic sum rule
    assert abs(ds["piezoelectricity"]) < abs(ds["piezoelectricity_clamped"])
    found = monolayer.Monolayer.from_file(SHIPPED)
    assert found.bulk_modulus_eV_per_A2 > found.shear_modulus_eV_per_A2 > 0
    area = build("AA_slide-0-0-1", 2.51, 3.33).areas[0]
    in_pC = found.born_charge_e * found.internal_displacement_A / area * 1602.176634
    both = ds["piezoelectricity_pC_per_m"] - ds["piezoelectricity_clamped_pC_per_m"]
    assert in_pC == pytest.approx(float(both), rel=1e-3)
