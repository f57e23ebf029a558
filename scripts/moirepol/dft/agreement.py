"""Agreement of labels that were made twice."""

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer


def largest_difference(frame: Bilayer, other: Bilayer) -> float:
    """Return the largest component in e.angstrom by which two labels of a structure differ."""
    apart = frame.positions - other.positions
    fractions = apart @ np.linalg.inv(frame.cell.array)
    if np.abs(fractions - np.rint(fractions)).max() > 1e-6:
        raise JobError(f"{frame.name}: the two structures differ")
    return float(np.nanmax(np.abs(frame.arrays["dipole"] - other.arrays["dipole"])))


def require(ds: xr.Dataset, limit_eA: float) -> None:
    """Check that labels made twice agree; JobError if one differs by more than the limit."""
    worst = ds["difference_eA"].to_series()
    if not worst.max() <= limit_eA:
        raise JobError(
            f"{worst.idxmax()} differs by {worst.max():.2g} e.A, allowed is {limit_eA:g}"
        )
