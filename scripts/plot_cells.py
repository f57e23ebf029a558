"""Draw first harmonics of moire cells: local stacking, long range, gradient, direct DFT."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

PARTS = {"P_perp": r"$P_\perp$", "P_par": r"$P_\parallel$"}
STYLES = (("tab:orange", "v"), ("tab:green", "s"), ("tab:blue", "o"))


def plot_cells(
    studies: Sequence[str],
    names: Mapping[str, str],
    largest_eta: float,
    data: str,
    pdf: str,
    png: str,
) -> None:
    """Draw the first harmonics of the summed layers of every cell, predicted and by direct DFT.

    Parameters
    ----------
    studies
        Files of `validate_frames` with moire cells, named by the study.
    names
        Name in the legend of each study. Studies of different families may share a name.
    largest_eta
        Cells of a larger mismatch in size are left out.
    data
        NetCDF to write: ``amplitude`` (cell, case, part) in e.angstrom per pair of N atoms; NaN
        where a cell is not predicted.
    pdf, png
        The figure to write.
    """
    found = {Path(path).stem: read_netcdf(path, "amplitude", "cell") for path in studies}
    cells = sorted(
        {
            str(name)
            for ds in found.values()
            for name in ds["cell"].values
            if abs(System.parse(str(name)).eta) <= largest_eta + 1e-9
        },
        key=_order,
    )
    cases = [*dict.fromkeys(names[study] for study in found), "direct DFT"]
    amplitude = np.full((len(cells), len(cases), len(PARTS)), np.nan)
    for study, ds in found.items():
        for name in ds["cell"].values:
            if str(name) in cells:
                here, row = ds["amplitude"].sel(cell=name), cells.index(str(name))
                amplitude[row, cases.index(names[study])] = here.sel(source="model")
                amplitude[row, -1] = here.sel(source="dft")
    shown = xr.Dataset(
        {
            "amplitude": (
                ("cell", "case", "part"),
                amplitude,
                {"units": "e.angstrom", "long_name": "first harmonic of the summed layers"},
            )
        },
        {"cell": cells, "case": cases, "part": list(PARTS)},
    )
    write_netcdf(stamp(shown, "First harmonics of moire cells"), data)

    figure, axes = new_figure(4.6, nrows=2, sharex=True)
    places = np.arange(len(cells))
    for ax, (part, symbol) in zip(axes, PARTS.items(), strict=True):
        values = UNIT * shown["amplitude"].sel(part=part)
        direct = values.sel(case="direct DFT")
        ax.bar(places, direct, color="0.85", edgecolor="0.4", linewidth=0.6, label="direct DFT")
        for number, case in enumerate(cases[:-1]):
            color, marker = STYLES[number % len(STYLES)]
            shift = 0.18 * (number - (len(cases) - 2) / 2)
            ax.plot(
                *(places + shift, values.sel(case=case)),
                **{"color": color, "marker": marker, "markersize": 4, "linestyle": "none"},
                label=case,
            )
        ax.set_ylabel(f"{symbol} ({DIPOLE})")
    axes[1].set_xticks(places, [_label(name) for name in cells])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=1)
    save(figure, pdf, png)


def _order(name):
    """Return the sort key: family, then twisted cells by angle, then mismatched cells."""
    system = System.parse(name)
    return system.family, bool(system.eta), -abs(system.twist_angle_deg), abs(system.eta)


def _label(name):
    system = System.parse(name)
    family = system.family.replace("AAp", "AA'")
    numbers = [f"{system.twist_angle_deg:.1f}°"] if system.twist_angle_deg else []
    numbers += [f"{100 * system.eta:.0f} %"] if system.eta else []
    return "\n".join([family, *numbers])


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_cells, globals().get("snakemake"))
