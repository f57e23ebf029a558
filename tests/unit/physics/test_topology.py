"""Charges of analytic patterns: first harmonics of a moire field, with known Q."""

import numpy as np
import pytest

from moirepol.physics import topology

STAR = np.array([[1, 0], [0, 1], [-1, -1]])
CELL = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
EXTREME = 3 * np.sqrt(3) / 2
FD, BL, SIGN = range(3)
TOLERANCE = 1e-9


def pattern(n, offset=0.0, helicity_deg=0.0):
    """P_perp up at (1/3, 1/3), down at (2/3, 2/3), in-plane index +1 at both: (3, n, n)."""
    i, j = np.indices((n, n)) / n
    phase = 2 * np.pi * (STAR[:, 0, None, None] * i + STAR[:, 1, None, None] * j)
    directions = STAR @ np.linalg.inv(CELL).T
    c, s = np.cos(np.radians(helicity_deg)), np.sin(np.radians(helicity_deg))
    in_plane = np.einsum("kij,ka->aij", np.cos(phase), -directions @ np.array([[c, s], [-s, c]]))
    return np.concatenate([in_plane, [np.sin(phase).sum(axis=0) + offset]])


def charges(P):
    return topology.charges(P, TOLERANCE)[0]


def test_triangles_share_the_cell():
    weights = topology.triangle_weights(12)
    assert (weights.sum(axis=0) == 1).all()
    assert weights.sum(axis=(1, 2)) == pytest.approx([72, 72])


@pytest.mark.parametrize("helicity", [0, 90, 37, 180])
def test_merons_without_offset(helicity):
    """Half charges of opposite sign, whatever the helicity: Bloch as well as Neel."""
    Q = charges(pattern(240, helicity_deg=helicity))
    assert Q[FD] == pytest.approx([0.5, -0.5], abs=1e-2)
    assert Q[BL] == pytest.approx([0.5, -0.5], abs=1e-9)
    assert (Q[SIGN] == [0.5, -0.5]).all()


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0.3, [0, -1]), (-0.3, [1, 0]), (2.8, [0, 0]), (-2.8, [0, 0])],
)
def test_an_offset_leaves_whole_skyrmions_or_none(offset, expected):
    assert abs(offset) < EXTREME or expected == [0, 0]
    Q = charges(pattern(240, offset))
    assert Q[FD] == pytest.approx(expected, abs=2e-2)
    assert Q[BL] == pytest.approx(expected, abs=1e-9)
    assert (Q[SIGN] == expected).all()


@pytest.mark.parametrize("offset", [0.0, 0.3, -0.3])
def test_mirrors_change_the_sign_of_every_charge(offset):
    P = pattern(120, offset)
    Q = charges(P)
    assert np.abs(Q).max() > 0.4
    z_mirrored = P * np.array([1, 1, -1])[:, None, None]
    assert charges(z_mirrored) == pytest.approx(-Q, abs=1e-9)
    # A mirrored in-plane field has index -1 at the cores; the sign rule knows only P_perp.
    in_plane_mirrored = P * np.array([-1, 1, 1])[:, None, None]
    assert charges(in_plane_mirrored)[:2] == pytest.approx(-Q[:2], abs=1e-9)
    # Turning every vector by the same rotation about z changes nothing.
    turned = np.stack([-P[1], P[0], P[2]])
    assert charges(turned) == pytest.approx(Q, abs=1e-9)


def test_the_two_triangles_are_told_apart():
    """tau -> -tau exchanges the triangles."""
    P = pattern(120, 0.3)
    i, j = np.indices((120, 120))
    assert charges(P[:, -i, -j]) == pytest.approx(charges(P)[:, ::-1], abs=1e-9)


def test_finite_differences_converge_and_are_wrong_near_the_critical_state():
    # q falls as 1/r from the zero at G, so that a grid misses a charge of the order of its step.
    errors = np.array([abs(charges(pattern(n))[FD, 0] - 0.5) for n in (60, 120, 240)])
    assert errors[:-1] / errors[1:] == pytest.approx([2, 2], rel=0.05)
    near_critical = [charges(pattern(n, -1e-3)) for n in (30, 480)]
    assert abs(near_critical[0][FD, 0] - 1) > 0.2
    assert near_critical[0][BL] == pytest.approx([1, 0], abs=1e-9)
    assert abs(near_critical[1][FD, 0] - 1) < abs(near_critical[0][FD, 0] - 1)


def test_no_solid_angle_at_the_zero_of_the_field():
    _, density, left_out = topology.charges(pattern(60), TOLERANCE)
    assert left_out == 6
    assert density[0, 0] == 0
    assert topology.charges(pattern(60, 0.1), TOLERANCE)[2] == 0


def test_round_off_at_the_zero_is_no_direction():
    P = pattern(60)
    P[:, 0, 0] = [0, 0, 1e-16]
    assert charges(P)[SIGN] == pytest.approx([0.5, -0.5])
    assert charges(P)[BL] == pytest.approx([0.5, -0.5], abs=1e-9)


def test_noise_beside_the_zero_is_no_direction():
    """A zero beside G lies between two nodes with opposite directions, also within an error."""
    P = pattern(60)
    i, j = np.indices((60, 60)) / 60
    # P∥ changes its sign along a line around G.
    P[:2] *= 1 - 0.3 * (3 - np.cos(2 * np.pi * np.array([i, j, i + j])).sum(axis=0))
    clean, _, without = topology.charges(P, 1e-6)
    noise = np.random.default_rng(0).normal(size=P.shape) * 1e-8
    noisy, _, left_out = topology.charges(P + noise, 1e-6)
    assert noisy[BL] == pytest.approx(clean[BL], abs=1e-4)
    assert left_out == without


def test_a_uniform_field_has_no_charge():
    P = np.zeros((3, 12, 12))
    P[2] = 1
    assert charges(P) == pytest.approx(np.zeros((3, 2)))


def test_solid_angle_of_an_octant():
    x, y, z = np.eye(3)
    assert topology.solid_angle(x, y, z) == pytest.approx(1 / 8)
    assert topology.solid_angle(y, x, z) == pytest.approx(-1 / 8)
    assert np.isnan(topology.solid_angle(x, y, 0 * z))
    assert np.isnan(topology.solid_angle(x, -x, z))


def test_triangle_of_a_point():
    assert topology.triangle_of((1 / 3, 1 / 3)) == 0
    assert topology.triangle_of((-1 / 3, 5 / 3)) == 1
    with pytest.raises(ValueError, match="triangle"):
        topology.triangle_of((0.5, 0.5))
