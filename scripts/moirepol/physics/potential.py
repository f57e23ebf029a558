"""Electrostatic potential above a moiré bilayer, from the dipoles of its layers.

Layers are slabs of thickness t as in `moirepol.physics.long_range`: uniformly polarized over t,
with the middle at the atoms. A wave q of layer l, with dipole p per site and area A per site, makes
in the vacuum above it the potential

    phi(q, z) = (2 pi C / A) S(q t / 2) (p_z - i q.p_par / q) exp(-q (z - z_l)),

with S(x) = sinh(x) / x and C = e / (4 pi eps0). Below the layer, p_z has the opposite sign. A
uniform polarization P makes the potential +P / (2 eps0) above and -P / (2 eps0) below a
free-standing bilayer, and P / eps0 above a bilayer on a grounded substrate.

**Surroundings.** Dielectric slabs, other interfaces and a grounded plane reflect each wave. The
potential and the displacement field are continuous at every surface, which gives the reflection
coefficients below and above a bilayer and the transmission to the vacuum above. The reflected waves
act on the dipoles of the bilayer. Its layers respond with the mean polarizability of the material.
In a stack, every bilayer is in turn the source, and the others are dielectric slabs.

**Limits.** The potential is that of the dipoles. Opposite p_z of the two layers are omitted: above
the bilayer they belong to its quadrupole, which contains more than dipoles. So are the waves of the
layers' own lattices. They are below 1 mV from 4 angstrom on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from moirepol.physics.long_range import COULOMB_V_A, LARGEST_WAVE, slab_field
from moirepol.physics.polarization import on_grid

MV_PER_V = 1e3
#: Variables of a map that a potential needs.
NEEDED = ("P_layer", "layer_area", "layer_distance")


@dataclass(frozen=True)
class Dielectric:
    """A homogeneous slab.

    Attributes
    ----------
    thickness_A
        Thickness in angstrom.
    in_plane, out_of_plane
        Relative permittivities.
    """

    thickness_A: float
    in_plane: float
    out_of_plane: float


@dataclass(frozen=True)
class Surroundings:
    """What is below and above a bilayer.

    Attributes
    ----------
    grounded
        Whether a grounded plane is below everything else. Otherwise there is vacuum.
    spacer
        Slabs between the grounded plane, or the vacuum, and the lowest bilayer, the lowest first.
    cover
        Slabs on the uppermost bilayer, the lowest first.
    interfaces
        Number of equal bilayers.
    between
        Slabs between neighbouring bilayers, the lowest first.
    """

    grounded: bool = False
    spacer: Sequence[Dielectric] = ()
    cover: Sequence[Dielectric] = ()
    interfaces: int = 1
    between: Sequence[Dielectric] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Surroundings":
        """Return the surroundings that the settings ``potential`` describe."""
        slabs = {
            place: tuple(Dielectric(**slab) for slab in settings.get(place, []))
            for place in ("spacer", "cover", "between")
        }
        grounded = settings.get("substrate") == "grounded"
        return cls(grounded, interfaces=settings.get("interfaces", 1), **slabs)


@dataclass(frozen=True)
class DipoleLayers:
    """Waves of the dipoles of a bilayer.

    Attributes
    ----------
    q
        Wave vectors (K, 2) in 1/angstrom, without zero.
    dipoles
        Coefficients (K, layer, 3) in e.angstrom per site.
    areas
        Area (layer,) per site in angstrom^2.
    thickness_A
        Thickness of a layer, the distance of the layers.
    polarizability
        In-plane and out-of-plane response of a site to an applied field, in e.angstrom^2/V.
    """

    q: np.ndarray
    dipoles: np.ndarray
    areas: np.ndarray
    thickness_A: float
    polarizability: tuple[float, float] = (0.0, 0.0)

    @property
    def as_dielectric(self) -> Dielectric:
        """The dielectric slab that responds as the bilayer does."""
        in_plane, along_z = (
            4 * np.pi * COULOMB_V_A * response / (self.areas.mean() * self.thickness_A)
            for response in self.polarizability
        )
        return Dielectric(2 * self.thickness_A, 1 + in_plane, 1 / (1 - along_z))


def potential_above(
    layers: DipoleLayers, heights_A: Sequence[float], surroundings: Surroundings
) -> np.ndarray:
    """Return the waves of the potential above the uppermost bilayer or its cover.

    Parameters
    ----------
    layers
        Waves of the free-standing bilayer's dipoles.
    heights_A
        Heights in angstrom above the upper atoms; with a cover, above the surface of the cover.
    surroundings
        What is below and above.

    Returns
    -------
    ndarray
        Coefficients (height, K) of the potential in mV.
    """
    q = np.linalg.norm(layers.q, axis=1)
    slab, number = layers.as_dielectric, surroundings.interfaces
    surface = np.zeros(len(q), dtype=complex)
    for place in range(number):
        below = [*surroundings.spacer, *[slab, *surroundings.between] * place]
        above = [*[*surroundings.between, slab] * (number - 1 - place), *surroundings.cover]
        r_below, _ = reflection(q, below, surroundings.grounded)
        r_above, transmission = reflection(q, above[::-1], grounded=False)
        dipoles = respond(layers, r_below, r_above)
        up, down = emitted(layers, dipoles)
        size = np.exp(-2 * layers.thickness_A * q)  # once across the bilayer
        upward = (up + r_below * size * down) / (1 - r_below * r_above * size**2)
        surface += upward * (1 + r_above) * transmission
    # The surface of an uncovered bilayer is half a layer above its atoms.
    start = 0.0 if surroundings.cover else layers.thickness_A / 2
    decay = np.exp(-np.outer(np.asarray(heights_A) - start, q))
    return MV_PER_V * decay * surface


def emitted(layers: DipoleLayers, dipoles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the potential that dipoles make in a vacuum at the surfaces of their bilayer.

    Parameters
    ----------
    layers
        The bilayer.
    dipoles
        Coefficients (K, layer, 3) in e.angstrom.

    Returns
    -------
    up, down : ndarray
        Waves (K,) in V at the upper and at the lower surface.
    """
    q = np.linalg.norm(layers.q, axis=1)
    x = q * layers.thickness_A / 2
    per_area = dipoles / layers.areas[:, None]
    up = per_area[..., 2].mean(axis=1, keepdims=True)
    charge = -1j * np.einsum("kc,klc->kl", layers.q, per_area[..., :2]) / q[:, None]
    size = 2 * np.pi * COULOMB_V_A * np.sinh(x) / x
    waves = [size[:, None] * (sign * up + charge) for sign in (1.0, -1.0)]
    far, near = np.exp(-3 * x), np.exp(-x)  # from the middle of a layer to a surface
    up = waves[0][:, 0] * far + waves[0][:, 1] * near
    return up, waves[1][:, 0] * near + waves[1][:, 1] * far


def reflection(
    q: np.ndarray, slabs: Sequence[Dielectric], grounded: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return how a stack of slabs reflects a potential that falls on it from a vacuum.

    Parameters
    ----------
    q
        Wave numbers (K,) in 1/angstrom.
    slabs
        The slabs, the one nearest to the bilayer last.
    grounded
        Whether a grounded plane is behind the slabs, and not vacuum.

    Returns
    -------
    reflected : ndarray
        Reflected wave (K,) at the surface, relative to the incident one: -1 for a grounded plane.
    transmitted : ndarray
        Potential (K,) behind the slabs, relative to that at their surface.
    """
    phi = np.full(len(q), 0.0 if grounded else 1.0)
    D = np.ones(len(q))  # normal displacement / (eps0 q)
    transmitted = phi.copy()
    for slab in slabs:
        epsilon = np.sqrt(slab.in_plane * slab.out_of_plane)
        x = q * slab.thickness_A * np.sqrt(slab.in_plane / slab.out_of_plane)
        rise = np.tanh(x)
        phi, D = phi + D / epsilon * rise, D + phi * epsilon * rise
        transmitted = transmitted * 2 * np.exp(-x) / (1 + np.exp(-2 * x))
    return (phi - D) / (phi + D), transmitted / phi if len(slabs) else np.ones(len(q))


def respond(layers: DipoleLayers, r_below: np.ndarray, r_above: np.ndarray) -> np.ndarray:
    """Return the dipoles of a bilayer with the waves that its surroundings reflect.

    The dipoles of the free-standing bilayer contain its own field already. With the response chi,
    its own field T and the reflected field R, p = p_free + chi T (p - p_free) + chi R p.

    Parameters
    ----------
    layers
        Waves of the free-standing bilayer's dipoles.
    r_below, r_above
        Reflection coefficients (K,) at the lower and the upper surface.

    Returns
    -------
    ndarray
        Coefficients (K, layer, 3) of the dipoles in e.angstrom.
    """
    if not (np.any(r_below) or np.any(r_above)):
        return layers.dipoles
    q = np.linalg.norm(layers.q, axis=1)
    K, t = len(q), layers.thickness_A
    own, reflected = np.zeros((2, K, 2, 3, 2, 3), dtype=complex)
    across = np.exp(-2 * q * t)
    middle = np.sinh(q * t / 2) / (q * t / 2)  # mean of a wave over a layer, to that in its middle
    for there in range(2):
        for component in range(3):
            unit = np.zeros((K, 2, 3))
            unit[:, there, component] = 1
            for here in range(2):
                own[:, here, :, there, component] = slab_field(
                    layers.q, unit[:, there], here, there, layers.areas[there], t
                )
            up, down = emitted(layers, unit)
            bounced = 1 - r_below * r_above * across**2
            rising = r_below * (down + r_above * across * up) / bounced
            falling = r_above * (up + r_below * across * down) / bounced
            for here, (below, above) in enumerate(((0.5, 1.5), (1.5, 0.5))):
                a = rising * middle * np.exp(-q * t * below)
                b = falling * middle * np.exp(-q * t * above)
                reflected[:, here, :2, there, component] = -1j * layers.q * (a + b)[:, None]
                reflected[:, here, 2, there, component] = q * (a - b)
    in_plane, along_z = layers.polarizability
    chi = np.tile([in_plane, in_plane, along_z], 2)[:, None]
    own, reflected = (chi * field.reshape(K, 6, 6) for field in (own, reflected))
    free = layers.dipoles.reshape(K, 6, 1)
    one = np.eye(6)
    return np.linalg.solve(one - own - reflected, (one - own) @ free).reshape(K, 2, 3)


def potential_of_map(
    ds: xr.Dataset,
    polarizability: tuple[float, float],
    heights_A: Sequence[float],
    surroundings: Surroundings,
) -> np.ndarray:
    """Return the potential above a bilayer on the grid of its map.

    Parameters
    ----------
    ds
        Map with ``P_layer``, ``cell``, ``layer_area`` and ``layer_distance``.
    polarizability
        In-plane and out-of-plane response of a site to an applied field, in e.angstrom^2/V.
    heights_A, surroundings
        As of `potential_above`.

    Returns
    -------
    ndarray
        Potential (height, n, n) in mV.
    """
    dipoles, areas = ds["P_layer"].values, ds["layer_area"].values
    n = dipoles.shape[-1]
    k = np.rint(np.stack(np.meshgrid(*[np.fft.fftfreq(n, 1 / n)] * 2, indexing="ij"), axis=-1))
    k = k.reshape(-1, 2).astype(int)
    q = 2 * np.pi * k @ np.linalg.inv(ds["cell"].values).T
    C = np.moveaxis((np.fft.fft2(dipoles) / n**2).reshape(2, 3, -1), -1, 0)
    # A wave beyond the Brillouin zone of a layer is no long-range wave.
    lattice_constant = np.sqrt(areas.max() * 2 / np.sqrt(3))
    chosen = k.any(axis=1) & (np.linalg.norm(q, axis=1) < LARGEST_WAVE / lattice_constant)
    layers = DipoleLayers(q[chosen], C[chosen], areas, float(ds["layer_distance"]), polarizability)
    waves = potential_above(layers, heights_A, surroundings)
    step = 4 * np.pi * COULOMB_V_A * (C[0, :, 2].real / areas).sum()  # P / eps0 in V
    share = surroundings.interfaces * (1.0 if surroundings.grounded else 0.5)
    mean = np.full((len(heights_A), 1), MV_PER_V * step * share)
    return on_grid(np.vstack([[[0, 0]], k[chosen]]), np.hstack([mean, waves]).T, n)
