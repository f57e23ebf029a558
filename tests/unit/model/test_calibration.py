"""Calibration of the error: known errors give back their width, and a test can fail."""

import numpy as np

from moirepol.model.calibration import (
    Calibration,
    ValidatedCell,
    calibrate,
    calibrate_widths,
)

KNOWN = Calibration((0.3, 0.1), 0.2)


def cells(known, sizes=(0.05, 0.1, 0.2, 0.4), m=4000):
    random, made = np.random.default_rng(0), []
    for number, size in enumerate(sizes):
        remainder = size**2 * random.uniform(0.5, 1.5, (m, 3))
        deviation = np.full((m, 3), 1e-5)
        error = np.hypot(deviation, known.widths(size) * remainder) * random.normal(size=(m, 3))
        made.append(ValidatedCell(str(number), size, error, deviation, remainder))
    return made


def test_known_widths_are_found():
    linear = Calibration((30.0, 10.0), 0.0015)
    found = calibrate(cells(linear, np.geomspace(0.05, 0.4, 40), m=400))
    for size in (0.05, 0.1, 0.4):
        np.testing.assert_allclose(found.widths(size), linear.widths(size), rtol=0.08)


def test_the_coverage_is_that_of_a_normal_distribution():
    made = cells(KNOWN)
    found = calibrate_widths(made, KNOWN.saturation)
    for times, expected in ((1, 0.683), (2, 0.954)):
        within = np.mean([found.coverage(cell, times) for cell in made], axis=0)
        np.testing.assert_allclose(within, expected, atol=0.01)
    too_small = Calibration((KNOWN.scale[0] / 3, KNOWN.scale[1] / 3), KNOWN.saturation)
    assert np.mean([too_small.coverage(cell) for cell in made]) < 0.4


def test_errors_that_the_fit_explains_need_no_remainder():
    made = cells(Calibration((1e-9, 1e-9), 1.0))
    assert max(calibrate(made).widths(0.1)) < 0.02


def test_fewer_cells_give_larger_errors():
    """By the quantiles of Student's t-distribution: 1.84 and 13.97 for one cell."""
    made = cells(KNOWN, sizes=(0.2,))
    saturation = calibrate(made).saturation
    ratios = np.divide(calibrate(made).scale, calibrate_widths(made, saturation).scale)
    np.testing.assert_allclose(ratios, np.sqrt(1.84 * 13.97 / 2), rtol=0.01)
    many = cells(KNOWN, np.linspace(0.1, 0.4, 40), m=100)
    saturation = calibrate(many).saturation
    ratios = np.divide(calibrate(many).scale, calibrate_widths(many, saturation).scale)
    assert np.all((ratios > 1.01) & (ratios < 1.03))
