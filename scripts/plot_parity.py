"""Dipoles of the models against DFT (Fig. 1f)."""

import json

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from moirepol.plots import DIPOLE, UNIT, new_figure, save
from moirepol.provenance import read_netcdf, stamp, write_netcdf

SIDES = {"train": "0.6", "validation": "tab:red", "test": "tab:blue"}


def plot_parity(parities: list[str], data: str, pdf: str, png: str):
    """Draw all dipole components of each model against DFT, and below them the errors.

    parities: the comparisons, per N atom and side of the split. data, pdf, png: the panel's NetCDF
    and pictures to write.
    """
    parts = {}
    for path in [parities] if isinstance(parities, str) else parities:
        ds = read_netcdf(path, "dft", "model")
        parts[_name(json.loads(ds.attrs["settings"]))] = ds[["dft", "model", "split"]]
    shown = xr.concat(parts.values(), dim="sample")
    counts = [part.sizes["sample"] for part in parts.values()]
    shown["learned"] = "sample", np.repeat(list(parts), counts)
    write_netcdf(stamp(shown, "Dipoles of the models against DFT"), data)

    figure, axes = new_figure(
        3.0, nrows=2, ncols=len(parts), sharex="col", height_ratios=[3, 1], squeeze=False
    )
    for column, (name, part) in enumerate(parts.items()):
        ax, errors = axes[:, column]
        for side, color in SIDES.items():
            chosen = (part["split"] == side).values
            if not chosen.any():
                continue
            dft, model = (UNIT * part[source].values[chosen].ravel() for source in ("dft", "model"))
            label = rf"{side}: {1e6 * np.abs(model - dft).mean() / UNIT:.1f}"
            style = {"markersize": 2, "alpha": 0.6, "markeredgewidth": 0, "color": color}
            ax.plot(dft, model, "o", label=label, **style)
            errors.plot(dft, 1e3 * (model - dft), "o", **style)
        ax.axline((0, 0), slope=1, color="black", linewidth=0.6, zorder=0)
        errors.axhline(0, color="black", linewidth=0.6, zorder=0)
        ax.set_title(name)
        ax.legend(
            title=r"MAE ($10^{-6}\,e\,\mathrm{\AA}$)",
            title_fontsize=6,
            fontsize=6,
            loc="upper left",
            handletextpad=0.2,
        )
        errors.set_xlabel(f"DFT ({DIPOLE})")
        errors.yaxis.set_major_locator(plt.MaxNLocator(3, symmetric=True))
    axes[0, 0].set_ylabel(f"model ({DIPOLE})")
    axes[1, 0].set_ylabel("error ($10^{-6}$\n" + r"$e\,\mathrm{\AA}$)")
    save(figure, pdf, png)


def _name(settings):
    """What a model learned, in words."""
    family = settings["family"].replace("AAp", "AA\u2032")
    if settings["kind"] == "zero_field":
        return family
    return f"{family}, {settings['kind']} to {settings['field_V_per_A']:g} V/\u00c5"


if __name__ == "__main__":
    from moirepol.job import run

    run(plot_parity, globals().get("snakemake"))
