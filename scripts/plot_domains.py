"""Domains and charges of rigid and relaxed twisted bilayers against the angle (Fig. 5b)."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from moirepol.physics.domains import saturated_fraction, wall_width
from moirepol.plotting import new_figure, save
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

COLORS = {"rigid": "0.5", "relaxed": "tab:red"}


def plot_domains(
    polarization_maps: Sequence[str], charges: Sequence[str], data: str, pdf: str, png: str
) -> None:
    """Draw wall width, share of the domains and charge of N against the twist angle.

    Parameters
    ----------
    polarization_maps
        Maps of rigid and of relaxed bilayers.
    charges
        Their charges, in the same order.
    data, pdf, png
        The panel's NetCDF and pictures to write.
    """
    rows = []
    for path, charge in zip(polarization_maps, charges, strict=True):
        ds, found = read_netcdf(path, "P"), read_netcdf(charge, "Q", "Q_grid_error")
        system = System.parse(ds.attrs["system"])
        found = found.sel(scheme="finite_difference", region="N", drop=True)
        errors = [found[name] for name in ("Q_grid_error", "Q_model_error") if name in found]
        rows.append(
            xr.Dataset(
                {
                    "wall_width": ((), wall_width(ds), {"units": "angstrom"}),
                    "domain_share": ((), saturated_fraction(ds), {"units": "1"}),
                    "Q_N": ((), float(found["Q"].isel(grid=-1)), {"units": "1"}),
                    "Q_N_error": ((), float(np.linalg.norm(errors)), {"units": "1"}),
                    "relaxed": ((), system.relaxed),
                },
                coords={"angle": abs(system.twist_angle_deg)},
            )
        )
    shown = xr.concat(rows, dim="angle")
    shown["angle"].attrs.update(units="degree", long_name="twist angle")
    for name, meaning in (
        ("wall_width", "width of the wall between N and M"),
        ("domain_share", "share of the area with |P_perp| above half of its largest value"),
        ("Q_N", "topological charge around N"),
        ("Q_N_error", "error of Q_N: of the grid and of the models"),
        ("relaxed", "whether the bilayer is relaxed"),
    ):
        shown[name].attrs["long_name"] = meaning
    write_netcdf(stamp(shown, "Domains of rigid and relaxed bilayers"), data)

    figure, axes = new_figure(3.6, nrows=3, sharex=True)
    for word, color in COLORS.items():
        part = shown.isel(angle=shown["relaxed"].values == (word == "relaxed")).sortby("angle")
        style = {"color": color, "marker": "o", "markersize": 3, "label": word}
        axes[0].plot(part["angle"], part["wall_width"] / 10, **style)
        axes[1].plot(part["angle"], part["domain_share"], **style)
        axes[2].errorbar(part["angle"], part["Q_N"], part["Q_N_error"], capsize=2, **style)
    axes[0].set(ylabel="wall width (nm)", xscale="log", yscale="log")
    axes[1].set(ylabel="share of domains", ylim=(0, 1))
    axes[2].set(ylabel=r"$Q_N$", xlabel="twist angle (degrees)")
    axes[2].margins(y=0.3)
    ticks = [0.2, 0.5, 1, 2, 5]
    axes[2].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[2].minorticks_off()
    axes[0].legend()
    plt.setp([ax.get_xticklabels() for ax in axes[:-1]], visible=False)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_domains, globals().get("snakemake"))
