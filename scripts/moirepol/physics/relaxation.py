"""Relaxation of a moire bilayer in the continuum.

The layers are elastic sheets on the energy landscape of translated bilayers. In the plane the
displacement u_l(r) of layer l minimizes

    integral of  sum_l elastic energy(grad u_l) + E(tau(r)) / A,
    tau(r) = tau0(r) - u_lower A_lower^-1 + u_upper A_upper^-1,

with the local stacking tau0 of the rigid layers, the lattice A_l of a layer, the area A of a
primitive cell, and the energy E of translated bilayers at relaxed heights. A field along z enters
through E (`moirepol.physics.stackings`). `moire_metrology` minimizes the energy on a periodic mesh
[1]_.

The layer distance d(r) follows the distance d0(tau) of the local stacking. The bending rigidity D
of the layers smooths it:

    (k / A) (d - d0(tau(r))) + (D / 2) laplace^2 d = 0,

with the force constant k of the layer distance of a cell. The layers move by +d/2 and -d/2.

All fields are stored on a grid of tau0, because tau0 is a linear function of the place. The axes
are those of a bilayer whose lattices have a1 along x on average.

References
----------
.. [1] D. Halbertal et al., Nat. Commun. 12, 242 (2021).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.ndimage import map_coordinates

from moirepol.errors import JobError
from moirepol.physics.gradient import gradient_map, gradient_of
from moirepol.physics.monolayer import Monolayer, polar_strain
from moirepol.physics.stackings import Stackings
from moirepol.structure.bilayer import LAYERS, LOWER, UPPER, Bilayer
from moirepol.structure.local_geometry import LocalGeometry
from moirepol.structure.symmetry import layer_symmetries, transform_slide
from moirepol.workflow.provenance import read_netcdf

MEV_PER_EV, A_PER_NM = 1000.0, 10.0
#: Convergence of the gradient of the energy, relative to its start.
RELATIVE_GRADIENT = 1e-6
MAXIMUM_ITERATIONS = 500


@dataclass(frozen=True)
class Relaxation:
    """Relaxed fields of one moire bilayer on a grid of the rigid stacking tau0 = (i/n, j/n).

    Attributes
    ----------
    displacement
        In-plane displacement (layer, 2, n, n) in angstrom.
    distance
        Layer distance (n, n) in angstrom.
    to_stacking
        Linear map (2, 2): tau0 - tau0(0) = r @ to_stacking, in the axes of the mean orientation.
    """

    displacement: np.ndarray
    distance: np.ndarray
    to_stacking: np.ndarray

    @property
    def points(self) -> int:
        """Points of the grid along each vector of a period."""
        return self.distance.shape[0]

    @property
    def displacement_gradient(self) -> np.ndarray:
        """Derivatives (layer, 2, 2, n, n) of the displacement: d u_i / d r_j."""
        return np.moveaxis(_derivatives(self.displacement, self.to_stacking), 0, 2)

    @property
    def distance_gradient(self) -> np.ndarray:
        """Derivatives (2, n, n) of the layer distance with respect to the place."""
        return _derivatives(self.distance, self.to_stacking)

    @classmethod
    def from_file(cls, path: str | Path) -> "Relaxation":
        """Read a file of `relax_bilayer`."""
        names = "displacement", "distance", "to_stacking"
        ds = read_netcdf(path, *names)
        return cls(*(ds[name].values for name in names))

    def to_dataset(self) -> xr.Dataset:
        """Return the fields as a data set."""
        grid = "t1", "t2"
        n = self.distance.shape[0]
        ds = xr.Dataset(coords={"layer": list(LAYERS), "component": ["x", "y"]})
        ds["displacement"] = ("layer", "component", *grid), self.displacement
        ds["displacement"].attrs.update(
            units="angstrom", long_name="in-plane displacement of the layers"
        )
        ds["distance"] = grid, self.distance
        ds["distance"].attrs.update(units="angstrom", long_name="layer distance")
        ds["to_stacking"] = ("component", "stacking"), self.to_stacking
        ds["to_stacking"].attrs.update(
            units="angstrom-1", long_name="change of the rigid stacking with the place"
        )
        for axis in grid:
            ds[axis] = axis, np.arange(n) / n
            ds[axis].attrs.update(units="1", long_name="rigid stacking, fraction of a vector")
        return ds


def relaxed(
    bilayer: Bilayer,
    stackings: Stackings,
    monolayer: Monolayer,
    relaxation: Relaxation | None = None,
) -> Bilayer:
    """Return a rigid bilayer with the atoms and the local geometry of the relaxed one.

    Parameters
    ----------
    bilayer
        Rigid, flat bilayer of `build` or `sample`.
    stackings
        Layer distance and rumpling of translated bilayers.
    monolayer
        Constants of a layer, for the internal displacement in strained layers.
    relaxation
        Relaxed fields of a moire; none for a translated bilayer.

    Returns
    -------
    Bilayer
        A copy with displaced atoms, the local geometry of its sites (`Bilayer.set_local_geometry`)
        and the array ``local_slope``, the derivative (n, 2) of the height of the layer.
    """
    tau, layers = bilayer.stacking_at(bilayer.positions[:, :2]), bilayer.layer
    n, side = len(tau), np.where(bilayer.layer == UPPER, 1.0, -1.0)
    lattices = np.broadcast_to(bilayer.lattices, (n, *bilayer.lattices.shape))
    displacement, slope = np.zeros((n, 3)), np.zeros((n, 2))
    if relaxation is None:
        distance = stackings.at("distance", tau)
    else:
        turn = bilayer.mean_orientation[:2, :2]
        u = at_stackings(relaxation.displacement, tau) @ turn.T
        inverse = np.linalg.inv(bilayer.lattices)
        tau0, tau = tau, (tau + u[:, UPPER] @ inverse[UPPER] - u[:, LOWER] @ inverse[LOWER]) % 1.0
        # A lattice vector a becomes a + (a.grad) u.
        deformed = at_stackings(relaxation.displacement_gradient, tau0)
        lattices = bilayer.lattices @ np.swapaxes(np.eye(2) + turn @ deformed @ turn.T, -1, -2)
        distance = at_stackings(relaxation.distance, tau0)
        displacement[:, :2] = u[np.arange(n), layers]
        slope = side[:, None] / 2 * at_stackings(relaxation.distance_gradient, tau0) @ turn.T
    found = bilayer.copy()
    sites = bilayer.is_site
    geometry = LocalGeometry(tau, lattices, distance)
    half = np.where(sites, 0.5, -0.5)
    rumpling = stackings.at("rumpling", tau)[np.arange(n), layers]
    displacement[:, 2] = side * (distance - bilayer.layer_distance_A) / 2 + half * rumpling
    polar = monolayer.internal_displacement_A * polar_strain_of_layers(
        geometry, bilayer.reference_lattice_constant_A, layers, bilayer.family
    )
    displacement[:, :2] += half[:, None] * polar
    found.set_local_geometry(LocalGeometry(tau[sites], lattices[sites], distance[sites]))
    found.arrays["local_slope"] = slope
    found.displace(displacement)
    return found


def relaxed_from_files(
    bilayer: Bilayer,
    stackings: str | Path,
    monolayer: str | Path,
    relaxation: str | Path | Sequence = (),
) -> Bilayer:
    """Return `relaxed` with the files of `fit_stackings`, `compute_monolayer`, `relax_bilayer`.

    A translated bilayer has no file of the last rule.
    """
    fields = Relaxation.from_file(str(relaxation)) if relaxation else None
    constants = Monolayer.from_file(monolayer)
    return relaxed(bilayer, Stackings.from_file(stackings), constants, fields)


def polar_strain_of_layers(
    geometry: LocalGeometry, lattice_constant_A: float, layers: np.ndarray, family: str
) -> np.ndarray:
    """Return the vector v of `moirepol.physics.monolayer` for the strain of the own layer.

    Parameters
    ----------
    geometry
        Local geometry at m places.
    lattice_constant_A
        Lattice constant that the strains refer to.
    layers
        Layer (m,) of each place.
    family
        Stacking family. The upper layer of AA' is rotated by 180 degrees, which reverses v.

    Returns
    -------
    ndarray
        v (m, 2).
    """
    gradients = geometry.gradients(lattice_constant_A)
    own = np.where(layers[:, None] == LOWER, gradients[:, :3], gradients[:, 3:6])
    strain = np.stack([own[:, [0, 2]], own[:, [2, 1]]], axis=1)
    sign = np.where((layers == UPPER) & (family == "AAp"), -1.0, 1.0)
    turned = geometry.orientations[:, :2, :2]
    return np.einsum("mij,mj->mi", turned, sign[:, None] * polar_strain(strain))


def at_stackings(field: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Interpolate a periodic field on a grid of stackings.

    Parameters
    ----------
    field
        Field (..., n, n) at (i/n, j/n).
    tau
        Stackings (m, 2).

    Returns
    -------
    ndarray
        Values (m, ...), by cubic splines.
    """
    n = field.shape[-1]
    places = (np.asarray(tau) % 1.0).T * n
    flat = field.reshape(-1, n, n)
    values = [map_coordinates(part, places, order=3, mode="grid-wrap") for part in flat]
    return np.array(values).T.reshape(len(tau), *field.shape[:-2])


def relax(
    bilayer: Bilayer,
    stackings: Stackings,
    monolayer: Monolayer,
    points: int,
) -> tuple[Relaxation, dict[str, float]]:
    """Relax a moire bilayer.

    Parameters
    ----------
    bilayer
        Rigid bilayer of one period or more, with its field.
    stackings
        Energies and layer distances of translated bilayers.
    monolayer
        Elastic constants of a layer.
    points
        Points of the mesh along each vector of one period.

    Returns
    -------
    relaxation : Relaxation
        The relaxed fields.
    summary : dict
        ``energy_per_area`` and ``rigid_energy_per_area`` in meV/angstrom^2 and
        ``largest_displacement_A``.

    Raises
    ------
    JobError
        If the minimization does not converge or raises the energy.
    """
    energy = stackings.energy_coefficients(bilayer.field_V_per_A)
    u, summary = _relax_in_plane(bilayer, energy, monolayer, points)
    u = _symmetrize(u, bilayer)
    turn = bilayer.mean_orientation[:2, :2]
    inverse = np.linalg.inv(bilayer.lattices @ turn)
    tau0 = np.indices((points, points)).reshape(2, -1).T / points
    moved = np.moveaxis(u.reshape(2, 2, -1), -1, 0)
    tau = tau0 + moved[:, UPPER] @ inverse[UPPER] - moved[:, LOWER] @ inverse[LOWER]
    grid = (points, points)
    d0 = stackings.at("distance", tau).reshape(grid)
    to_stacking = inverse[LOWER] - inverse[UPPER]
    area = float(bilayer.areas.mean())
    stiffness = stackings.stiffness_eV_per_A2 / area
    q2 = (_wave_vectors(points, to_stacking) ** 2).sum(axis=0)
    softened = stiffness / (stiffness + bilayer.material.bending_rigidity_eV / 2 * q2**2)
    distance = np.fft.ifft2(np.fft.fft2(d0) * softened).real
    summary["largest_displacement_A"] = float(np.linalg.norm(u, axis=1).max())
    return Relaxation(u, distance, to_stacking), summary


def _relax_in_plane(bilayer, energy_eV, monolayer, points):
    """Displacement (layer, 2, n, n) in the axes of the mean orientation, and energies."""
    # The libraries of this module are slow to import, and few jobs relax.
    from moire_metrology import RelaxationSolver
    from moire_metrology.interfaces import Interface
    from moire_metrology.lattice import HexagonalLattice, MoireGeometry
    from moire_metrology.materials import Material
    from moire_metrology.mesh import MoireMesh
    from moire_metrology.solver import SolverConfig

    lower, upper = np.linalg.norm(bilayer.lattices[:, 0], axis=1)
    twist = float(np.degrees(gradient_of(bilayer)[6]))
    if abs(twist) < 1e-9 and abs(lower / upper - 1) < 1e-9:
        raise JobError(f"{bilayer.name}: a bilayer without a moire pattern cannot relax in plane")
    # Both layers have the moduli of a reference cell.
    per_cell = bilayer.areas.mean() * MEV_PER_EV
    moduli = monolayer.bulk_modulus_eV_per_A2, monolayer.shear_modulus_eV_per_A2
    layers = [
        Material(bilayer.material.name, a / A_PER_NM, *(per_cell * m for m in moduli))
        for a in (lower, upper)
    ]
    # The library's first layer is rotated clockwise against its second one: the lower layer.
    interface = Interface(
        bilayer.family, layers[UPPER], layers[LOWER], tuple(MEV_PER_EV * energy_eV)
    )
    theta0, delta = twist / 2, lower / upper - 1
    lattice = HexagonalLattice(upper / A_PER_NM, theta0)
    geometry = MoireGeometry(lattice, twist, delta)
    mesh = MoireMesh.generate(geometry, pixel_size=1e9, min_points=points)
    config = SolverConfig(
        display=False,
        rtol=RELATIVE_GRADIENT,
        gtol=0.0,
        etol=1e-12,
        max_iter=MAXIMUM_ITERATIONS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = RelaxationSolver(config).solve(
            interface, theta_twist=twist, theta0=theta0, delta=delta, mesh=mesh, pin_mean=True
        )
    if not result.converged or result.total_energy > result.unrelaxed_energy:
        raise JobError(f"{bilayer.name}: relaxation failed: {result.convergence_message}")
    phases = np.array(geometry.stacking_phases(*mesh.points)).T / (2 * np.pi)
    index = np.rint(phases * points).astype(int)
    if np.abs(phases * points - index).max() > 1e-6 * points:
        raise JobError(f"{bilayer.name}: the mesh of the relaxation does not match the stackings")
    u = np.empty((2, 2, points, points))
    moved = [
        (result.displacement_x1[0], result.displacement_y1[0]),
        (result.displacement_x2[0], result.displacement_y2[0]),
    ]
    u[:, :, index[:, 0] % points, index[:, 1] % points] = A_PER_NM * np.array(moved)
    area = abs(np.linalg.det(np.array([mesh.V1, mesh.V2]))) * A_PER_NM**2
    return u, {
        "energy_per_area": result.total_energy / area,
        "rigid_energy_per_area": result.unrelaxed_energy / area,
    }


def _symmetrize(u, bilayer):
    """Average a displacement over the symmetry operations of the moire; a mesh breaks them."""
    n = u.shape[-1]
    gradient = gradient_of(bilayer)
    tau0 = np.indices((n, n)).reshape(2, -1).T / n
    found = np.zeros_like(u)
    operations = [
        operation
        for operation in layer_symmetries(bilayer.family, bilayer.field_V_per_A)
        if np.allclose(gradient_map(*operation) @ gradient, gradient, atol=1e-9)
    ]
    for matrix, swap in operations:
        i, j = np.rint(n * transform_slide(tau0, (matrix, swap))).astype(int).T % n
        turned = np.einsum("ck,lkm->lcm", matrix[:2, :2], u.reshape(2, 2, -1))
        found[:, :, i, j] += turned[::-1] if swap else turned
    return found / len(operations)


def _wave_vectors(n, to_stacking):
    """Wave vectors (2, n, n) in 1/angstrom of the waves of a grid of stackings."""
    k = np.array(np.meshgrid(*2 * [np.fft.fftfreq(n, 1 / n)], indexing="ij"))
    return 2 * np.pi * np.einsum("ij,jab->iab", to_stacking, k)


def _derivatives(field, to_stacking):
    """Return the derivatives (2, ..., n, n) of a field (..., n, n) along x and y."""
    n = field.shape[-1]
    q = _wave_vectors(n, to_stacking)
    if n % 2 == 0:  # the sign of the shortest wave is not defined
        q[:, n // 2], q[:, :, n // 2] = 0, 0
    waves = np.fft.fft2(field)
    return np.array([np.fft.ifft2(1j * each * waves).real for each in q])
