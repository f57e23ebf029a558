"""Long-range electrostatics of a moiré bilayer.

A translated bilayer is uniformly polarized. A moiré pattern of wave vector q is not. Its dipoles
make a field that extends over the period of the pattern, and the bilayer responds to this field as
to an applied one. A model of short range that is trained on translated bilayers cannot predict it.

Let p0 be the dipoles of the local stacking, R the response to a field along z, and alpha the
in-plane polarizability. The dipoles of layer l are

    p_l = p0_l + R_l E_z,l + alpha E_par,l,
    E_l(q) = sum_l' T_ll'(q) p_l'(q),    T(0) = 0.

**Field of the slabs.** A layer is modelled as a slab of thickness t, the layer distance, polarized
uniformly over its thickness. E_l is the field of the charges of both slabs, averaged over the slab
of layer l, minus the depolarization field that translated bilayers contain already. Layer l is the
one in which the field acts, l' the one that makes it, and D = z_l - z_l' is their distance along z.
With x = q t, C = e / (4 pi eps0) and A the area per site,

    E_z = (2 pi C / A) (h q p_z - c k i q.p_par),
    E_par = -i q phi,   phi = (2 pi C / A) (-h i q.p_par / q + k p_z).

The form factors h and k are

    h = 2 (x - 1 + exp(-x)) / x^2,   k = 0                      within a layer,
    h = (1 - exp(-x))^2 / x^2,       k = h                      if l is above l',
    h = (1 - exp(-x))^2 / x^2,       k = -h                     if l is below l'.

**Interlayer coupling.** The number c is 1 for slabs. It is the strength with which the charges of
the in-plane dipoles of one layer polarize the other layer along z. If the charges are opposite in
the two layers, their field is confined between the layers and acts on a part of the electrons only.
R is the response to a field that acts on all of them. c is fitted together with the expansion in
the displacement gradient (`moirepol.physics.gradient`).

**Periodic images.** A label by plane waves is of a bilayer that is repeated along z at a distance
H, the cell height. Its dipoles contain the field of the images. With S = sinh(x/2) / (x/2) and
n = 1 / (exp(q H) - 1), the images add

    2 n S^2 cosh(q D) to h,   -2 n S^2 sinh(q D) to k in phi and to the product c k in E_z.

Labels that are computed with a two-dimensional Coulomb interaction have no images, and predictions
have none.

No other number is fitted. R is the model of the field labels, alpha is computed by linear response,
and t is the layer distance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from moirepol.errors import JobError
from moirepol.physics.expansion import Expansion
from moirepol.physics.polarization import Sites
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, UPPER
from moirepol.workflow.provenance import read_netcdf

COULOMB_V_A = 14.3996454  # e / (4 pi eps0) in V A
#: Wave number in 1/angstrom that counts as zero.
SMALLEST_Q = 1e-6
TOLERANCE = 1e-9  # of the dipoles' size
LARGEST_NUMBER_OF_STEPS = 30
#: Largest wave vector times the lattice constant: beyond the corner of the Brillouin zone, also of
#: a strained layer.
LARGEST_WAVE = 1.1 * 4 * np.pi / 3


class Field:
    """The long-range field of the dipoles of a flat bilayer, at its dipole sites.

    Parameters
    ----------
    bilayer
        The bilayer.
    thickness_A
        Thickness of the slab of a layer in angstrom.
    coupling
        Interlayer coupling c.
    """

    def __init__(self, bilayer: Bilayer, thickness_A: float, coupling: float = 1.0):
        self.thickness_A, self.cell = thickness_A, bilayer.cell_2d
        self.image_distance_A = bilayer.image_distance_A
        self.layers = [np.flatnonzero(bilayer.site_layers == layer) for layer in (LOWER, UPPER)]
        # The waves of deformed layers are those of the sites of the rigid lattices.
        places = bilayer.rigid_positions[bilayer.is_site, :2]
        self.sites = [
            Sites(places[layer], lattice, self.cell)
            for layer, lattice in zip(self.layers, bilayer.site_lattices, strict=True)
        ]
        # A wave beyond the Brillouin zone of a layer is no long-range wave. Atoms do not have it,
        # the grid of a sampled bilayer does. On a grid, a wave on the boundary of its zone has no
        # direction: waves of other directions have the same values at the sites.
        largest = LARGEST_WAVE / np.linalg.norm(bilayer.lattices[:, 0], axis=1)
        reciprocal = 2 * np.pi * np.linalg.inv(self.cell).T
        self.within = [
            (np.linalg.norm(sites.wave_vectors @ reciprocal, axis=1) < most)
            & (sites.is_unique | ("site_cell" not in bilayer.info))
            for sites, most in zip(self.sites, largest, strict=True)
        ]
        self.k = [
            sites.wave_vectors[kept] for sites, kept in zip(self.sites, self.within, strict=True)
        ]
        # The field is linear in the dipoles: it is a tensor for each wave and pair of layers. The
        # tensor is linear in the coupling.
        uncoupled, coupled = (
            {
                (here, there): self._tensor(self.k[there] @ reciprocal, here, there, area, c)
                for here in (LOWER, UPPER)
                for there, area in zip((LOWER, UPPER), bilayer.areas, strict=True)
            }
            for c in (0.0, 1.0)
        )
        self.per_coupling = {pair: coupled[pair] - uncoupled[pair] for pair in coupled}
        self.tensors = {
            pair: uncoupled[pair] + coupling * self.per_coupling[pair] for pair in coupled
        }
        self.evaluators = [sites.evaluator(np.concatenate(self.k)) for sites in self.sites]

    def of(self, dipoles: np.ndarray) -> np.ndarray:
        """Return the field (m, 3) in V/angstrom of the sites' dipoles (m, 3) in e.angstrom."""
        return self.of_waves(self.waves(dipoles))

    def per_unit_of_coupling(self, dipoles: np.ndarray) -> np.ndarray:
        """Return the change of the field (m, 3) per unit of the coupling, for dipoles (m, 3)."""
        return self.of_waves(self.waves(dipoles), self.per_coupling)

    def waves(self, values: np.ndarray) -> list[np.ndarray]:
        """Return the coefficients (K, 3) of the long waves of the sites' values, by layer."""
        return [
            sites.waves(values[layer])[1][kept]
            for sites, layer, kept in zip(self.sites, self.layers, self.within, strict=True)
        ]

    def of_waves(
        self,
        waves: Sequence[np.ndarray],
        tensors: Mapping[tuple[int, int], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Return the field (m, 3) in V/angstrom of dipoles with these waves in e.angstrom."""
        tensors = self.tensors if tensors is None else tensors
        result = np.empty((sum(map(len, self.layers)), 3))
        for here, (layer, evaluate) in enumerate(zip(self.layers, self.evaluators, strict=True)):
            fields = [
                np.einsum("kij,kj->ki", tensors[here, there], C) for there, C in enumerate(waves)
            ]
            result[layer] = evaluate(np.concatenate(fields))
        return result

    def screened(self, response: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that adds the self-consistent field for a uniform response.

        Parameters
        ----------
        response
            Response of a site of each layer (3, 3) in e.angstrom^2/V: component i of its dipole, to
            component j of the field.

        Returns
        -------
        callable
            Dipoles (m, 3) in e.angstrom with the field, of those without. They are approximate if a
            wave of one layer is beyond the Brillouin zone of the other.
        """
        every_k, index = np.unique(np.concatenate(self.k), axis=0, return_inverse=True)
        own = np.split(index.ravel(), [len(self.k[LOWER])])
        shape = len(every_k), len(own), 3
        feedback = np.zeros((*shape, *shape[1:]), dtype=complex)
        for (here, there), tensor in self.tensors.items():
            common = np.isin(own[there], own[here])
            feedback[own[there][common], here, :, there] = response[here] @ tensor[common]
        size = 3 * len(own)
        inverse = np.linalg.inv(np.eye(size) - feedback.reshape(-1, size, size))

        def add(dipoles: np.ndarray) -> np.ndarray:
            table = np.zeros(shape, dtype=complex)
            for layer, C in enumerate(self.waves(dipoles)):
                table[own[layer], layer] = C
            table = (inverse @ table.reshape(-1, size, 1)).reshape(shape)
            field = self.of_waves([table[own[layer], layer] for layer in range(len(own))])
            result = dipoles.copy()
            for sites, matrix in zip(self.layers, response, strict=True):
                result[sites] += field[sites] @ matrix.T
            return result

        return add

    def _tensor(self, wave_vector, here, there, area, coupling):
        """Field (K, 3, 3) in V/angstrom of unit dipoles: its component i, from component j."""
        return np.stack(
            [
                slab_field(
                    wave_vector,
                    np.tile(unit, (len(wave_vector), 1)),
                    here,
                    there,
                    area,
                    self.thickness_A,
                    coupling,
                    self.image_distance_A,
                )
                for unit in np.eye(3)
            ],
            axis=-1,
        )


def _slab(wave_vector, C, here, there, thickness_A, image_distance_A):
    """Wave number, charge of the in-plane dipoles, and form factors of a slab's waves.

    The form factors are h, k without images, and what the images add to k.
    """
    q = np.maximum(np.linalg.norm(wave_vector, axis=1), SMALLEST_Q)
    x = q * thickness_A
    charge = -1j * (wave_vector * C[:, :2]).sum(axis=1)
    if here == there:
        h, k = 2 * (x - 1 + np.exp(-x)) / x**2, 0 * x
    else:
        h = (1 - np.exp(-x)) ** 2 / x**2
        k = h * np.sign(here - there)
    with np.errstate(over="ignore"):
        images = 2 * (2 * np.sinh(x / 2) / x) ** 2 / np.expm1(q * image_distance_A)
    D = x * (here - there)
    return q, charge, h + images * np.cosh(D), k, -images * np.sinh(D)


def slab_potential(
    wave_vector: np.ndarray,
    C: np.ndarray,
    here: int,
    there: int,
    area: float,
    thickness_A: float,
    image_distance_A: float = np.inf,
) -> np.ndarray:
    """Return the potential of the waves of one layer's dipoles, averaged over the slab of a layer.

    Parameters
    ----------
    wave_vector
        Wave vectors (K, 2) in 1/angstrom, with the factor 2 pi.
    C
        Complex coefficients (K, 3) of the dipole per site in e.angstrom.
    here, there
        Layer of the potential, and layer of the dipoles.
    area
        Area per site of the layer of the dipoles in angstrom^2.
    thickness_A
        Thickness of a slab in angstrom.
    image_distance_A
        Distance H in angstrom at which the bilayer is repeated along z.

    Returns
    -------
    ndarray
        Complex coefficients (K,) of the potential in V.
    """
    q, charge, h, k, images = _slab(wave_vector, C, here, there, thickness_A, image_distance_A)
    return 2 * np.pi * COULOMB_V_A / area * (h * charge / q + (k + images) * C[:, 2])


def slab_field(
    wave_vector: np.ndarray,
    C: np.ndarray,
    here: int,
    there: int,
    area: float,
    thickness_A: float,
    coupling: float = 1.0,
    image_distance_A: float = np.inf,
) -> np.ndarray:
    """Return the field of the waves of one layer's dipoles, averaged over the slab of a layer.

    Parameters are those of `slab_potential`, and the interlayer coupling c.

    Returns
    -------
    ndarray
        Complex coefficients (K, 3) of the field in V/angstrom; zero for a uniform polarization.
    """
    uniform = np.linalg.norm(wave_vector, axis=1) < SMALLEST_Q
    q, charge, h, k, images = _slab(wave_vector, C, here, there, thickness_A, image_distance_A)
    potential = slab_potential(wave_vector, C, here, there, area, thickness_A, image_distance_A)
    strength = 2 * np.pi * COULOMB_V_A / area
    along_z = strength * (h * q * C[:, 2] + (coupling * k + images) * charge)
    field = np.column_stack([-1j * wave_vector * potential[:, None], along_z])
    return np.where(uniform[:, None], 0.0, field)


def read_polarizability(path: str | Path) -> float:
    """Return the in-plane polarizability of one site in e.angstrom^2/V from a file.

    The file is one of `compute_polarizability`.
    """
    return float(read_netcdf(path, "in_plane")["in_plane"])


def read_polarizabilities(path: str | Path | Sequence[str]) -> tuple[float, float]:
    """Return the in-plane and the out-of-plane response of one site to an applied field.

    The file is one of `compute_polarizability`. The unit is e.angstrom^2/V. The file contains the
    response of a cell along z, which has one site in each layer. Without a file, sites do not
    respond.
    """
    if not isinstance(path, str | Path):
        return 0.0, 0.0
    ds = read_netcdf(path, "in_plane", "along_z")
    return float(ds["in_plane"]), float(ds["along_z"]) / 2


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
    coupling
        Interlayer coupling c.
    """

    def __init__(
        self,
        bilayer: Bilayer,
        response: np.ndarray,
        polarizability_eA2_per_V: float,
        thickness_A: float,
        coupling: float = 1.0,
    ):
        self.field, self.name = Field(bilayer, thickness_A, coupling), bilayer.name
        self.response = response
        self.polarizability = np.array([polarizability_eA2_per_V, polarizability_eA2_per_V, 0.0])

    def add(self, short_range: np.ndarray) -> np.ndarray:
        """Return dipoles (m, 3) in e.angstrom with the self-consistent field of all others.

        The dipoles respond to the field, and they make it. With the mean response of each layer,
        the solution is known wave by wave. Every step adds this solution for what is missing. The
        responses differ little from their mean, so a few steps are enough. In small cells of a
        large mismatch, these steps may not converge. Then GMRES finds the solution.
        """
        dipoles, missing = np.zeros_like(short_range), short_range
        for _ in range(LARGEST_NUMBER_OF_STEPS):
            dipoles = dipoles + self._with_mean_response(missing)
            missing = short_range - self.remove(dipoles)
            if np.linalg.norm(missing) <= TOLERANCE * np.linalg.norm(short_range):
                return dipoles + missing
        return self._by_gmres(short_range)

    def _by_gmres(self, short_range):
        from scipy.sparse.linalg import LinearOperator, gmres  # slow to import, rarely needed

        def operator(function):
            shape = (short_range.size,) * 2
            return LinearOperator(
                shape, lambda p: function(p.reshape(short_range.shape)).ravel(), dtype=float
            )

        found, failed = gmres(
            operator(self.remove),
            short_range.ravel(),
            rtol=TOLERANCE,
            restart=LARGEST_NUMBER_OF_STEPS,
            M=operator(self._with_mean_response),
        )
        if failed:
            raise JobError(f"{self.name}: the long-range field of the dipoles does not converge")
        return found.reshape(short_range.shape)

    def remove(self, dipoles: np.ndarray) -> np.ndarray:
        """Return the short-range dipoles (m, 3) that `add` turns into these."""
        return dipoles - self._answer(self.field.of(dipoles))

    def per_unit_of_coupling(self, dipoles: np.ndarray) -> np.ndarray:
        """Return what the field adds (m, 3) per unit of the coupling, for given dipoles (m, 3)."""
        return self._answer(self.field.per_unit_of_coupling(dipoles))

    def _answer(self, E):
        """Dipoles (m, 3) in e.angstrom that a field (m, 3) in V/angstrom induces."""
        return self.response * E[:, 2:] + self.polarizability * E

    @cached_property
    def _with_mean_response(self):
        mean = np.array([self.response[layer].mean(axis=0) for layer in self.field.layers])
        along_z = np.array([0.0, 0.0, 1.0])
        return self.field.screened(mean[:, :, None] * along_z + np.diag(self.polarizability))


@dataclass(frozen=True)
class LongRange:
    """The term of a `Predictor` for the long-range field of all dipoles.

    Attributes
    ----------
    polarizability_eA2_per_V
        In-plane polarizability of one site.
    """

    polarizability_eA2_per_V: float

    @classmethod
    def from_file(cls, path: str | Path) -> "LongRange":
        """Read the polarizability from a file of `compute_polarizability`."""
        return cls(read_polarizability(path))

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
        coupling = expansion.interlayer_coupling
        solver = self.solver(expansion.bilayer, expansion.response, coupling)
        if expansion.without_field is not None:
            # `add` turns the result of `remove` into these dipoles, so they do not change.
            removed = solver.remove(expansion.without_field) - expansion.without_field
            expansion.add(0, removed[None])
        if expansion.coupling_deviations is not None:
            # A small change of the coupling acts as a change of the short-range dipoles.
            complete = solver.add(expansion.coefficients[0].mean(axis=0))
            per_unit = solver.per_unit_of_coupling(complete)
            expansion.add(0, expansion.coupling_deviations[:, None, None] * per_unit)
        expansion.completions.append(solver.add)

    def solver(
        self, bilayer: Bilayer, response: np.ndarray, coupling: float = 1.0
    ) -> LongRangeSolver:
        """Return the solver for one bilayer with its response (m, 3) in e.angstrom^2/V."""
        return LongRangeSolver(
            bilayer,
            response,
            self.polarizability_eA2_per_V,
            bilayer.layer_distance_A,
            coupling,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What the term depends on, for the provenance of a file."""
        return {"long_range": {"polarizability_eA2_per_V": self.polarizability_eA2_per_V}}
