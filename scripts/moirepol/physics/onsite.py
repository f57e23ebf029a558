"""Electrostatic potential in the layers: shifts of on-site energies for tight-binding models.

The potential of the slabs of `moirepol.physics.long_range` is averaged over the slab of each layer.
For uniform dipoles p_z of the sites it is

    phi_upper = p_z,lower / (2 eps0 A),   phi_lower = -p_z,upper / (2 eps0 A),

with the area A per site. The difference of the two layers is P_z / (2 eps0 A), with the sum P_z of
both dipoles. The energy of an electron in layer l is shifted by -e phi_l. A dipole along +z
therefore lowers the levels of the upper layer relative to those of the lower layer.
"""

import numpy as np

from moirepol.physics.long_range import slab_potential
from moirepol.physics.polarization import Sites
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, UPPER

FORMULA = (
    "shift_eV = -phi_layer / V. phi_layer is the potential of polarized slabs, averaged over the "
    "layer; uniform polarization gives phi_upper - phi_lower = P_z / (2 eps0 A)"
)


def layer_potentials(
    wave_vectors: np.ndarray, dipoles: np.ndarray, areas: np.ndarray, thickness_A: float
) -> np.ndarray:
    """Return the plane waves of the potential in both layers.

    Parameters
    ----------
    wave_vectors
        Wave vectors (K, 2) in 1/angstrom, with the factor 2 pi.
    dipoles
        Complex coefficients (K, layer, 3) of the dipole per site in e.angstrom.
    areas
        Area per site (layer,) in angstrom^2.
    thickness_A
        Thickness of the slab of a layer in angstrom: the layer distance.

    Returns
    -------
    ndarray
        Complex coefficients (K, layer) of the potential in V.
    """
    return np.stack(
        [
            sum(
                slab_potential(
                    wave_vectors, dipoles[:, there], here, there, areas[there], thickness_A
                )
                for there in (LOWER, UPPER)
            )
            for here in (LOWER, UPPER)
        ],
        axis=1,
    )


def onsite_shifts(bilayer: Bilayer) -> np.ndarray:
    """Return the shift of the on-site energy of every atom.

    Parameters
    ----------
    bilayer
        Bilayer with dipoles.

    Returns
    -------
    ndarray
        Shifts (n,) in eV, of an electron.
    """
    cell, thickness = bilayer.cell_2d, bilayer.layer_distance_A
    places = (bilayer.positions - bilayer.displacement)[:, :2]
    waves = []
    for layer, lattice in enumerate(bilayer.lattices):
        sites = bilayer.sites_of(layer)
        k, C = Sites(places[sites], lattice, cell).waves(bilayer.arrays["dipole"][sites])
        waves.append((k, 2 * np.pi * k @ np.linalg.inv(cell).T, C))
    shifts = np.zeros(len(bilayer))
    for here, lattice in enumerate(bilayer.lattices):
        for species in np.unique(bilayer.numbers):
            own = (bilayer.layer == here) & (bilayer.numbers == species)
            sublattice = Sites(places[own], lattice, cell)
            for there, (k, wave_vectors, C) in enumerate(waves):
                area = bilayer.areas[there]
                phi = slab_potential(wave_vectors, C, here, there, area, thickness)
                shifts[own] -= sublattice.values(k, phi[:, None])[:, 0]
    return shifts
