"""Map of the topological charge density of a moire cell (Figs. 2f, 3e, 3f, 4e, 4f)."""

from moirepol.plots import draw_cell, draw_charge, figure_data, map_figure, save
from moirepol.provenance import read_netcdf, stamp, write_netcdf


def plot_charge(charge: str, data: str, pdf: str, png: str):
    """Draw q(r) with the triangles around M and N, and Q of each by Eq. (3) on the finest grid.

    charge: the charge file. data, pdf, png: the panel's NetCDF and pictures to write.
    """
    ds = read_netcdf(charge, "q", "Q")
    finest = ds["grid"].values.argmax()
    Q = ds["Q"].sel({"method": "finite_difference"}, drop=True).isel(grid=finest, drop=True)
    shown = figure_data(ds.assign(Q_finite_difference=Q), ["q", "Q_finite_difference"])
    write_netcdf(stamp(shown, f"Topological charge density of {ds.attrs['system']}"), data)

    figure, ax = map_figure(shown)
    draw_charge(ax, shown, shown["q"].values)
    draw_cell(ax, shown, triangles=True)
    values = [f"$Q_{r}$ = {shown['Q_finite_difference'].sel(region=r):+.3f}" for r in "NM"]
    ax.set_title(", ".join(values))
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.job import run

    run(plot_charge, globals().get("snakemake"))
