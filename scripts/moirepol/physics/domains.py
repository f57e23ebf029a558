"""Domains of a moire bilayer: their areas, and the width of the walls between them.

A place belongs to a domain if its P_perp has more than half of the largest size that P_perp has in
the map. The wall width is that of a step tanh(2 x / w) with the slope of P_perp at the wall:
w = 2 P / |dP_perp / dx|, with P the mean size of P_perp at N and M.
"""

import numpy as np
import xarray as xr

from moirepol.physics.polarization import along_diagonal


def wall_width(ds: xr.Dataset) -> float:
    """Return the width in angstrom of the wall at C, between N and M.

    Parameters
    ----------
    ds
        Map of one period.
    """
    line, places = along_diagonal(ds, ds["P"].values[2])
    distance = np.linalg.norm(places - places[0], axis=1)
    n = len(line) - 1
    P = (abs(line[n // 3]) + abs(line[2 * n // 3])) / 2
    slope = np.gradient(line, distance)[n // 2]
    return float(2 * P / abs(slope))


def spontaneous(ds: xr.Dataset) -> np.ndarray:
    """Return P_perp (n, n) without the uniform part that a field induces.

    The uniform part is the mean of P_perp at N and M.

    Parameters
    ----------
    ds
        Map of one period.
    """
    line, _ = along_diagonal(ds, ds["P"].values[2])
    n = len(line) - 1
    return ds["P"].values[2] - (line[n // 3] + line[2 * n // 3]) / 2


def saturated_fraction(ds: xr.Dataset) -> float:
    """Return the share of the area where |P_perp| is more than half of its largest value.

    Parameters
    ----------
    ds
        Map.
    """
    P = np.abs(ds["P"].values[2])
    return float((P.max() / 2 < P).mean())


def share_up(P_perp: np.ndarray) -> float:
    """Return the share of the area of the domains in which P_perp is along +z.

    Walls belong to no domain. Their P_perp in a field is not that of the domains, because the
    response depends on the stacking.

    Parameters
    ----------
    P_perp
        P_perp (n, n) without the uniform part that a field induces.
    """
    half = np.abs(P_perp).max() / 2
    up, down = (P_perp > half).mean(), (P_perp < -half).mean()
    return float(up / (up + down))
