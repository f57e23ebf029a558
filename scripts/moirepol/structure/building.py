"""Flat bilayers as `Bilayer`: translated, strained, twisted, mismatched and sheared.

The monolayer has a1 = a (1, 0) and a2 = a (1/2, sqrt(3)/2), a hexagon centre at 0 and the atoms of
the material's basis. The upper layer of the AA' family is rotated by 180 degrees. This rotation
exchanges the two places (a1 + a2)/3 and 2 (a1 + a2)/3.
"""

from math import ceil, sqrt

import numpy as np
from ase import Atoms

from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, PRIMITIVE, UPPER
from moirepol.structure.material import load_material
from moirepol.structure.names import System


def build(
    system: System | str,
    lattice_constant_A: float,
    layer_distance_A: float,
    cell_height_A: float = 20.0,
    material: str | None = None,
) -> Bilayer:
    """Build a bilayer of two flat layers.

    Parameters
    ----------
    system
        The system or its name.
    lattice_constant_A
        Lattice constant of the unstrained layers in angstrom.
    layer_distance_A
        Layer distance in angstrom, used if the name contains none.
    cell_height_A
        Height of the periodic cell in angstrom.
    material
        Name of the material; None for that of the family.

    Returns
    -------
    Bilayer
        Periodic in all three directions and centred at half the cell height.

    Raises
    ------
    ValueError
        If the name is outside the grammar or the material is unknown.
    """
    if isinstance(system, str):
        system = System.parse(system)
    material = material or system.material
    basis = load_material(material).basis
    a = lattice_constant_A * (1 + system.strain_percent / 100)
    cell, lattices, origins, sizes = _layers(system, a)
    distance = system.distance_A if system.distance_A is not None else layer_distance_A

    symbols, positions, layers = [], [], []
    for layer in (LOWER, UPPER):
        turned = system.stacking == "AAp" and layer == UPPER
        z = cell_height_A / 2 + (layer - 0.5) * distance
        corners = _lattice_points(lattices[layer], cell, sizes[layer])
        for atom in basis:
            fraction = np.array(atom.fraction)
            place = (1 - fraction if turned else fraction) @ lattices[layer]
            xy = corners + place + origins[layer]
            positions.append(np.column_stack([xy, np.full(len(xy), z + atom.height_A)]))
            symbols += [atom.species] * len(xy)
            layers += [layer] * len(xy)
    cell3 = np.zeros((3, 3))
    cell3[:2, :2] = cell
    cell3[2, 2] = cell_height_A
    atoms = Atoms(symbols, positions=np.concatenate(positions), cell=cell3, pbc=True)
    atoms.wrap(eps=1e-9)
    atoms.set_array("layer", np.array(layers, dtype=int))
    return _bilayer(atoms, system, lattices, origins, material)


def sample(
    system: System | str,
    lattice_constant_A: float,
    layer_distance_A: float,
    points_per_period: int,
    cell_height_A: float = 20.0,
    material: str | None = None,
) -> Bilayer:
    """Sample a bilayer on a regular grid: a dipole site of each layer at each point.

    The local stacking of rigid layers is a linear function of the place. Dipoles that depend on the
    local stacking are therefore smooth functions of the place, which a grid resolves whatever the
    number of atoms.

    Parameters
    ----------
    system
        The system or its name.
    lattice_constant_A
        Lattice constant of the unstrained layers in angstrom.
    layer_distance_A
        Layer distance in angstrom, used if the name contains none.
    points_per_period
        Points along each vector of a period of the moire pattern.
    cell_height_A
        Height of the periodic cell in angstrom.
    material
        Name of the material; None for that of the family.

    Returns
    -------
    Bilayer
        Sites alone, in the cell of `build`. `Bilayer.site_lattices` is the grid.

    Raises
    ------
    ValueError
        As `build`.
    """
    if isinstance(system, str):
        system = System.parse(system)
    a = lattice_constant_A * (1 + system.strain_percent / 100)
    cell, lattices, origins, _ = _layers(system, a)
    distance = system.distance_A if system.distance_A is not None else layer_distance_A
    n = points_per_period * max(1, ceil(sqrt(system.n_periods)))
    points = np.indices((n, n)).reshape(2, -1).T @ cell / n
    z = cell_height_A / 2 + np.repeat([-0.5, 0.5], len(points)) * distance
    cell3 = np.zeros((3, 3))
    cell3[:2, :2], cell3[2, 2] = cell, cell_height_A
    material = material or system.material
    species = load_material(material).dipole_site.species
    atoms = Atoms([species] * len(z), np.column_stack([np.tile(points, (2, 1)), z]), cell=cell3)
    atoms.pbc = True
    atoms.set_array("layer", np.repeat([LOWER, UPPER], len(points)))
    atoms.info["site_cell"] = np.stack([cell / n, cell / n])
    return _bilayer(atoms, system, lattices, origins, material)


def _bilayer(atoms, system, lattices, origins, material):
    """Bilayer of a system, from its atoms with their layers."""
    return Bilayer.from_atoms(
        atoms,
        name=system.name,
        family=system.family,
        lattices=lattices,
        origins=origins,
        field_V_per_A=system.field_V_per_A,
        material=None if material == system.material else material,
    )


def _layers(system, a):
    """Moire cell (2, 2), and primitive cell, origin and number of cells of each layer.

    A shifted moire cell is moved until G is at its origin: the pattern stays, the atoms do not. A
    shifted uniaxial heterostrain cell contains other stackings.
    """
    primitive = a * PRIMITIVE
    origin = np.zeros((2, 2))
    if system.geometry == "slide":
        i, j, n = system.indices
        origin[UPPER] = np.array([i / n, j / n]) @ primitive
        return primitive, np.stack([primitive, primitive]), origin, (1, 1)
    half = np.radians(system.twist_angle_deg) / 2
    lower, upper = map(np.array, system.supercells)
    turned = _rotated(primitive, half)
    cell = upper @ turned
    layer_cell = np.stack([np.linalg.solve(lower, cell), turned])
    if system.geometry == "shear":  # the lower layer is the unstrained one
        cell = lower @ primitive
        layer_cell = np.stack([primitive, np.linalg.solve(upper, cell)])
    sizes = tuple(round(np.linalg.det(matrix)) for matrix in (lower, upper))
    if system.shift:
        i, j, n = system.shift
        shift = np.array([i / n, j / n]) @ layer_cell[UPPER]
        if not system.n_periods:
            return cell, layer_cell, np.stack([0 * shift, shift]), sizes
        slope = np.linalg.inv(layer_cell[LOWER]) - np.linalg.inv(layer_cell[UPPER])
        at_G = -shift @ np.linalg.inv(layer_cell[UPPER]) @ np.linalg.inv(slope)
        origin = np.stack([-at_G, shift - at_G])
    return cell, layer_cell, origin, sizes


def _rotated(vectors, angle):
    c, s = np.cos(angle), np.sin(angle)
    return vectors @ np.array([[c, s], [-s, c]])


def _lattice_points(primitive, cell, number):
    """All lattice points (number, 2) of `primitive` inside `cell`, exactly one of each."""
    matrix = np.rint(cell @ np.linalg.inv(primitive)).astype(int)
    if not np.allclose(matrix @ primitive, cell, atol=1e-9 * np.abs(cell).max()):
        raise ValueError("the layer does not fit the moire cell")
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    if determinant != number:
        raise ValueError(f"the layer holds {determinant} cells, expected {number}")
    corners = np.array([[0, 0], matrix[0], matrix[1], matrix[0] + matrix[1]])
    low, high = corners.min(axis=0), corners.max(axis=0)
    grid = np.stack(
        np.meshgrid(
            *(np.arange(lo, hi + 1) for lo, hi in zip(low, high, strict=True)), indexing="ij"
        ),
        axis=-1,
    )
    grid = grid.reshape(-1, 2)
    # Integers decide what lies inside: fraction = grid @ adjugate / determinant in [0, 1).
    adjugate = np.array([[matrix[1, 1], -matrix[0, 1]], [-matrix[1, 0], matrix[0, 0]]])
    scaled = grid @ adjugate
    return grid[((scaled >= 0) & (scaled < determinant)).all(axis=1)] @ primitive
