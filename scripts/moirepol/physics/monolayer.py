"""Elastic and piezoelectric constants of a monolayer with a threefold axis and a mirror plane.

For the point group -6m2, a homogeneous strain e of a layer with a1 along x, and a displacement u of
the dipole site against the rest of the cell, the energy and the dipole of a primitive cell of area
A are::

    E = A [K (e_xx + e_yy)^2 / 2 + G ((e_xx - e_yy)^2 + 4 e_xy^2) / 2]
        + c u.v(e) + k u^2 / 2,
    p = A e11 v(e) + Z u,        v(e) = (2 e_xy, e_xx - e_yy).

K and G are the moduli at fixed internal coordinates, e11 is the clamped-ion piezoelectric
coefficient, and Z the Born charge of the site. The threefold axis fixes the form of v. Where the
ions relax, u = -(c / k) v. This changes e11 by -Z c / (k A) and G by -c^2 / (k A).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moirepol.workflow.provenance import read_netcdf

#: Cells along x in one period of the ripple that the flexoelectric coefficient is computed with.
RIPPLED_CELLS = 8
#: N/m in 1 eV/angstrom^2.
N_PER_M = 16.02176634


def polar_strain(strain: np.ndarray) -> np.ndarray:
    """Return v = (2 e_xy, e_xx - e_yy) of strains (..., 2, 2) in the axes of a1 along x."""
    return np.stack([2 * strain[..., 0, 1], strain[..., 0, 0] - strain[..., 1, 1]], axis=-1)


@dataclass(frozen=True)
class Monolayer:
    """Constants of a monolayer.

    Attributes
    ----------
    bulk_modulus_eV_per_A2, shear_modulus_eV_per_A2
        K at fixed lattice sites, and G with relaxed ions.
    internal_displacement_A
        Displacement u_y of the dipole site per unit of e_xx - e_yy.
    born_charge_e
        Born charge of the dipole site in the plane: change of the dipole with its displacement.
    flexoelectricity_eA2
        Out-of-plane dipole of a site per curvature of the layer, the Laplacian of its height. It
        contains the field of the dipoles of the ripple themselves (`RIPPLED_CELLS`).
    born_charge_z_e
        Born charge of the dipole site along z, by linear response.
    """

    bulk_modulus_eV_per_A2: float
    shear_modulus_eV_per_A2: float
    internal_displacement_A: float
    born_charge_e: float
    flexoelectricity_eA2: float = 0.0
    born_charge_z_e: float = 0.0

    @classmethod
    def from_file(cls, path: str | Path) -> "Monolayer":
        """Read a file of `compute_monolayer`."""
        names = (
            "bulk_modulus",
            "shear_modulus",
            "internal_displacement",
            "born_charge",
            "flexoelectricity",
        )
        ds = read_netcdf(path, *names, "born_charge_ph")
        by_response = ds["born_charge_ph"].transpose("species", "component").values
        site = np.abs(by_response[:, 0] - float(ds["born_charge"])).argmin()
        bulk, shear, internal, charge, flexoelectricity = (float(ds[name]) for name in names)
        along_z = float(by_response[site, 2])
        return cls(bulk, shear, internal, charge, flexoelectricity, along_z)

    @property
    def born_charges_e(self) -> np.ndarray:
        """Born charges (3,) of the dipole site along x, y and z."""
        return np.array([self.born_charge_e, self.born_charge_e, self.born_charge_z_e])


def constants(
    energies: Mapping[str, float],
    forces: Mapping[str, np.ndarray],
    dipoles: Mapping[str, np.ndarray],
    area_A2: float,
    strain: float,
    displacement_A: float,
) -> dict[str, float]:
    """Return the constants of a monolayer from calculations of deformed cells.

    Parameters
    ----------
    energies
        Energy in eV of the cells ``rest``, ``biaxial+``, ``biaxial-``, ``uniaxial+`` and
        ``uniaxial-`` (strain along x).
    forces
        Force (2,) on the dipole site in eV/angstrom of ``uniaxial+``, ``uniaxial-`` and of the
        cells ``moved+``, ``moved-`` whose site is displaced along y.
    dipoles
        In-plane dipole (2,) in e.angstrom of the same cells.
    area_A2
        Area of the unstrained cell.
    strain
        Size of the strains.
    displacement_A
        Size of the displacements.

    Returns
    -------
    dict
        ``bulk_modulus``, ``shear_modulus_clamped``, ``shear_modulus`` (eV/angstrom^2), ``coupling``
        c (eV/angstrom), ``stiffness`` k (eV/angstrom^2), ``internal_displacement`` (angstrom),
        ``born_charge`` (e), ``piezoelectricity_clamped``, ``ionic_piezoelectricity`` and
        ``piezoelectricity`` (e.angstrom per cell).
    """

    def curvature(kind):
        change = energies[f"{kind}+"] + energies[f"{kind}-"] - 2 * energies["rest"]
        return change / strain**2 / area_A2

    def slope(values, kind, step):
        return (values[f"{kind}+"][1] - values[f"{kind}-"][1]) / (2 * step)

    bulk = curvature("biaxial") / 4
    shear_clamped = curvature("uniaxial") - bulk
    coupling = -slope(forces, "uniaxial", strain)
    stiffness = -slope(forces, "moved", displacement_A)
    internal = -coupling / stiffness
    charge = slope(dipoles, "moved", displacement_A)
    clamped = slope(dipoles, "uniaxial", strain)
    return {
        "bulk_modulus": bulk,
        "shear_modulus_clamped": shear_clamped,
        "shear_modulus": shear_clamped - coupling**2 / stiffness / area_A2,
        "coupling": coupling,
        "stiffness": stiffness,
        "internal_displacement": internal,
        "born_charge": charge,
        "piezoelectricity_clamped": clamped,
        "ionic_piezoelectricity": charge * internal,
        "piezoelectricity": clamped + charge * internal,
    }
