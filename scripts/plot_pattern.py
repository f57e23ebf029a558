"""Draw in-plane and out-of-plane polarization in one picture (Figs. 2c, 3c, 4h)."""

import numpy as np

from moirepol.plotting import (
    COLUMN_INCHES,
    DIPOLE,
    LONGEST_ARROW,
    UNIT,
    disc,
    draw_arrow_key,
    draw_arrows,
    draw_cell,
    figure_data,
    map_figure,
    places_in_window,
    sample,
    save,
)
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

PLACES_PER_CELL = 12
# The largest circle stands for this share of the largest |P| at least, so that a negligible P_perp
# stays small in the picture.
VISIBLE = 0.2


def plot_pattern(polarization_map: str, data: str, pdf: str, png: str):
    """Draw P_par as arrows and P_perp as circles: red up, blue down, diameter by size.

    Parameters
    ----------
    polarization_map
        The map.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    ds = read_netcdf(polarization_map, "P")
    shown = figure_data(ds, ["P"])
    write_netcdf(stamp(shown, f"Polarization pattern of {ds.attrs['system']}"), data)

    P = UNIT * shown["P"].values
    figure, ax = map_figure(shown, keys=2)
    places = places_in_window(ax, shown, PLACES_PER_CELL)
    P_perp = sample(P[2], shown["cell"].values, places)
    largest = max(np.abs(P[2]).max(), VISIBLE * np.abs(P).max())
    (left, right), spacing = ax.get_xlim(), np.linalg.norm(shown["cell"].values[0])
    points = 72 * 0.7 * COLUMN_INCHES * spacing / PLACES_PER_CELL / (right - left)
    colors = np.where(P_perp > 0, "tab:red", "tab:blue")
    ax.scatter(*places.T, s=(0.9 * points * P_perp / largest) ** 2, c=colors, alpha=0.6, lw=0)
    arrows = draw_arrows(ax, shown, P[:2], PLACES_PER_CELL)
    draw_cell(ax, shown)
    in_plane = np.linalg.norm(P[:2], axis=0).max()
    length = LONGEST_ARROW * spacing / PLACES_PER_CELL / in_plane
    draw_arrow_key(ax, arrows, in_plane, length, r"P_\parallel")
    handles = [disc("tab:red", r"$P_\perp > 0$"), disc("tab:blue", r"$P_\perp < 0$")]
    style = {"handletextpad": 0.2, "columnspacing": 1.0}
    words = rf"largest $|P_\perp|$: {np.abs(P[2]).max():.2g} {DIPOLE}"
    figure.legend(handles=handles, title=words, loc="outside upper center", ncols=2, **style)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_pattern, globals().get("snakemake"))
