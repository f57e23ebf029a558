"""Calibrate the error of predictions on direct DFT of held-out moire cells."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.model.calibration import DIRECTIONS, ValidatedCell, calibrate, coverages
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def calibrate_errors(studies: Sequence[str], errors: str, largest_eta: float) -> None:
    """Calibrate on all moire cells together, and on all but one, for each of them.

    Parameters
    ----------
    studies
        Files of `validate_frames` with moire cells of one family.
    errors
        NetCDF to write: ``scale`` (direction) in e.angstrom, ``saturation``, ``largest_strain`` and
        ``largest_twist`` among the cells, and for every cell the fraction of components within one
        and two errors, calibrated with and without this cell.
    largest_eta
        Cells of a larger mismatch in size are left out: predictions beyond it are marked.
    """
    cells = [
        cell
        for study in studies
        for cell in _cells(study)
        if abs(System.parse(cell.name).eta) <= largest_eta + 1e-9
    ]
    full = calibrate(cells)
    within, left_out = coverages(cells, calibrate)
    gradients = [
        (cell.size, np.radians(abs(System.parse(cell.name).twist_angle_deg))) for cell in cells
    ]
    fraction = {"units": "1", "long_name": "fraction of components within the error"}
    out = xr.Dataset(
        {
            "scale": (
                "direction",
                list(full.scale),
                {"units": "e.angstrom", "long_name": "width of the remainder"},
            ),
            "saturation": ((), full.saturation, {"units": "1", "long_name": "gradient g0"}),
            "largest_strain": (
                (),
                max(float(np.sqrt(max(size**2 - twist**2, 0.0))) for size, twist in gradients),
                {"units": "1", "long_name": "largest size of the strains of the cells"},
            ),
            "largest_twist": (
                (),
                max(float(np.degrees(twist)) for _, twist in gradients),
                {"units": "degree", "long_name": "largest twist angle of the cells"},
            ),
            "within": (("cell", "times", "direction"), within, fraction),
            "within_left_out": (("cell", "times", "direction"), left_out, fraction),
            "gradient": (
                "cell",
                [cell.size for cell in cells],
                {"units": "1", "long_name": "size of the displacement gradient"},
            ),
        },
        {
            "cell": [cell.name for cell in cells],
            "times": ("times", [1, 2], {"long_name": "multiple of the error"}),
            "direction": list(DIRECTIONS),
        },
    )
    settings = {"largest_eta": largest_eta}
    write_netcdf(stamp(out, "Calibration of the error of predictions", settings), errors)
    for number, direction in enumerate(DIRECTIONS):
        one, two = within[..., number].mean(axis=0)
        print(f"{direction}: {one:.1%} within one error, {two:.1%} within two")


def _cells(study):
    """Moire cells of one study."""
    ds = read_netcdf(study, "model", "dft", "spread", "remainder", "gradient", "cell")
    for name in ds["cell"].values:
        part = ds.isel(sample=np.flatnonzero(ds["frame"].values == name))
        yield ValidatedCell(
            str(name),
            float(part["gradient"].max()),
            (part["model"] - part["dft"]).values,
            part["spread"].values,
            part["remainder"].values,
        )


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(calibrate_errors, globals().get("snakemake"))
