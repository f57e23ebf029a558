"""Dipoles of the model against DFT (Fig. 1f)."""

import matplotlib.pyplot as plt
import numpy as np

from moirepol.plots import DIPOLE, UNIT, new_figure, save
from moirepol.provenance import read_netcdf, stamp, write_netcdf

SIDES = {"train": "0.6", "validation": "tab:red", "test": "tab:blue"}


def plot_parity(parity: str, data: str, pdf: str, png: str):
    """Draw all dipole components of the model against DFT, and below them the errors.

    parity: the comparison, per N atom and side of the split. data, pdf, png: the panel's NetCDF and
    pictures to write.
    """
    ds = read_netcdf(parity, "dft", "model")
    shown = ds[["dft", "model", "split", "mae"]]
    write_netcdf(stamp(shown, "Dipoles of the model against DFT"), data)

    figure, (ax, errors) = new_figure(3.4, nrows=2, sharex=True, height_ratios=[3, 1])
    for side, color in SIDES.items():
        chosen = (shown["split"] == side).values
        if not chosen.any():
            continue
        dft, model = (UNIT * shown[name].values[chosen].ravel() for name in ("dft", "model"))
        error = 1e5 * np.abs(model - dft).mean() / UNIT
        label = rf"{side}: MAE {error:.2f} $\times 10^{{-5}}\,e\,\mathrm{{\AA}}$"
        style = {"markersize": 2, "alpha": 0.6, "markeredgewidth": 0, "color": color}
        ax.plot(dft, model, "o", label=label, **style)
        errors.plot(dft, 100 * (model - dft), "o", **style)
    ax.axline((0, 0), slope=1, color="black", linewidth=0.6, zorder=0)
    errors.axhline(0, color="black", linewidth=0.6, zorder=0)
    ax.set_ylabel(f"model ({DIPOLE})")
    ax.legend(loc="upper left", handletextpad=0.2)
    errors.set(xlabel=f"DFT ({DIPOLE})", ylabel=r"error ($10^{-5}\,e\,\mathrm{\AA}$)")
    errors.yaxis.set_major_locator(plt.MaxNLocator(3, symmetric=True))
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.job import run

    run(plot_parity, globals().get("snakemake"))
