"""Draw the charges around N and M against the vertical field, with thresholds (Fig. 4j)."""

import numpy as np

from moirepol.plotting import DIPOLE, HALO, POINT_COLORS, UNIT, new_figure, one_geometry, save
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

FORMULAS = {"finite_difference": ("+", "Eq. (3)"), "berg_luscher": ("o", "solid angles")}


def plot_charges(sweep: str, data: str, pdf: str, png: str):
    """Draw Q_N and Q_M by all methods, and below them P_perp at the points that determine them.

    Parameters
    ----------
    sweep
        Sweep over fields. Its first system in its first strain is drawn.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    ds = one_geometry(read_netcdf(sweep, "Q", "threshold_field"))
    shown = ds[[name for name in ds if name.startswith(("Q", "threshold_field", "P_point"))]]
    write_netcdf(stamp(shown, f"Charges of {ds['system'].item()} by field"), data)

    figure, (top, bottom) = new_figure(3.6, nrows=2, sharex=True, height_ratios=(3, 2))
    field = shown["field"]
    steps = np.linspace(float(field.min()), float(field.max()), 2001)
    zeros = shown["threshold_field"]
    P_perp = shown["P_point"].sel(component="z")
    rising = P_perp.isel(field=-1) > P_perp.isel(field=0)
    signs = {
        label: np.sign(steps - float(zeros.sel(deciding=label)))
        * (1 if rising.sel(point=label) else -1)
        for label in zeros["deciding"].values
    }
    for region in "NM":
        color = POINT_COLORS[region]
        rule = (signs[region] - signs["G"]) / 2
        top.plot(steps, rule, color=color, linewidth=0.8, label=f"$Q_{region}$, sign rule")
        for method, (marker, words) in FORMULAS.items():
            Q = shown["Q"].sel(scheme=method, region=region)
            error = np.hypot(
                shown["Q_error"].sel(scheme=method, region=region).fillna(0),
                shown["Q_grid_error"].sel(scheme=method, region=region),
            )
            top.errorbar(
                *(field, Q, error),
                fmt=marker,
                color=color,
                markersize=3.5,
                markerfacecolor="none",
                markeredgewidth=0.7,
                elinewidth=0.7,
                label=f"$Q_{region}$, {words}",
            )
    for label in zeros["deciding"].values:
        place = float(zeros.sel(deciding=label))
        error = np.nan_to_num(float(shown["threshold_field_error"].sel(deciding=label)))
        for ax in (top, bottom):
            ax.axvspan(place - error, place + error, color="0.6", linewidth=0.6, zorder=0)
        line = UNIT * P_perp.sel(point=label)
        bottom.plot(field, line, color=POINT_COLORS[label])
        bottom.annotate(
            f"at {label}",
            *((float(field.max()), float(line.sel(field=field.max()))), (4, 0)),
            textcoords="offset points",
            color=POINT_COLORS[label],
            fontsize=7,
            va="center",
        )
        bottom.annotate(
            f"{place:.4f} V/Å".replace("-0.0000", "0.0000").replace("-", "\N{MINUS SIGN}"),
            *((place, 1), (0, -2)),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=6,
            ha="center",
            va="top",
            path_effects=HALO,
        )
    bottom.axhline(0, color="black", linewidth=0.5, zorder=0)
    bottom.set(xlabel=r"electric field along $+z$ (V/$\AA$)", ylabel=rf"$P_\perp$ ({DIPOLE})")
    bottom.set_ylim(top=1.6 * bottom.get_ylim()[1])
    top.set(ylabel="topological charge", ylim=(-1.15, 1.15), yticks=[-1, -0.5, 0, 0.5, 1])
    top.set_xlim(1.1 * float(field.min()), 1.4 * float(field.max()))
    figure.legend(*top.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_charges, globals().get("snakemake"))
