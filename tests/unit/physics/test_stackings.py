"""Functions of the stacking: symmetry, fits, grids, and the layer distance of least energy."""

import numpy as np
import pytest

from moirepol.errors import JobError
from moirepol.physics import stackings
from moirepol.structure.symmetry import distinct_slides, layer_symmetries, transform_slide

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("family", ["AA", "AAp"])
def test_the_functions_have_the_symmetry_of_a_bilayer(family):
    """The sines change sign with an exchange of the layers of AA, the cosines do not."""
    tau = RANDOM.random((20, 2))
    for operation in layer_symmetries(family):
        image = stackings.functions(transform_slide(tau, operation))
        sign = np.ones(6)
        if operation[1] and family == "AA":
            sign[4:] = -1
        np.testing.assert_allclose(image, sign * stackings.functions(tau), atol=1e-12)


@pytest.mark.parametrize(("parity", "zero"), [(1, slice(4, 6)), (-1, slice(0, 4))])
def test_a_fit_finds_the_coefficients(parity, zero):
    coefficients = RANDOM.normal(size=6)
    coefficients[zero] = 0
    tau = np.array(distinct_slides(6, "AA")) / 6
    values = stackings.functions(tau) @ coefficients
    found, residuals = stackings.fit(tau, values, "AA", parity)
    np.testing.assert_allclose(found, coefficients, atol=1e-12)
    np.testing.assert_allclose(residuals, 0, atol=1e-12)


def test_a_grid_is_filled_by_symmetry():
    tau = np.array(distinct_slides(6, "AA")) / 6
    coefficients = np.array([3.4, 0.07, -0.01, 0.0, 0.0, 0.0])
    grid = stackings.on_grid(tau, stackings.functions(tau) @ coefficients, "AA", 1, 6)
    everywhere = np.indices((6, 6)).transpose(1, 2, 0) / 6
    np.testing.assert_allclose(grid, stackings.functions(everywhere) @ coefficients, atol=1e-12)
    of = stackings.Stackings({}, {"distance": grid}, 0.3)
    places = RANDOM.random((10, 2))
    wanted = stackings.functions(places) @ coefficients
    np.testing.assert_allclose(of.at("distance", places), wanted, atol=1e-12)


def test_a_property_of_the_layers_is_exchanged_with_them():
    tau = np.array([[1 / 3, 1 / 3], [0.0, 0.0], [0.0, 1 / 3]])
    values = np.array([[-1.0, 2.0], [-0.5, 0.5], [0.0, 0.0]])
    grid = stackings.on_grid(tau, values, "AA", -1, 3)
    np.testing.assert_allclose(grid[1, 1], [-1, 2])
    np.testing.assert_allclose(grid[2, 2], [-2, 1])


def test_a_missing_stacking_is_named():
    with pytest.raises(JobError, match=r"^no relaxed label of the stacking \(0, 1\) / 2 of AA$"):
        stackings.on_grid(np.zeros((1, 2)), np.ones(1), "AA", 1, 2)


def test_the_energy_in_a_field():
    of = stackings.Stackings(
        {"energy": np.eye(6)[0], "polarization": np.eye(6)[4], "response": np.eye(6)[1]}, {}, 0.3
    )
    np.testing.assert_allclose(of.energy_coefficients(0.2), [1, -0.02, 0, 0, -0.2, 0])
    np.testing.assert_allclose(of.energy_coefficients(), np.eye(6)[0])


def test_the_distance_of_least_energy():
    """Repulsion and attraction of known form have their minimum where the derivative is zero."""

    def repels(d):
        return 6000.0 * np.exp(-3.4 * d)

    def attracts(d):
        return -20.0 / d**4

    exact = stackings.relaxed_distance(repels, attracts, (3.15, 3.7))
    for apart in ([3.15, 3.33, 3.45, 3.7], [3.15, 3.33, 3.45, 3.6, 3.7]):
        between = stackings.repulsion(np.array(apart), repels(np.array(apart)))
        found = stackings.relaxed_distance(between, attracts, (3.15, 3.7))
        assert found[0] == pytest.approx(exact[0], abs=5e-4)
        assert found[1] == pytest.approx(exact[1], rel=0.02)
    slope = -3.4 * repels(exact[0]) + 80.0 / exact[0] ** 5
    assert abs(slope) < 1e-4
    with pytest.raises(JobError, match="3.15[0-9]? A: allowed is between .* 3.15 and 3.7 A"):
        stackings.relaxed_distance(attracts, lambda d: 0.0, (3.15, 3.7))
