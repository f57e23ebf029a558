"""Draw the charges around N and M over mismatch and vertical field (Fig. 3h)."""

import numpy as np
from matplotlib.lines import Line2D

from moirepol.plotting import POINT_COLORS, new_figure, one_strain, save
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

#: How far from whole a charge may be and still be drawn as whole.
WHOLE = 0.1


def plot_phases(sweep: str, data: str, pdf: str, png: str):
    """Draw the fields in which P_perp changes sign at G, N and M, and the charges between them.

    Dots are charges by solid angles at the computed points. A cross marks a charge that is no
    integer.

    Parameters
    ----------
    sweep
        Sweep over mismatched bilayers and fields. Its first strain is drawn.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    ds = one_strain(read_netcdf(sweep, "Q", "threshold_field", "eta")).sortby("eta")
    shown = ds[["threshold_field", "threshold_field_error", "Q", "Q_error"]]
    write_netcdf(stamp(shown, "Charges by lattice mismatch and field"), data)

    figure, ax = new_figure(3.4)
    eta, field = 100 * shown["eta"].values, shown["field"].values
    G, N, M = (shown["threshold_field"].sel(deciding=label) for label in "GNM")
    low, high = field.min(), field.max()
    # P_perp(N) < 0 < P_perp(M) between the outer lines, with P_perp(G) above or below zero.
    between = np.linspace(eta.min(), eta.max(), 500)
    G, N, M = (np.interp(between, eta, line) for line in (G, N, M))
    for lower, upper, region, words in (
        (np.maximum(G, M), N, "N", r"signs: $Q_N=-1$, $Q_M=0$"),
        (M, np.minimum(G, N), "M", r"signs: $Q_N=0$, $Q_M=1$"),
    ):
        style = {"color": POINT_COLORS[region], "alpha": 0.2, "lw": 0, "label": words}
        ax.fill_between(between, lower, upper, where=lower < upper, **style)
    for label in "GNM":
        line = shown["threshold_field"].sel(deciding=label)
        error = shown["threshold_field_error"].sel(deciding=label).fillna(0)
        color = POINT_COLORS[label]
        ax.plot(eta, line, color=color, label=rf"$P_\perp({label})=0$")
        for side in (-1, 1):
            ax.plot(eta, line + side * error, color=color, linewidth=0.6, linestyle=":")
    Q = shown["Q"].sel(scheme="berg_luscher", region=["N", "M"])
    for place, at_field in np.ndindex(Q.sizes["system"], Q.sizes["field"]):
        values = Q.isel(system=place, field=at_field).values
        whole = np.abs(values - np.rint(values)).max() < WHOLE
        phase = tuple(np.rint(values).astype(int))
        colors = {(-1, 0): POINT_COLORS["N"], (0, 1): POINT_COLORS["M"], (0, 0): "white"}
        if whole and phase in colors:
            style = {"marker": "o", "color": colors[phase], "mec": "black", "mew": 0.4}
        else:
            style = {"marker": "x", "color": "black", "mew": 0.6}
        ax.plot(eta[place], field[at_field], markersize=3, **style)
    ax.set(xlabel=r"lattice mismatch $\eta$ (%)", ylabel=r"electric field (V/$\AA$)")
    ax.set(ylim=(1.05 * low, 1.05 * high))
    handles, _ = ax.get_legend_handles_labels()
    point = {"linestyle": "none", "markersize": 4}
    for face, words in (
        (POINT_COLORS["N"], r"solid angles: $Q_N=-1$, $Q_M=0$"),
        (POINT_COLORS["M"], r"solid angles: $Q_N=0$, $Q_M=1$"),
        ("white", r"solid angles: $Q_N=Q_M=0$"),
    ):
        style = {"marker": "o", "markerfacecolor": face, "color": "black", "mew": 0.4}
        handles.append(Line2D([], [], label=words, **style, **point))
    cross = {"marker": "x", "color": "black", "mew": 0.6}
    handles.append(Line2D([], [], label="solid angles: not whole", **cross, **point))
    handles.append(Line2D([], [], color="0.3", lw=0.6, ls=":", label="error of a line"))
    style = {"fontsize": 6, "columnspacing": 1.0, "handlelength": 1.4}
    figure.legend(handles=handles, loc="outside upper center", ncols=2, **style)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_phases, globals().get("snakemake"))
