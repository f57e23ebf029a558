"""Draw errors of predictions against the predicted error and the displacement gradient."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import xarray as xr

from moirepol.model.calibration import Calibration, read_calibration
from moirepol.plotting import new_figure, save
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

COLORS = ("tab:blue", "tab:cyan", "tab:green", "tab:orange", "tab:red", "black", "tab:purple")
MARKERS = "os^vDxP*"  # not as many as colours, so that no pair repeats
FLOOR_EA = 1e-8
STEP = 0.03  # where the axis of gradients goes over from linear to logarithmic


def plot_calibration(
    studies: Sequence[str],
    errors: Sequence[str],
    names: Mapping[str, str],
    data: str,
    pdf: str,
    png: str,
) -> None:
    """Draw the error of every N atom against the predicted error and the displacement gradient.

    Parameters
    ----------
    studies
        Files of `validate_frames`, named by the study.
    errors
        Files of `calibrate_errors`, named by the family. With them the predicted error of a moire
        cell or uniaxial cell contains the remainder.
    names
        Label of each study in the legend.
    data
        NetCDF to write. For every study and N atom it contains the root mean square `error` and
        `spread` of a component in e.A, and the size of the displacement `gradient`. For every
        study it contains
        `within_2`, the fraction of components with an error of at most twice the spread.
    pdf, png
        The figure to write.
    """
    calibrations = {Path(path).stem: read_calibration(path)[0] for path in errors}
    found = {Path(path).stem: read_netcdf(path, "gradient", "remainder") for path in studies}
    parts, within = [], {}
    for study, ds in found.items():
        wrong = np.abs(ds["model"] - ds["dft"])
        ds["spread"] = _with_remainder(ds, calibrations)
        part = xr.Dataset(
            {
                "error": np.sqrt((wrong**2).mean("component")),
                "spread": np.sqrt((ds["spread"] ** 2).mean("component")),
                "gradient": ds["gradient"],
            }
        )
        parts.append(part.assign(study=("sample", np.full(ds.sizes["sample"], study, object))))
        within[study] = float((wrong <= 2 * ds["spread"]).mean())
    shown = xr.concat(parts, dim="sample")
    for name, unit in (
        ("error", "e.angstrom"),
        ("spread", "e.angstrom"),
        ("gradient", "1"),
    ):
        shown[name].attrs["units"] = unit
    shown["within_2"] = "name", list(within.values()), {"units": "1"}
    shown = shown.assign_coords(name=list(within))
    write_netcdf(stamp(shown, "Errors against error bars"), data)

    figure, (left, right) = new_figure(4.4, nrows=2)
    right.set_xscale("symlog", linthresh=STEP)
    for study, color, marker in zip(found, cycle(COLORS), cycle(MARKERS)):
        chosen = shown.isel(sample=np.flatnonzero(shown["study"] == study))
        error = chosen["error"].clip(FLOOR_EA)
        style = {"color": color, "marker": marker, "markersize": 2.5, "linestyle": "none"}
        style |= {"alpha": 0.5, "markeredgewidth": 0 if marker != "x" else 0.6}
        left.loglog(chosen["spread"].clip(FLOOR_EA), error, label=names[study], **style)
        right.semilogy(chosen["gradient"], error, **style)
        print(f"{study}: {within[study]:.0%} within twice the spread")
    ends = np.array([min(left.get_xlim()[0], left.get_ylim()[0]), left.get_ylim()[1]])
    left.plot(ends, ends, color="0.5", linewidth=0.6, zorder=0)
    left.set(xlim=left.get_xlim(), ylim=left.get_ylim())
    for ax in (left, right):
        ax.set_ylabel(r"error of an N atom ($e\,\mathrm{\AA}$)")
    left.set_xlabel(r"predicted error ($e\,\mathrm{\AA}$)")
    right.set_xlabel("size of the displacement gradient")
    figure.legend(loc="outside upper center", ncols=2, markerscale=1.5)
    save(figure, pdf, png)


def _with_remainder(ds: xr.Dataset, calibrations: Mapping[str, Calibration]) -> xr.DataArray:
    """Add the remainder to the standard deviation (sample, component) of the members."""
    families = [System.parse(str(name)).family for name in ds["frame"].values]
    widths = [
        calibrations[family].widths(float(size)) if family in calibrations else np.zeros(3)
        for family, size in zip(families, ds["gradient"].values, strict=True)
    ]
    return np.hypot(ds["spread"], np.array(widths).reshape(-1, 3) * ds["remainder"])


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_calibration, globals().get("snakemake"))
