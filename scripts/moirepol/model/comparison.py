"""Comparison of models with first principles at every N atom: one data set for all comparisons."""

import numpy as np
import xarray as xr

from moirepol.structure.bilayer import Bilayer

MEANINGS = {
    "dft": "dipole from first principles",
    "model": "dipole from the committee",
    "spread": "standard deviation over the members asked",
    "mae": "mean absolute error of a component over the N atoms",
}


def compared(
    frame: Bilayer, model: np.ndarray, spread: np.ndarray, members: int, side: str
) -> xr.Dataset:
    """Make the comparison of one frame.

    Parameters
    ----------
    frame
        Labelled frame with m dipole sites.
    model
        Committee mean (m, 3) of the dipoles in e.angstrom.
    spread
        Committee standard deviation (m, 3) in e.angstrom.
    members
        Number of members that were evaluated.
    side
        Side of the split: ``train``, ``validation`` or ``test``.

    Returns
    -------
    xr.Dataset
        ``dft``, ``model`` and ``spread`` (sample, component) in e.angstrom; ``layer``, ``members``,
        ``split`` and ``frame`` (sample,).
    """
    centres = frame.sites
    each = np.full(len(centres), 1)
    return xr.Dataset(
        {
            "dft": (("sample", "component"), frame.arrays["dipole"][centres]),
            "model": (("sample", "component"), model),
            "spread": (("sample", "component"), spread),
            "layer": ("sample", frame.layer[centres]),
            "members": ("sample", members * each),
            "split": ("sample", np.full(len(centres), side, dtype=object)),
            "frame": ("sample", np.full(len(centres), frame.name, dtype=object)),
        }
    )


def together(parts: list[xr.Dataset], what: str) -> xr.Dataset:
    """Concatenate comparisons and add their mean absolute error.

    Parameters
    ----------
    parts
        Data sets of `compared`.
    what
        Name of the predicted quantity, which ends every long name.

    Returns
    -------
    xr.Dataset
        All samples, with ``mae`` (side, component) in e.angstrom.
    """
    ds = xr.concat(parts, dim="sample").assign_coords(component=["x", "y", "z"])
    error = abs(ds["model"] - ds["dft"])
    ds["mae"] = error.groupby(ds["split"]).mean("sample").rename(split="side")
    for name, meaning in MEANINGS.items():
        ds[name].attrs.update(units="e.angstrom", long_name=f"{meaning}, {what}")
    ds["members"].attrs["long_name"] = "members asked: those with the frame on this side"
    ds["side"].attrs["long_name"] = "side of the split"
    return ds
