"""Draw P_perp in configuration space or in a moire cell (Figs. 1b, 2d, 3d, 4b, 4c)."""

from moirepol.plotting import UNIT, draw_cell, draw_out_of_plane, figure_data, map_figure, save
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def plot_out_of_plane(
    polarization_map: str, data: str, pdf: str, png: str, largest_eA: float | None = None
):
    """Draw P_perp with dotted contours at P_perp = 0.

    Parameters
    ----------
    polarization_map
        The map.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    largest_eA
        |P_perp| in e.angstrom at the ends of the colours; by default the maximum of the map.
    """
    ds = read_netcdf(polarization_map, "P")
    shown = figure_data(ds.sel(component="z", drop=True).rename(P="P_perp"), ["P_perp"])
    write_netcdf(stamp(shown, f"P_perp of {ds.attrs['system']}"), data)

    figure, ax = map_figure(shown)
    largest = None if largest_eA is None else UNIT * largest_eA
    draw_out_of_plane(ax, shown, UNIT * shown["P_perp"].values, largest)
    draw_cell(ax, shown)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_out_of_plane, globals().get("snakemake"))
