"""Relaxation of a moire bilayer in the continuum.

The layers are elastic sheets on the energy landscape of translated bilayers. In the plane the
displacement u_l(r) of layer l minimizes

    integral of  sum_l elastic energy(grad u_l) + E(tau(r)) / A,
    tau(r) = tau0(r) - u_lower A_lower^-1 + u_upper A_upper^-1,

with the local stacking tau0 of the rigid layers, the lattice A_l of a layer, the area A of a
primitive cell, and the energy E of translated bilayers at relaxed heights. A field along z enters
through E (`moirepol.physics.stackings`). `moire_metrology` minimizes the energy on a periodic mesh
[Halbertal2021]_.

The layer distance d(r) follows the distance d0(tau) of the local stacking. The bending rigidity D
of the layers smooths it:

    (k / A) (d - d0(tau(r))) + (D / 2) laplace^2 d = 0,

with the force constant k of the layer distance of a cell. The layers move by +d/2 and -d/2.

References
----------
.. [Halbertal2021] D. Halbertal et al., Nat. Commun. 12, 242 (2021).
"""

import warnings
from math import ceil

import numpy as np
from moire_metrology import RelaxationSolver
from moire_metrology.interfaces import Interface
from moire_metrology.lattice import HexagonalLattice, MoireGeometry
from moire_metrology.materials import Material
from moire_metrology.mesh import MoireMesh
from moire_metrology.solver import SolverConfig

from moirepol.errors import JobError
from moirepol.physics.gradient import gradient_map, gradient_of
from moirepol.physics.monolayer import Monolayer
from moirepol.physics.relaxation import Relaxation, wave_vectors
from moirepol.physics.stackings import Stackings
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, UPPER
from moirepol.structure.symmetry import layer_symmetries, transform_slide

MEV_PER_EV, A_PER_NM = 1000.0, 10.0
#: Convergence of the gradient of the energy, relative to its start.
RELATIVE_GRADIENT = 1e-6
MAXIMUM_ITERATIONS = 500


def points_of_mesh(bilayer: Bilayer, spacing_A: float, smallest: int) -> int:
    """Return the number of points of the mesh along each vector of a period, a multiple of 6.

    Parameters
    ----------
    bilayer
        Bilayer of one period or more.
    spacing_A
        Largest spacing of the mesh.
    smallest
        Smallest number of points.

    Returns
    -------
    int
        Number of points.
    """
    period = float(np.linalg.norm(bilayer.pattern_2d, axis=1).max())
    return max(smallest, 6 * ceil(period / spacing_A / 6))


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
    q2 = (wave_vectors(points, to_stacking) ** 2).sum(axis=0)
    softened = stiffness / (stiffness + bilayer.material.bending_rigidity_eV / 2 * q2**2)
    distance = np.fft.ifft2(np.fft.fft2(d0) * softened).real
    summary["largest_displacement_A"] = float(np.linalg.norm(u, axis=1).max())
    return Relaxation(u, distance, to_stacking), summary


def _relax_in_plane(bilayer, energy_eV, monolayer, points):
    """Displacement (layer, 2, n, n) in the axes of the mean orientation, and energies."""
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
