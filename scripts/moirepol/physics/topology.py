"""Topological charge of a periodic polarization pattern.

The grid is that of `moirepol.physics.polarization`: n x n nodes, node (i, j) at u = i/n, v = j/n
along two cell vectors at 60 degrees, with G at the origin. The cell boundary and the short diagonal
(u = 0, v = 0, u + v = 1, the paths G-A-G, G-B-G and G-C-G) divide the cell into two equilateral
triangles. Their centres are (1/3, 1/3) and (2/3, 2/3). Their edges are grid lines.

The charge is

    Q = 1/(4 pi) int n . (d_x n x d_y n) dx dy,

with right-handed axes x, y, z and z from the lower to the upper layer. A vortex of in-plane index
+1 has Q = +1/2 if its core points up (+z) and its rim is in-plane. The same vortex with its core
down has Q = -1/2. The in-plane field has index +1 at M and N and index -2 at G, for every helicity
(Bloch or Neel). Both helicities therefore have Q_point = (sgn P_perp(point) - sgn P_perp(G)) / 2.

Three methods compute Q:

- Finite differences use Eq. (3) of the paper. The differences along the three lattice directions
  a1, a2 and a2 - a1 have equal weights, so the density has the symmetry of the triangular grid. If
  P vanishes at G, q falls as 1/r around G and the sum over a triangle lacks a charge of order 1/n.
- The solid angles of the grid triangles are summed (Berg and Luscher, Nucl. Phys. B 190, 412
  (1981)).
- The sign rule above needs P_perp at three points only.
"""

from collections.abc import Mapping

import numpy as np

METHODS = ("finite_difference", "berg_luscher", "sign_rule")
REGIONS = ("N", "M", "total")
#: Smallest error of a direction, in radian: the round-off of P relative to |P|, where |P| is small.
ROUND_OFF = 1e-6


def unit_vectors(P: np.ndarray, zero_tolerance: float) -> np.ndarray:
    """Return the directions of the polarization, with P = 0 kept as the zero vector.

    Parameters
    ----------
    P
        Polarization (3, n, n) in any unit.
    zero_tolerance
        Largest |P| that counts as zero, as a fraction of the maximum of |P|.

    Returns
    -------
    ndarray
        Unit vectors or zero vectors (3, n, n).
    """
    size = np.sqrt(_dot(P, P))
    zero = size <= zero_tolerance * size.max(initial=0.0)
    return np.where(zero, 0.0, P / np.where(zero, 1.0, size))


def triangle_weights(n: int) -> np.ndarray:
    """Return the share of every grid node that belongs to each of the two triangles.

    A node on an edge belongs to both triangles by halves. So does G, which has three of its six
    sectors in each.

    Parameters
    ----------
    n
        Number of nodes along each cell vector.

    Returns
    -------
    ndarray
        Shares (2, n, n) of the triangle centred at (1/3, 1/3), then of that at (2/3, 2/3). Their
        sum is 1.
    """
    i, j = np.indices((n, n))
    first = np.where(i + j < n, 1.0, 0.0)
    first[(i == 0) | (j == 0) | (i + j == n)] = 0.5
    return np.stack([first, 1.0 - first])


def finite_difference(n: np.ndarray) -> np.ndarray:
    """Return the charge at every node by centred differences, Eq. (3) of the paper.

    Parameters
    ----------
    n
        Unit vectors (3, n, n).

    Returns
    -------
    ndarray
        Charge (n, n) per node. Divided by the area of a node it is the charge density q(r).
    """

    def difference(i: int, j: int) -> np.ndarray:
        return (np.roll(n, (-i, -j), (1, 2)) - np.roll(n, (i, j), (1, 2))) / 2

    d1, d2, d3 = difference(1, 0), difference(0, 1), difference(-1, 1)
    turns = _cross(d1, d2) + _cross(d1 + d2, d3)
    return _dot(n, turns) / (12 * np.pi)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar product (...) of vectors (3, ...); several times faster than a sum over an axis."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Vector product (3, ...) of vectors (3, ...)."""
    turn = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.stack(turn)


def solid_angle(
    n1: np.ndarray, n2: np.ndarray, n3: np.ndarray, error: float | np.ndarray = ROUND_OFF
) -> np.ndarray:
    """Return the signed solid angle of the spherical triangle n1 n2 n3, divided by 4 pi.

    Parameters
    ----------
    n1, n2, n3
        Unit vectors (3, ...) of the corners.
    error
        Largest error (...) of their directions in radian.

    Returns
    -------
    ndarray
        Solid angle / (4 pi), shape (...). NaN where a corner is the zero vector or where two
        corners are opposite within the error, so that no shortest triangle exists.

    References
    ----------
    Berg and Luscher, Nucl. Phys. B 190, 412 (1981).
    """
    volume = _dot(n1, _cross(n2, n3))
    rest = 1 + _dot(n1, n2) + _dot(n2, n3) + _dot(n3, n1)
    lone = _dot(n1, n1) * _dot(n2, n2) * _dot(n3, n3) == 0
    undefined = lone | ((np.abs(volume) < error) & (np.abs(rest) < error))
    return np.where(undefined, np.nan, np.arctan2(volume, rest) / (2 * np.pi))


def berg_luscher(n: np.ndarray, error: float | np.ndarray = ROUND_OFF) -> tuple[np.ndarray, int]:
    """Sum the solid angles of the 2 n^2 grid triangles over the two large triangles.

    Parameters
    ----------
    n
        Unit vectors (3, n, n).
    error
        Errors (n, n) of their directions in radian.

    Returns
    -------
    charge : ndarray
        Charge (2,) of the two large triangles.
    left_out : int
        Number of grid triangles without a solid angle, which the sums do not contain. Each has a
        corner at a zero of P or opposite corners. A zero of P at G gives six of them.
    """
    size = n.shape[1]
    east, north, both = (-1, 0), (0, -1), (-1, -1)
    error = np.broadcast_to(error, n.shape[1:])

    def angles(*corners: tuple[int, int]) -> np.ndarray:
        n1, n2, n3 = (np.roll(n, shift, (1, 2)) for shift in corners)
        largest = np.max([np.roll(error, shift, (0, 1)) for shift in corners], axis=0)
        return solid_angle(n1, n2, n3, largest)

    upright, inverted = angles((0, 0), east, north), angles(both, north, east)
    i, j = np.indices((size, size))
    parts = [(upright, i + j < size), (inverted, i + j < size - 1)]
    first = sum(np.nansum(angle[inside]) for angle, inside in parts)
    second = sum(np.nansum(angle[~inside]) for angle, inside in parts)
    left_out = sum(int(np.isnan(angle).sum()) for angle, _ in parts)
    return np.array([first, second]), left_out


def sign_rule(P_perp: np.ndarray, zero_tolerance: float) -> np.ndarray:
    """Return Q = (sgn P_perp(centre) - sgn P_perp(G)) / 2 for the two triangles.

    Parameters
    ----------
    P_perp
        Out-of-plane polarization (n, n) in any unit, n a multiple of 3.
    zero_tolerance
        Largest absolute value with sign 0, in the unit of P_perp.

    Returns
    -------
    ndarray
        Charge (2,) of the triangles centred at (1/3, 1/3) and (2/3, 2/3).
    """
    third = len(P_perp) // 3
    values = np.array([P_perp[0, 0], P_perp[third, third], P_perp[2 * third, 2 * third]])
    sign = np.where(np.abs(values) <= zero_tolerance, 0.0, np.sign(values))
    return (sign[1:] - sign[0]) / 2


def charges(P: np.ndarray, zero_tolerance: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Compute the charges of both triangles by the three methods.

    Parameters
    ----------
    P
        Polarization (3, n, n) in any unit, n a multiple of 3, G at the origin.
    zero_tolerance
        Largest |P| that counts as zero, as a fraction of the maximum of |P|. It is also the error
        of P: the direction of a small P is uncertain.

    Returns
    -------
    Q : ndarray
        Charges (method, triangle), shape (3, 2), in the order of `METHODS`.
    density : ndarray
        Charge (n, n) per node by finite differences.
    left_out : int
        Number of grid triangles without a solid angle.
    """
    n = unit_vectors(P, zero_tolerance)
    density = finite_difference(n)
    size = np.linalg.norm(P, axis=0)
    tolerance = zero_tolerance * size.max()
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.maximum(ROUND_OFF, np.nan_to_num(tolerance / size))
    angle, left_out = berg_luscher(n, error)
    Q = [
        (triangle_weights(P.shape[1]) * density).sum(axis=(1, 2)),
        angle,
        sign_rule(P[2], tolerance),
    ]
    return np.array(Q), density, left_out


def triangle_of(uv: np.ndarray) -> int:
    """Return the index of the triangle that is centred at a point.

    Parameters
    ----------
    uv
        Fractional place (2,).

    Returns
    -------
    int
        0 for (1/3, 1/3), 1 for (2/3, 2/3).

    Raises
    ------
    ValueError
        If no triangle is centred at the point.
    """
    for index, centre in enumerate((1 / 3, 2 / 3)):
        if np.allclose((np.asarray(uv) - centre + 0.5) % 1, 0.5, atol=1e-6):
            return index
    raise ValueError(f"no triangle of the cell is centred at {tuple(uv)}")


def by_region(Q: np.ndarray, points: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return charges by region instead of by triangle.

    Parameters
    ----------
    Q
        Charges (..., 2) of the two triangles.
    points
        Label -> fractional place (2,), with N and M among the labels.

    Returns
    -------
    ndarray
        Charges (..., 3) in the order of `REGIONS`: around N, around M, total.

    Raises
    ------
    ValueError
        If N or M is not the centre of a triangle.
    """
    order = [triangle_of(points[region]) for region in REGIONS[:2]]
    return np.concatenate([Q[..., order], Q.sum(axis=-1, keepdims=True)], axis=-1)
