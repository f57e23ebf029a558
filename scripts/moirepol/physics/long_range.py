"""The part of a moire bilayer's dipoles that no model of finite range can learn from slides.

A slid bilayer is uniformly polarized. A pattern of wave vector q is not: its dipoles make a field
that reaches as far as the pattern's period, and the bilayer answers to it as to an applied field.
With p0 the dipoles of the local stacking, R the response to a field along z and alpha the
polarizability in the plane, the dipoles of layer l are

    p_l = S p0_l + R_l E_z,l + alpha (E_par,l + D_l),
    E_l(q) = sum_l' T_ll'(q) p_l'(q),    T(0) = 0.

A layer is a slab as thick as the layers are apart, t, polarized uniformly over its thickness, and
E_l the average over the slab of layer l of the field of all charges, less the depolarization that
slides have already. With x = q t, C = e / (4 pi eps0), A the area per N,

    f = 2 (x - 1 + exp(-x)) / x^2  within a layer,   g = (1 - exp(-x))^2 / x^2  between layers,

h = f or g, and s = +1 in the upper layer, -1 in the lower, l the layer that feels and l' the one
that makes the field:

    E_z = (2 pi C / A) (h q p_z + s' g i q.p_par / 2),
    E_par = -i q phi,  phi = (2 pi C / A) (-h i q.p_par / q + s g p_z / 2).

To first order in q it is the field of two-dimensional sheets of dipoles, whatever the slabs. Two
terms of the slabs are missing on purpose: the potential that both layers feel alike of opposite
p_z in the two, and the opposite E_z of alike charges, its counterpart. They belong to the bilayer's
quadrupole, which depends on how the dipole is divided between the layers and holds more than
dipoles.

D is the field of the step. What p0_z of a stacking comes from is moved between the layers, which
therefore differ by the whole step of the potential, 4 pi C P_z / A with P_z the sum of the layers'
p0_z; slabs have half of it between their middles. The other half, so near its charges that it does
not fade with q, is

    D_l = -i q s (2 pi C / A) P_z / 2.

So far no number is fitted, though the form of D was found on twisted cells: R is the model of the
field labels, alpha comes from linear response by first principles. S is of another kind. The
common dipole of the two layers is made by both, over
some distance, and so is, over a shorter one, what they have opposite in the plane: Gaussians of two
widths are taken over p0 upper + lower, and over the in-plane part of p0 upper - lower. The widths
are fitted to twisted cells computed directly (`fit_reach`); S differs from 1 by terms of second
order in q.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from scipy.sparse.linalg import LinearOperator, gmres

from moirepol.errors import JobError
from moirepol.physics.polarization import Sites
from moirepol.workflow.provenance import read_netcdf

COULOMB_V_A = 14.3996454  # e / (4 pi eps0) in V A
SIDES = (-1, 1)  # of the lower and the upper layer
TOLERANCE = 1e-9  # of the dipoles' size


class Field:
    """The long-range field that the dipoles of a flat bilayer make at its N atoms."""

    def __init__(self, atoms: Atoms, thickness_A: float):
        """atoms : with array ``layer`` and info ``layer_cell``. thickness_A : of a layer's slab."""
        self.thickness_A, self.cell = thickness_A, atoms.cell.array[:2, :2]
        self.layers = [
            np.flatnonzero((atoms.numbers == 7) & (atoms.arrays["layer"] == layer))
            for layer in (0, 1)
        ]
        lattices = atoms.info["layer_cell"]
        self.sites = [
            Sites(atoms.positions[layer, :2], lattice, self.cell)
            for layer, lattice in zip(self.layers, lattices, strict=True)
        ]
        self.areas = [abs(np.linalg.det(lattice)) for lattice in lattices]

    def of(self, dipoles: np.ndarray) -> np.ndarray:
        """Field (n, 3) in V/A of dipoles (n, 3) in e.A on all atoms; zero where no N is."""
        return self._answer(dipoles, self._field)

    def of_step(self, dipoles: np.ndarray) -> np.ndarray:
        """Field (n, 3) in V/A of the part of the step between the layers that slabs lack."""
        return self._answer(dipoles, self._step)

    def reached(self, dipoles: np.ndarray, reach_A: Sequence[float]) -> np.ndarray:
        """Dipoles (n, 3) with Gaussians over the layers' sum, and their difference in the plane.

        reach_A : the two widths.
        """

        def lost(wave_vector, C, here, there):
            q = np.linalg.norm(wave_vector, axis=1)[:, None]
            common, opposite = (1 - np.exp(-((q * width) ** 2) / 2) for width in reach_A)
            sign = 1 if here == there else -1
            return C / 2 * np.hstack([common + sign * opposite] * 2 + [common])

        return dipoles - self._answer(dipoles, lost)

    def _answer(self, dipoles, waves_of):
        """What `waves_of` makes in every layer of the waves of both layers' dipoles: (n, 3)."""
        waves = [
            sites.waves(dipoles[layer])
            for sites, layer in zip(self.sites, self.layers, strict=True)
        ]
        answer = np.zeros_like(dipoles)
        for here, (layer, sites) in enumerate(zip(self.layers, self.sites, strict=True)):
            for there, (k, C) in enumerate(waves):
                wave_vector = 2 * np.pi * k @ np.linalg.inv(self.cell).T
                answer[layer] += sites.values(k, waves_of(wave_vector, C, here, there))
        return answer

    def _step(self, wave_vector, C, here, there):
        strength = 2 * np.pi * COULOMB_V_A / self.areas[there]
        potential = strength * SIDES[here] / 2 * C[:, 2:]
        return np.hstack([-1j * wave_vector * potential, 0 * potential])

    def _field(self, wave_vector, C, here, there):
        q = np.linalg.norm(wave_vector, axis=1)
        uniform = q < 1e-9
        q = np.where(uniform, 1.0, q)
        x = q * self.thickness_A
        charge = -1j * (wave_vector * C[:, :2]).sum(axis=1)
        between = (1 - np.exp(-x)) ** 2 / x**2
        shape = 2 * (x - 1 + np.exp(-x)) / x**2 if here == there else between
        strength = np.where(uniform, 0.0, 2 * np.pi * COULOMB_V_A / self.areas[there])
        potential = strength * (shape * charge / q + SIDES[here] * between / 2 * C[:, 2])
        along_z = strength * (shape * q * C[:, 2] - SIDES[there] * between / 2 * charge)
        return np.column_stack([-1j * wave_vector * potential[:, None], along_z])


def read_polarizability(path: str | Path) -> float:
    """Polarizability in the plane of one N in e.A^2/V, from a file of `compute_polarizability`."""
    return float(read_netcdf(path, "in_plane")["in_plane"])


class LongRange:
    """The long range of one bilayer, to be added to its dipoles or taken out of them.

    Parameters
    ----------
    atoms : a bilayer of `moirepol.structure.building.build`
    response : (n, 3) in e.A^2/V, change of the dipoles with a field along z, zero on B
    polarizability_eA2_per_V : of one N in the plane
    thickness_A, reach_A : see above
    """

    def __init__(
        self,
        atoms: Atoms,
        response: np.ndarray,
        polarizability_eA2_per_V: float,
        thickness_A: float,
        reach_A: Sequence[float] = (0.0, 0.0),
    ):
        self.field = Field(atoms, thickness_A)
        self.name, self.nitrogens = atoms.info["name"], atoms.numbers == 7
        self.response, self.reach_A = response, reach_A
        self.polarizability = np.array([polarizability_eA2_per_V, polarizability_eA2_per_V, 0.0])

    def add(self, dipoles: np.ndarray) -> np.ndarray:
        """Dipoles (n, 3) in e.A, NaN on B, with the field of all others solved for
        self-consistency."""
        return self._solved(self._without_answer, self._spread_out(self._filled(dipoles)))

    def remove(self, dipoles: np.ndarray) -> np.ndarray:
        """The dipoles (n, 3) of short range that `add` makes these of."""
        return self._solved(self._spread_out, self._without_answer(self._filled(dipoles)))

    def _spread_out(self, short):
        return self.field.reached(short, self.reach_A) + self.polarizability * self.field.of_step(
            short
        )

    def _without_answer(self, dipoles):
        E = self.field.of(dipoles)
        return dipoles - self.response * E[:, 2:] - self.polarizability * E

    def _filled(self, dipoles):
        return np.where(self.nitrogens[:, None], dipoles, 0.0)

    def _solved(self, left_side, right):
        operator = LinearOperator(
            (right.size, right.size),
            matvec=lambda flat: left_side(flat.reshape(right.shape)).ravel(),
            dtype=float,
        )
        found, failed = gmres(operator, right.ravel(), rtol=TOLERANCE, restart=100, maxiter=5)
        if failed:
            raise JobError(f"{self.name}: the long-range field of the dipoles does not settle")
        return np.where(self.nitrogens[:, None], found.reshape(right.shape), np.nan)
