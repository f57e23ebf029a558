"""Topological charge of a periodic polarization pattern.

The grid is the one of `polarization.py`: n x n nodes, node (i, j) at u = i/n, v = j/n along two
cell vectors at 60 degrees, G at the origin. The cell boundary and the short diagonal (u = 0, v = 0,
u + v = 1, the G-A/B/C-G paths) divide the cell into two equilateral triangles, centred at
(1/3, 1/3) and (2/3, 2/3); their edges are grid lines.

Orientation: Q = 1/(4 pi) int n . (d_x n x d_y n) dx dy, with x, y, z right-handed and z from the
lower to the upper layer. A vortex of in-plane index +1 whose core points up (+z) and whose rim lies
in the plane has Q = +1/2; the same vortex with its core down has Q = -1/2. Of the in-plane field,
M and N have index +1 and G has -2, whatever the helicity (Bloch or Neel), so that
Q_point = (sgn P_perp(point) - sgn P_perp(G)) / 2 for both.
"""

from collections.abc import Mapping

import numpy as np

METHODS = ("finite_difference", "berg_luscher", "sign_rule")
REGIONS = ("N", "M", "total")
#: Two directions count as opposite when what decides the sign of their solid angle is below this:
#: round-off of P, relative to |P| where |P| is small.
OPPOSITE = 1e-6


def unit_vectors(P: np.ndarray, zero_tolerance: float) -> np.ndarray:
    """Directions of the polarization, with P = 0 kept as the zero vector.

    P: (3, n, n), any unit. zero_tolerance: what counts as zero, as a fraction of the largest |P|.
    Returns (3, n, n).
    """
    size = np.linalg.norm(P, axis=0)
    zero = size <= zero_tolerance * size.max(initial=0.0)
    return np.where(zero, 0.0, P / np.where(zero, 1.0, size))


def triangle_weights(n: int) -> np.ndarray:
    """Share of every grid node that belongs to each of the two triangles.

    Nodes on an edge belong to both by halves, and so does G (three of its six sectors each).
    Returns (2, n, n): the triangle centred at (1/3, 1/3), then the one at (2/3, 2/3); the sum is 1.
    """
    i, j = np.indices((n, n))
    first = np.where(i + j < n, 1.0, 0.0)
    first[(i == 0) | (j == 0) | (i + j == n)] = 0.5
    return np.stack([first, 1.0 - first])


def finite_difference(n: np.ndarray) -> np.ndarray:
    """Charge at every node, Eq. (3) of the paper with centred differences.

    n: (3, n, n) unit vectors. The differences along the three lattice directions a1, a2 and a2 - a1
    enter alike, so the density keeps the symmetry of the triangular grid. Returns (n, n), the
    charge per node; divided by the area of a node it is q(r). Where P vanishes at G, q falls as 1/r
    around it and the sum over a triangle lacks a charge of order 1/n.
    """

    def difference(i: int, j: int) -> np.ndarray:
        return (np.roll(n, (-i, -j), (1, 2)) - np.roll(n, (i, j), (1, 2))) / 2

    d1, d2, d3 = difference(1, 0), difference(0, 1), difference(-1, 1)
    turns = np.cross(d1, d2, axis=0) + np.cross(d1, d3, axis=0) + np.cross(d2, d3, axis=0)
    return (n * turns).sum(axis=0) / (12 * np.pi)


def solid_angle(n1: np.ndarray, n2: np.ndarray, n3: np.ndarray) -> np.ndarray:
    """Signed solid angle of the spherical triangle n1 n2 n3, over 4 pi (Berg and Luscher 1981).

    n1, n2, n3: (3, ...) unit vectors. NaN where a corner is the zero vector or where two corners
    are opposite, so that no shortest triangle exists.
    """

    def dot(a: np.ndarray, b: np.ndarray):
        return (a * b).sum(axis=0)

    volume = dot(n1, np.cross(n2, n3, axis=0))
    rest = 1 + dot(n1, n2) + dot(n2, n3) + dot(n3, n1)
    lone = (dot(n1, n1) * dot(n2, n2) * dot(n3, n3)) == 0
    undefined = lone | ((np.abs(volume) < OPPOSITE) & (np.abs(rest) < OPPOSITE))
    return np.where(undefined, np.nan, np.arctan2(volume, rest) / (2 * np.pi))


def berg_luscher(n: np.ndarray) -> tuple[np.ndarray, int]:
    """Solid angles of the 2 n^2 grid triangles, summed over the two large triangles.

    n: (3, n, n) unit vectors. Grid triangles with an undefined angle (a corner at a zero of P: six
    of them at G when no offset is present) are left out and counted. Returns (charge (2,),
    left_out int).
    """
    size = n.shape[1]
    east, north = np.roll(n, -1, 1), np.roll(n, -1, 2)
    both = np.roll(north, -1, 1)
    upright, inverted = solid_angle(n, east, north), solid_angle(both, north, east)
    i, j = np.indices((size, size))
    parts = [(upright, i + j < size), (inverted, i + j < size - 1)]
    first = sum(np.nansum(angle[inside]) for angle, inside in parts)
    second = sum(np.nansum(angle[~inside]) for angle, inside in parts)
    left_out = sum(int(np.isnan(angle).sum()) for angle, _ in parts)
    return np.array([first, second]), left_out


def sign_rule(P_perp: np.ndarray, zero_tolerance: float) -> np.ndarray:
    """Q = (sgn P_perp(centre) - sgn P_perp(G)) / 2 for the two triangles.

    P_perp: (n, n), n a multiple of 3. zero_tolerance: absolute, in the unit of P_perp: a smaller
    value has sign 0. Returns (2,), for the triangles centred at (1/3, 1/3) and (2/3, 2/3).
    """
    third = len(P_perp) // 3
    values = np.array([P_perp[0, 0], P_perp[third, third], P_perp[2 * third, 2 * third]])
    sign = np.where(np.abs(values) <= zero_tolerance, 0.0, np.sign(values))
    return (sign[1:] - sign[0]) / 2


def charges(P: np.ndarray, zero_tolerance: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Compute the charges of both triangles by the three methods.

    P: (3, n, n), n a multiple of 3, G at the origin. zero_tolerance: fraction of the largest |P|
    that counts as zero. Returns (Q (3 METHODS, 2 triangles), density (n, n) charge per node of the
    finite differences, left_out int grid triangles without a solid angle).
    """
    n = unit_vectors(P, zero_tolerance)
    density = finite_difference(n)
    angle, left_out = berg_luscher(n)
    tolerance = zero_tolerance * np.linalg.norm(P, axis=0).max()
    Q = [
        (triangle_weights(P.shape[1]) * density).sum(axis=(1, 2)),
        angle,
        sign_rule(P[2], tolerance),
    ]
    return np.array(Q), density, left_out


def triangle_of(uv: np.ndarray) -> int:
    """Which triangle (0 or 1) is centred at the fractional point uv (2,)."""
    for index, centre in enumerate((1 / 3, 2 / 3)):
        if np.allclose((np.asarray(uv) - centre + 0.5) % 1, 0.5, atol=1e-6):
            return index
    raise ValueError(f"no triangle of the cell is centred at {tuple(uv)}")


def by_region(Q: np.ndarray, points: Mapping[str, np.ndarray]) -> np.ndarray:
    """Charges (..., 2 triangles) as (..., 3 REGIONS): around N, around M, total.

    points: label -> fractional place of N and M.
    """
    order = [triangle_of(points[region]) for region in REGIONS[:2]]
    return np.concatenate([Q[..., order], Q.sum(axis=-1, keepdims=True)], axis=-1)
