"""Error of predictions, calibrated on held-out direct DFT.

The error of a dipole has three parts: the committee, the covariance of the fit, and the orders
that the expansion omits. The last part, the **remainder**, is a random second-order term
(`moirepol.physics.gradient.remainder`) of the width

    c / (1 + |g| / g0),

with one factor c for in-plane and one for out-of-plane components. |g| is the size of the
displacement gradient. g0 is a small fraction of the smallest gradient of the cells, so the term
grows as |g|. The cells do not determine another power: errors of the expansion grow faster, but
those of the long-range electrostatics grow as |g|.

c is the geometric mean of two values. With the first value, 68.3 % of the components lie within one
error. With the second value, 95.4 % lie within two errors. Every cell has the same weight. The
errors of one cell are alike, so K cells determine c like K numbers determine a standard deviation.
Both values are therefore multiplied by the ratio of the quantiles of Student's t-distribution with
K degrees of freedom to those of the normal distribution.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from moirepol.workflow.provenance import read_netcdf

DIRECTIONS = {"in-plane": slice(0, 2), "out-of-plane": slice(2, 3)}
#: Fraction of components within one and two errors of a normal distribution.
FRACTIONS = {times: math.erf(times / math.sqrt(2)) for times in (1, 2)}
#: g0 in units of the smallest gradient of the cells.
SATURATION = 0.03
#: Error of a label in e.angstrom. The shipped labels violate their symmetry by up to this size.
LABEL_ERROR_EA = 5e-6
LARGEST_SCALE = 1e3
SMALLEST_SCALE = 1e-6


@dataclass(frozen=True)
class ValidatedCell:
    """Errors of the dipoles of one cell of direct DFT.

    Attributes
    ----------
    name
        Name of the cell.
    size
        Size of its displacement gradient.
    error
        Prediction minus label (m, 3) in e.angstrom.
    deviation
        Standard deviation (m, 3) of the committee and the fit in e.angstrom.
    remainder
        Root mean square (m, 3) of the remainder of unit width in e.angstrom.
    """

    name: str
    size: float
    error: np.ndarray
    deviation: np.ndarray
    remainder: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """Widths of the remainder.

    Attributes
    ----------
    scale
        Factor c of each of `DIRECTIONS`, in e.angstrom.
    saturation
        Size g0 of the displacement gradient.
    """

    scale: tuple[float, float]
    saturation: float

    def widths(self, size: float | np.ndarray) -> np.ndarray:
        """Return the width (..., 3) of the remainder at gradients of some size (...)."""
        in_plane, out_of_plane = self.scale
        fraction = 1 / (1 + np.asarray(size) / self.saturation)
        return np.array([in_plane, in_plane, out_of_plane]) * fraction[..., None]

    def errors(self, cell: ValidatedCell) -> np.ndarray:
        """Return the calibrated errors (m, 3) of prediction and label of a cell in e.angstrom."""
        predicted = np.hypot(cell.deviation, self.widths(cell.size) * cell.remainder)
        return np.hypot(predicted, LABEL_ERROR_EA)

    def coverage(self, cell: ValidatedCell, times: float = 1.0) -> tuple[float, float]:
        """Return the fraction of components within some times the error, for each direction."""
        within = np.abs(cell.error) <= times * self.errors(cell)
        in_plane, out_of_plane = (float(within[:, axes].mean()) for axes in DIRECTIONS.values())
        return in_plane, out_of_plane


def read_calibration(path: str | Path) -> tuple[Calibration, float, float]:
    """Read a calibration and the gradients that it covers.

    Parameters
    ----------
    path
        File of `calibrate_errors`.

    Returns
    -------
    calibration : Calibration
        The widths.
    largest_strain : float
        Largest size of the strains among the cells.
    largest_twist_deg : float
        Largest twist angle among the cells in degrees.

    Raises
    ------
    JobError
        If the file cannot be read or is of another kind.
    """
    ds = read_netcdf(path, "scale", "saturation", "largest_strain", "largest_twist")
    in_plane, out_of_plane = ds["scale"].values.tolist()
    calibration = Calibration((in_plane, out_of_plane), float(ds["saturation"]))
    return calibration, float(ds["largest_strain"]), float(ds["largest_twist"])


def calibrate(cells: Sequence[ValidatedCell]) -> Calibration:
    """Find the widths of the remainder.

    Parameters
    ----------
    cells
        Cells, each predicted without a fit to it.

    Returns
    -------
    Calibration
        The widths.
    """
    calibration = calibrate_widths(cells, SATURATION * min(cell.size for cell in cells))
    wider = _few_cells(len(cells))
    in_plane, out_of_plane = calibration.scale
    return replace(calibration, scale=(wider * in_plane, wider * out_of_plane))


def calibrate_widths(cells: Sequence[ValidatedCell], saturation: float) -> Calibration:
    """Find the widths of the remainder for a given g0.

    Parameters
    ----------
    cells
        Cells, each predicted without a fit to it.
    saturation
        Size g0 of the displacement gradient.

    Returns
    -------
    Calibration
        The widths.
    """
    in_plane, out_of_plane = (_scale(cells, k, saturation) for k in range(len(DIRECTIONS)))
    return Calibration((in_plane, out_of_plane), saturation)


def _few_cells(number):
    """Factor of widths that a small number of cells determines: geometric mean over `FRACTIONS`."""
    from scipy.stats import t  # slow to import, and predictions do not need it

    ratios = [t.ppf((1 + fraction) / 2, number) / times for times, fraction in FRACTIONS.items()]
    return float(np.exp(np.log(ratios).mean()))


def coverages(
    cells: Sequence[ValidatedCell], fit: Callable[[Sequence[ValidatedCell]], Calibration]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fraction of components within one and two errors, for every cell.

    Parameters
    ----------
    cells
        Cells, each predicted without a fit to it.
    fit
        Function that calibrates the widths on cells.

    Returns
    -------
    within, within_left_out : ndarray
        Fractions (cell, times, direction), calibrated on all cells, and on all but this cell. The
        only cell is not left out.
    """
    full = fit(cells)
    others = [fit([cell for cell in cells if cell is not left_out] or cells) for left_out in cells]
    within, left_out = (
        np.array(
            [
                [calibration.coverage(cell, times) for times in FRACTIONS]
                for cell, calibration in zip(cells, calibrations, strict=True)
            ]
        )
        for calibrations in ([full] * len(cells), others)
    )
    return within, left_out


def _scale(cells, number, saturation):
    """Factor c of one direction: geometric mean over `FRACTIONS`."""
    from scipy.optimize import brentq  # slow to import, and predictions do not need it

    def excess(logarithm, times):
        scale = np.exp(logarithm)
        calibration = Calibration((scale, scale), saturation)
        within = np.mean([calibration.coverage(cell, times)[number] for cell in cells])
        return within - FRACTIONS[times]

    low, high = np.log(SMALLEST_SCALE), np.log(LARGEST_SCALE)
    found = [
        low if excess(low, times) > 0 else brentq(excess, low, high, args=(times,), xtol=1e-3)
        for times in FRACTIONS
    ]
    return float(np.exp(np.mean(found)))
