"""Draw the topological charge density of a moire cell (Figs. 2f, 3e, 3f, 4e, 4f)."""

import numpy as np

from moirepol.plotting import draw_cell, draw_charge, figure_data, map_figure, save
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def plot_charge(charge: str, data: str, pdf: str, png: str):
    """Draw q(r) with the triangles around M and N, and Q of each by Eq. (3) on the finest grid.

    Parameters
    ----------
    charge
        File of `compute_charge`.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    ds = read_netcdf(charge, "charge_density", "Q")
    finest = ds["grid"].values.argmax()
    by_method = ds["Q"].isel(grid=finest, drop=True)
    Q, rule = (by_method.sel(scheme=m, drop=True) for m in ("finite_difference", "sign_rule"))
    errors = [
        ds[name].sel(scheme="finite_difference", drop=True)
        for name in ("Q_grid_error", "Q_model_error")
        if name in ds
    ]
    found = {"Q_finite_difference": Q, "Q_sign_rule": rule}
    if errors:
        found["Q_error"] = np.sqrt(sum(error**2 for error in errors)).assign_attrs(units="1")
    shown = figure_data(ds.assign(found), ["charge_density", *found])
    write_netcdf(stamp(shown, f"Topological charge density of {ds.attrs['system']}"), data)

    figure, ax = map_figure(shown)
    draw_charge(ax, shown, shown["charge_density"].values)
    draw_cell(ax, shown, triangles=True)
    ax.set_title("\n".join(charges_in_words(shown)), fontsize=7)
    save(figure, pdf, png)


def charges_in_words(shown):
    """Return two lines: both charges by Eq. (3) with their errors, and by the sign rule."""
    integral, rule = [], []
    for region in "NM":
        at = shown.sel(region=region)
        error = rf" \pm {at['Q_error'].item():.4f}" if "Q_error" in shown else ""
        integral.append(rf"$Q_{region} = {at['Q_finite_difference'].item():+.4f}{error}$")
        rule.append(f"${at['Q_sign_rule'].item():+g}$".replace("+0", "0"))
    return ", ".join(integral), f"by the signs of $P_\\perp$: {', '.join(rule)}"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_charge, globals().get("snakemake"))
