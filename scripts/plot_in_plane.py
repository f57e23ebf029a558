"""Draw P_par in configuration space or in a moire cell (Figs. 1c, 2e)."""

from moirepol.plotting import UNIT, draw_cell, draw_in_plane, figure_data, map_figure, save
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def plot_in_plane(polarization_map: str, data: str, pdf: str, png: str):
    """Draw |P_par| in colour and its direction by arrows.

    Parameters
    ----------
    polarization_map
        The map.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    ds = read_netcdf(polarization_map, "P")
    shown = figure_data(ds.sel(component=["x", "y"]).rename(P="P_par"), ["P_par"])
    write_netcdf(stamp(shown, f"P_par of {ds.attrs['system']}"), data)

    figure, ax = map_figure(shown)
    draw_in_plane(ax, shown, UNIT * shown["P_par"].values)
    draw_cell(ax, shown)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_in_plane, globals().get("snakemake"))
