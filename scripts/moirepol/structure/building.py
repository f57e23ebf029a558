"""Flat h-BN bilayers as ase.Atoms: slides, strains, twists and mismatches of AA and AA' stacking.

The monolayer has a1 = a (1, 0), a2 = a (1/2, sqrt(3)/2), a hexagon centre at 0, B at (a1 + a2)/3
and N at 2 (a1 + a2)/3; the upper layer of the AA' family has B and N exchanged. A layer's lattice
origin is a hexagon centre. The local stacking at any place r, in fractions of the primitive cell:

    tau(r) = (r - o_lower) A_lower^-1 - (r - o_upper) A_upper^-1   (mod 1, row vectors).
"""

from functools import cache

import numpy as np
from ase import Atoms

from moirepol.structure.names import System

LOWER, UPPER = 0, 1
SPECIES = ("B", "N")
#: tau in fractions of (a1, a2). N is the C3 point where the net P_perp of AA points down.
HIGH_SYMMETRY = {
    "G": (0.0, 0.0),
    "N": (1 / 3, 1 / 3),
    "M": (2 / 3, 2 / 3),
    "A": (1 / 2, 0.0),
    "B": (0.0, 1 / 2),
    "C": (1 / 2, 1 / 2),
}
PRIMITIVE = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])


def build(
    system: System | str,
    lattice_constant_A: float,
    layer_distance_A: float,
    cell_height_A: float = 20.0,
) -> Atoms:
    """Build a bilayer.

    Returns
    -------
    Atoms, periodic in all three directions and centred at half the cell height, with
    ``arrays['layer']`` (0 lower, 1 upper) and in ``info``: ``name``, ``family``, ``field_V_per_A``,
    ``layer_cell`` (layer, vector, xy) the primitive vectors of each layer in A, and
    ``layer_origin`` (layer, xy) a hexagon centre of each layer in A.
    """
    if isinstance(system, str):
        system = System.parse(system)
    a = lattice_constant_A * (1 + system.strain_percent / 100)
    cell, layer_cell, layer_origin, sizes = _layers(system, a)
    distance = system.distance_A if system.distance_A is not None else layer_distance_A

    symbols, positions, layers = [], [], []
    for layer in (LOWER, UPPER):
        swapped = system.family == "AAp" and layer == UPPER
        z = cell_height_A / 2 + (layer - 0.5) * distance
        corners = _lattice_points(layer_cell[layer], cell, sizes[layer])
        for species, fraction in zip(
            SPECIES, (2 / 3, 1 / 3) if swapped else (1 / 3, 2 / 3), strict=True
        ):
            xy = corners + fraction * layer_cell[layer].sum(axis=0) + layer_origin[layer]
            positions.append(np.column_stack([xy, np.full(len(xy), z)]))
            symbols += [species] * len(xy)
            layers += [layer] * len(xy)
    cell3 = np.zeros((3, 3))
    cell3[:2, :2] = cell
    cell3[2, 2] = cell_height_A
    atoms = Atoms(symbols, positions=np.concatenate(positions), cell=cell3, pbc=True)
    atoms.wrap(eps=1e-9)
    atoms.set_array("layer", np.array(layers, dtype=int))
    atoms.info.update(
        name=system.name,
        family=system.family,
        field_V_per_A=system.field_V_per_A,
        layer_cell=layer_cell,
        layer_origin=layer_origin,
    )
    return atoms


def _layers(system, a):
    """The moire cell (2, 2), and of each layer primitive cell, origin and number of cells.

    A shifted cell is moved until G is at its origin: the pattern stays, the atoms do not. A strip
    holds other stackings when shifted.
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


def stacking_at(atoms: Atoms, xy: np.ndarray) -> np.ndarray:
    """Local stacking tau (..., 2), fractions in [0, 1) of (a1, a2), at places xy (..., 2) in A."""
    cells, origins = atoms.info["layer_cell"], atoms.info["layer_origin"]
    fractions = [(np.asarray(xy) - origins[i]) @ np.linalg.inv(cells[i]) for i in (LOWER, UPPER)]
    return (fractions[LOWER] - fractions[UPPER]) % 1.0


def stacking_points(atoms: Atoms) -> dict[str, np.ndarray]:
    """Where each high-symmetry stacking stands in a moire cell: label -> xy in A.

    Solves tau(r) = point with the affine map tau(r); every point is the image inside the cell.
    """
    cells, origins = atoms.info["layer_cell"], atoms.info["layer_origin"]
    inverse = [np.linalg.inv(cell) for cell in cells]
    slope = inverse[LOWER] - inverse[UPPER]
    if abs(np.linalg.det(slope)) < 1e-12:
        raise ValueError(f"{atoms.info['name']} is no moire cell: it does not hold all stackings")
    shift = -origins[LOWER] @ inverse[LOWER] + origins[UPPER] @ inverse[UPPER]
    cell = np.asarray(atoms.cell)[:2, :2]
    points = {}
    for label, tau in HIGH_SYMMETRY.items():
        fraction = (np.array(tau) - shift) @ np.linalg.inv(slope) @ np.linalg.inv(cell)
        points[label] = ((fraction + 1e-9) % 1.0 - 1e-9) @ cell
    return points


def layer_symmetries(family: str, field_V_per_A: float = 0.0) -> list[tuple[np.ndarray, bool]]:
    """Operations that carry one slide of a family into another.

    Returns a list of (Q, swap): Q (3, 3) an orthogonal Cartesian matrix that maps tau and every
    dipole, and `swap` whether the layers change places. For AA without a field these are the
    twelve operations of D3h; a vertical field leaves the six of C3v. For AA' the swapping ones are
    inversion times C3v and map every slide onto itself.
    """
    threefold = np.array([[-0.5, -np.sqrt(3) / 2], [np.sqrt(3) / 2, -0.5]])
    # B and N lie along a1 + a2 from a hexagon centre, so that direction lies in a mirror plane.
    along = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])
    mirror = 2 * np.outer(along, along) - np.eye(2)
    planar = [
        np.linalg.matrix_power(threefold, k) @ m for m in (np.eye(2), mirror) for k in range(3)
    ]
    operations = []
    for swap in (False, True):
        if swap and field_V_per_A:
            continue
        for matrix in planar:
            q = np.eye(3)
            q[:2, :2] = matrix
            if swap:
                q = q @ (np.diag([1.0, 1.0, -1.0]) if family == "AA" else -np.eye(3))
            operations.append((q, swap))
    return operations


def transform_slide(tau: np.ndarray, operation: tuple[np.ndarray, bool]) -> np.ndarray:
    """Stackings (..., 2) in fractions that an operation of `layer_symmetries` makes of tau."""
    q, swap = operation
    image = np.asarray(tau) @ PRIMITIVE @ q[:2, :2].T @ np.linalg.inv(PRIMITIVE)
    return (-image if swap else image) % 1.0


@cache
def distinct_slides(n: int, family: str, field_V_per_A: float = 0.0) -> tuple[tuple[int, int], ...]:
    """One slide (i, j) of every symmetry orbit of the n x n grid tau = (i a1 + j a2) / n."""
    operations = layer_symmetries(family, field_V_per_A)
    seen, distinct = set(), []
    for i in range(n):
        for j in range(n):
            if (i, j) in seen:
                continue
            distinct.append((i, j))
            for operation in operations:
                image = transform_slide(np.array([i, j]) / n, operation)
                seen.add(tuple(int(k) for k in np.rint(image * n).astype(int) % n))
    return tuple(distinct)
