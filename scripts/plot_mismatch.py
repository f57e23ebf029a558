"""Draw extra P_perp and net polarization against the mismatch (Fig. 3g)."""

import numpy as np
import xarray as xr

from moirepol.physics.polarization import layer_fields, net_polarization
from moirepol.plotting import DIPOLE, POINT_COLORS, UNIT, new_figure, one_strain, save
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

GRID = 48
QUANTITIES = {
    "at_G": ("e.angstrom", r"$P_\perp(G)$", POINT_COLORS["G"]),
    "mean": ("e.angstrom", r"mean $P_\perp$", "tab:green"),
    "net": ("pC/m", "net polarization", "tab:purple"),
}


def plot_mismatch(
    sweep: str,
    labels: list[str],
    trained_eta: list[float],
    data: str,
    pdf: str,
    png: str,
):
    """Draw P_perp at G and on average, and the dipole of the cell per area, without a field.

    Parameters
    ----------
    sweep
        Sweep over mismatched bilayers of one family. It contains the field 0. Its first strain is
        drawn.
    labels
        Label sets with mismatched cells of direct DFT among their frames.
    trained_eta
        Mismatches of the labels that the models are fitted to.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    frames = [frame for path in labels for frame in read_frames(path)]
    ds = one_strain(read_netcdf(sweep, "P_point", "net_polarization", "eta"))
    ds = ds.sel(field=0, drop=True).sortby("eta")
    names = {"at_G": "P_point", "mean": "P_perp_mean", "net": "net_polarization"}
    shown = xr.Dataset()
    for name, source in names.items():
        for ending in ("", "_error"):
            values = ds[source + ending]
            if name == "at_G":
                values = values.sel(point="G", component="z", drop=True)
            shown[name + ending] = values
    family = System.parse(ds["system"].values[0]).family
    direct = [
        frame
        for frame in frames
        if frame.system.geometry == "mismatch"
        and frame.family == family
        and not frame.field_V_per_A
    ]
    for name, (unit, _, _) in QUANTITIES.items():
        values = [quantities(frame)[name] for frame in direct]
        shown[f"direct_{name}"] = "label", np.array(values), {"units": unit}
    shown = shown.assign_coords(
        label=[frame.name for frame in direct],
        label_eta=("label", [frame.system.eta for frame in direct]),
    )
    write_netcdf(stamp(shown, "Extra P_perp and net polarization by lattice mismatch"), data)

    figure, axes = new_figure(3.8, nrows=2, sharex=True)
    eta = 100 * shown["eta"]
    for name, (_, words, color) in QUANTITIES.items():
        ax, factor = (axes[1], 1) if name == "net" else (axes[0], UNIT)
        value, error = factor * shown[name], factor * shown[f"{name}_error"].fillna(0)
        style = {"markersize": 2.5, "elinewidth": 0.9, "capsize": 2.5, "capthick": 0.9}
        ax.errorbar(eta, value, error, fmt="o-", color=color, label=f"{words}, model", **style)
        if direct:
            ax.plot(
                *(100 * shown["label_eta"], factor * shown[f"direct_{name}"]),
                "D",
                color=color,
                markeredgecolor="black",
                markersize=5,
                label=f"{words}, direct DFT",
            )
    for ax in axes:
        ax.axhline(0, color="black", linewidth=0.5, zorder=0)
        for known in trained_eta:
            first = ax is axes[0] and known is trained_eta[0]
            words = "mismatch of the fitted labels" if first else None
            ax.axvline(100 * known, color="0.8", linewidth=3, zorder=-1, label=words)
    axes[0].legend(fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axes[1].legend(fontsize=6, loc="lower left")
    axes[0].set_ylabel(rf"$P_\perp$ ({DIPOLE})")
    axes[1].set(xlabel=r"lattice mismatch $\eta$ (%)", ylabel="net polarization (pC/m)")
    save(figure, pdf, png)


def quantities(frame) -> dict[str, float]:
    """Return P_perp at G and its mean in e.A per N pair, and the net polarization in pC/m."""
    P_perp = layer_fields(frame, GRID).sum(axis=0)[2]
    net = net_polarization(frame, frame.dipoles)[2]
    return {"at_G": P_perp[0, 0], "mean": P_perp.mean(), "net": net}


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_mismatch, globals().get("snakemake"))
