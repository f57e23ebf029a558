"""Long-range electrostatics of a moiré bilayer.

A translated bilayer is uniformly polarized. A moiré pattern of wave vector q is not. Its dipoles
make a field that extends over the period of the pattern, and the bilayer responds to this field as
to an applied one. A model of short range that is trained on translated bilayers cannot predict it.

Let p0 be the dipoles of the local stacking, R the response to a field along z, and alpha the
in-plane polarizability. The dipoles of layer l are

    p_l = S p0_l + R_l E_z,l + alpha (E_par,l + D_l),
    E_l(q) = sum_l' T_ll'(q) p_l'(q),    T(0) = 0.

**Field of the slabs.** A layer is modelled as a slab of thickness t, the layer distance, polarized
uniformly over its thickness. E_l is the field of all charges, averaged over the slab of layer l,
minus the depolarization field that translated bilayers contain already. With x = q t,
C = e / (4 pi eps0) and A the area per site, the form factors are

    f = 2 (x - 1 + exp(-x)) / x^2  within a layer,   g = (1 - exp(-x))^2 / x^2  between layers.

Let h be f or g, and s = +1 in the upper and -1 in the lower layer. Layer l is the one in which the
field acts, l' the one that makes it:

    E_z = (2 pi C / A) (h q p_z + s' g i q.p_par / 2),
    E_par = -i q phi,  phi = (2 pi C / A) (-h i q.p_par / q + s g p_z / 2).

To first order in q this is the field of two-dimensional sheets of dipoles. Two terms of the slabs
are omitted on purpose. One is the equal potential in both layers due to opposite p_z in the two.
The other is the opposite E_z due to equal charges in the two. They belong to the quadrupole of the
bilayer. The quadrupole depends on how the dipole is divided between the layers and contains more
than dipoles.

**Field of the step.** The charge behind p0_z of a stacking is transferred between the layers. The
potentials of the layers therefore differ by the whole step 4 pi C P_z / A, where P_z is the sum of
p0_z of the layers. Between the middles of the slabs the difference is half of the step. The other
half does not decay with q, because it acts next to its charges:

    D_l = -i q s (2 pi C / A) P_z / 2.

No number is fitted in these terms: R is the model of the field labels, and alpha is computed by
linear response. The form of D was chosen on twisted cells.

**Smearing.** S is fitted. Both layers contribute to their common dipole over some distance. They
contribute to their opposite in-plane dipoles over a shorter one. S convolves p0 upper + p0 lower
with a Gaussian of one width, and the in-plane part of p0 upper - p0 lower with a Gaussian of
another. The widths are fitted to twisted cells of direct DFT (`fit_reach`). S - 1 is of second
order in q.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from moirepol.errors import JobError
from moirepol.physics.expansion import Expansion
from moirepol.physics.polarization import Sites
from moirepol.structure.bilayer import LOWER, UPPER, Bilayer
from moirepol.workflow.provenance import read_netcdf

COULOMB_V_A = 14.3996454  # e / (4 pi eps0) in V A
SIDES = (-1, 1)  # of the lower and the upper layer
TOLERANCE = 1e-9  # of the dipoles' size


class Field:
    """The long-range field of the dipoles of a flat bilayer, at its dipole sites.

    Parameters
    ----------
    bilayer
        The bilayer.
    thickness_A
        Thickness of the slab of a layer in angstrom.
    """

    def __init__(self, bilayer: Bilayer, thickness_A: float):
        self.thickness_A, self.cell = thickness_A, bilayer.cell_2d
        self.layers = [np.flatnonzero(bilayer.site_layers == layer) for layer in (LOWER, UPPER)]
        places = bilayer.site_positions[:, :2]
        self.sites = [
            Sites(places[layer], lattice, self.cell)
            for layer, lattice in zip(self.layers, bilayer.lattices, strict=True)
        ]
        self.areas = bilayer.areas

    def of(self, dipoles: np.ndarray) -> np.ndarray:
        """Return the field (m, 3) in V/angstrom of the sites' dipoles (m, 3) in e.angstrom."""
        return self._transform(dipoles, self._field)

    def of_step(self, dipoles: np.ndarray) -> np.ndarray:
        """Return the field (m, 3) in V/angstrom of the part of the step that slabs lack."""
        return self._transform(dipoles, self._step)

    def smear(self, dipoles: np.ndarray, smearing_A: Sequence[float]) -> np.ndarray:
        """Smear dipoles (m, 3) with Gaussians.

        Parameters
        ----------
        dipoles
            Dipoles (m, 3) in e.angstrom.
        smearing_A
            Widths in angstrom for the sum of the layers, and for the in-plane part of their
            difference.

        Returns
        -------
        ndarray
            Dipoles (m, 3) in e.angstrom.
        """

        def lost(wave_vector, C, here, there):
            q = np.linalg.norm(wave_vector, axis=1)[:, None]
            common, opposite = (1 - np.exp(-((q * width) ** 2) / 2) for width in smearing_A)
            sign = 1 if here == there else -1
            return C / 2 * np.hstack([common + sign * opposite] * 2 + [common])

        return dipoles - self._transform(dipoles, lost)

    def _transform(self, dipoles, waves_of):
        """Apply `waves_of` to the plane waves of both layers' dipoles, sum in every layer."""
        waves = [
            sites.waves(dipoles[layer])
            for sites, layer in zip(self.sites, self.layers, strict=True)
        ]
        result = np.zeros_like(dipoles)
        for here, (layer, sites) in enumerate(zip(self.layers, self.sites, strict=True)):
            for there, (k, C) in enumerate(waves):
                wave_vector = 2 * np.pi * k @ np.linalg.inv(self.cell).T
                result[layer] += sites.values(k, waves_of(wave_vector, C, here, there))
        return result

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
    """Return the in-plane polarizability of one site in e.angstrom^2/V from a file.

    The file is one of `compute_polarizability`.
    """
    return float(read_netcdf(path, "in_plane")["in_plane"])


class LongRangeSolver:
    """Self-consistent long-range field of one bilayer, added to its dipoles or taken out of them.

    Parameters
    ----------
    bilayer
        The bilayer.
    response
        Change (m, 3) of the sites' dipoles with a field along z, in e.angstrom^2/V.
    polarizability_eA2_per_V
        In-plane polarizability of one site.
    thickness_A
        Thickness of the slab of a layer in angstrom.
    smearing_A
        Gaussian smearing widths in angstrom, see `Field.smear`.
    """

    def __init__(
        self,
        bilayer: Bilayer,
        response: np.ndarray,
        polarizability_eA2_per_V: float,
        thickness_A: float,
        smearing_A: Sequence[float] = (0.0, 0.0),
    ):
        self.field, self.name = Field(bilayer, thickness_A), bilayer.name
        self.response, self.smearing_A = response, smearing_A
        self.polarizability = np.array([polarizability_eA2_per_V, polarizability_eA2_per_V, 0.0])

    def add(self, short_range: np.ndarray) -> np.ndarray:
        """Return dipoles (m, 3) in e.angstrom with the self-consistent field of all others."""
        return self._solve(self._without_response, self._source(short_range))

    def remove(self, dipoles: np.ndarray) -> np.ndarray:
        """Return the short-range dipoles (m, 3) that `add` turns into these."""
        return self._solve(self._source, self._without_response(dipoles))

    def _source(self, short_range):
        step = self.polarizability * self.field.of_step(short_range)
        return self.field.smear(short_range, self.smearing_A) + step

    def _without_response(self, dipoles):
        E = self.field.of(dipoles)
        return dipoles - self.response * E[:, 2:] - self.polarizability * E

    def _solve(self, left_side: Callable[[np.ndarray], np.ndarray], right: np.ndarray):
        operator = LinearOperator(
            (right.size, right.size),
            matvec=lambda flat: left_side(flat.reshape(right.shape)).ravel(),
            dtype=float,
        )
        found, failed = gmres(operator, right.ravel(), rtol=TOLERANCE, restart=100, maxiter=5)
        if failed:
            raise JobError(f"{self.name}: the long-range field of the dipoles does not converge")
        return found.reshape(right.shape)


@dataclass(frozen=True)
class LongRange:
    """The term of a `Predictor` for the long-range field of all dipoles.

    Attributes
    ----------
    polarizability_eA2_per_V
        In-plane polarizability of one site.
    smearing_A
        Gaussian smearing widths in angstrom, see `Field.smear`.
    """

    polarizability_eA2_per_V: float
    smearing_A: tuple[float, float] = (0.0, 0.0)
    local_stackings = False

    @classmethod
    def from_file(cls, path: str | Path, smearing_A: Sequence[float]) -> "LongRange":
        """Read the polarizability from a file of `compute_polarizability`."""
        common, opposite = smearing_A
        return cls(read_polarizability(path), (common, opposite))

    def applies(self, bilayer: Bilayer) -> bool:
        """Whether the term contributes; it does for every bilayer."""
        return True

    def without(self, name: str) -> "LongRange":
        """Return the term itself: it is not fitted to single frames."""
        return self

    def contribute(self, expansion: Expansion) -> None:
        """Register the self-consistent field; it needs the response to a field."""
        if 1 not in expansion.coefficients:
            bilayer = expansion.bilayer
            raise JobError(f"{bilayer.name}: no response model of {bilayer.family}")
        expansion.completions.append(self.solver(expansion.bilayer, expansion.response).add)

    def solver(self, bilayer: Bilayer, response: np.ndarray) -> LongRangeSolver:
        """Return the solver for one bilayer with its response (m, 3) in e.angstrom^2/V."""
        return LongRangeSolver(
            bilayer,
            response,
            self.polarizability_eA2_per_V,
            bilayer.layer_distance_A,
            self.smearing_A,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What the term depends on, for the provenance of a file."""
        return {
            "long_range": {
                "polarizability_eA2_per_V": self.polarizability_eA2_per_V,
                "smearing_A": list(self.smearing_A),
            }
        }
