"""Draw P_perp, P_par and the topological charge density of a map side by side."""

import matplotlib
import matplotlib.pyplot as plt

from moirepol.plotting import (
    STYLE,
    UNIT,
    draw_cell,
    draw_charge,
    draw_in_plane,
    draw_out_of_plane,
    save,
    window,
)
from moirepol.structure.names import describe
from moirepol.workflow.provenance import read_netcdf

WIDTH_INCHES = 7.0  # two journal columns


def plot_map(polarization_map: str, charge: str, pdf: str, png: str):
    """Draw a map and its charge. The two files themselves are the data.

    Parameters
    ----------
    polarization_map, charge
        The map and its charge.
    pdf, png
        Pictures to write.
    """
    ds, charges = read_netcdf(polarization_map, "P"), read_netcdf(charge, "charge_density")
    P = UNIT * ds["P"].values
    (left, right), (bottom, top) = window(ds["cell"].values)
    matplotlib.rcParams.update(STYLE)
    height = 0.24 * WIDTH_INCHES * (top - bottom) / (right - left) + 0.65
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH_INCHES, height), sharey=True)
    for ax in axes:
        ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
        symbol = r"\tau_x" if ds.attrs["space"] == "configuration" else "x"
        ax.set_xlabel(rf"${symbol}$ ($\AA$)")
    axes[0].set_ylabel(rf"${symbol.replace('x', 'y')}$ ($\AA$)")
    draw_out_of_plane(axes[0], ds, P[2])
    draw_in_plane(axes[1], ds, P[:2])
    draw_charge(axes[2], ds, charges["charge_density"].values)
    for ax in axes:
        draw_cell(ax, ds, triangles=ax is axes[2])
    figure.suptitle(ds.attrs.get("description") or describe(ds.attrs["system"]), fontsize=8)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_map, globals().get("snakemake"))
