"""Models against first principles, N atom by N atom: one data set for every comparison."""

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
    """Compare one frame: ``dft``, ``model`` and ``spread`` (sample, component) in e.A, and more.

    model, spread : (n, 3) on the N atoms, of `members` members. side : train, validation or test.
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
    """Return all comparisons, one after the other, with their ``mae`` (side, component)."""
    ds = xr.concat(parts, dim="sample").assign_coords(component=["x", "y", "z"])
    error = abs(ds["model"] - ds["dft"])
    ds["mae"] = error.groupby(ds["split"]).mean("sample").rename(split="side")
    for name, meaning in MEANINGS.items():
        ds[name].attrs.update(units="e.angstrom", long_name=f"{meaning}, {what}")
    ds["members"].attrs["long_name"] = "members asked: those with the frame on this side"
    ds["side"].attrs["long_name"] = "side of the split"
    return ds
