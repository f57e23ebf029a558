"""Draw the dipoles of the models against DFT (Fig. 1f)."""

import json

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

TRAIN, VALIDATION = "train", "validation"
MICRO = r"($10^{-6}\,e\,\mathrm{\AA}$)"
COLORS = ("tab:red", "tab:blue", "tab:green")


def plot_parity(parities: list[str], data: str, pdf: str, png: str):
    """Draw all dipole components of each model against DFT, and below them the errors.

    Parameters
    ----------
    parities
        Files of `evaluate_model`.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    parts = {}
    for path in parities:
        ds = read_netcdf(path, "dft", "model")
        parts[_name(json.loads(ds.attrs["settings"]))] = ds[["dft", "model", "split"]]
    shown = xr.concat(parts.values(), dim="sample")
    counts = [part.sizes["sample"] for part in parts.values()]
    shown["learned"] = "sample", np.repeat(list(parts), counts)
    write_netcdf(stamp(shown, "Dipoles of the models against DFT"), data)

    figure, (ax, *rows) = new_figure(
        3.6, nrows=1 + len(parts), sharex=True, height_ratios=[1.6, *[1] * len(parts)]
    )
    for (name, part), errors, color in zip(parts.items(), rows, COLORS, strict=False):
        means = []
        for side, shade in ((TRAIN, "0.6"), (VALIDATION, color)):
            chosen = (part["split"] == side).values
            dft, model = (UNIT * part[source].values[chosen].ravel() for source in ("dft", "model"))
            style = {"markersize": 2, "alpha": 0.6, "markeredgewidth": 0, "color": shade}
            ax.plot(dft, model, "o", **style)
            errors.plot(dft, 1e3 * (model - dft), "o", **style)
            error = 1e6 * np.abs(model - dft).mean() / UNIT if chosen.any() else np.nan
            means.append(f"{error:.1f}")
        ax.plot([], [], "o", color=color, markersize=3, label=f"{name}: {', '.join(means)}")
        errors.axhline(0, color="black", linewidth=0.6, zorder=0)
        errors.yaxis.set_major_locator(plt.MaxNLocator(3, symmetric=True))
    ax.plot([], [], "o", color="0.6", markersize=3, label="training frames")
    ax.axline((0, 0), slope=1, color="black", linewidth=0.6, zorder=0)
    title = "mean absolute error, training and validation frames " + MICRO
    figure.legend(
        *ax.get_legend_handles_labels(),
        title=title,
        title_fontsize=6.5,
        fontsize=6.5,
        loc="outside upper center",
        ncols=2,
        handletextpad=0.2,
        columnspacing=1.0,
    )
    ax.set_ylabel(f"model ({DIPOLE})")
    middle = rows[len(rows) // 2]
    middle.set_ylabel(f"error {MICRO}")
    rows[-1].set_xlabel(f"DFT ({DIPOLE})")
    save(figure, pdf, png)


def _name(settings):
    """Return what a model predicts, in words."""
    family = settings["family"].replace("AAp", "AA\u2032")
    if settings["kind"] == "zero_field":
        return family
    return f"{family}, {settings['kind']} to {settings['field_V_per_A']:g} V/\u00c5"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_parity, globals().get("snakemake"))
