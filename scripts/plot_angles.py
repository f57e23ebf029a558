"""Draw the largest in-plane polarization of twisted bilayers against the angle (Fig. 4i)."""

import numpy as np
import xarray as xr

from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def plot_angles(polarization_maps: list[str], data: str, pdf: str, png: str):
    """Draw the largest |P_par| of each map against its twist angle, with the power that fits.

    polarization_maps: maps of twisted bilayers of one family. data, pdf, png: the panel's NetCDF
    and pictures to write.
    """
    maps = [read_netcdf(path, "P") for path in polarization_maps]
    angles = [System.parse(ds.attrs["system"]).twist_angle_deg for ds in maps]
    largest = [np.linalg.norm(ds["P"].values[:2], axis=0).max() for ds in maps]
    shown = xr.Dataset(
        {"P_par_largest": ("angle", largest, {"units": "e.angstrom"})},
        coords={"angle": ("angle", angles, {"units": "degree", "long_name": "twist angle"})},
    ).sortby("angle")
    write_netcdf(stamp(shown, "Largest in-plane polarization by twist angle"), data)

    power = np.polyfit(np.log(shown["angle"]), np.log(shown["P_par_largest"]), 1)[0]
    figure, ax = new_figure(2.3)
    ax.plot(shown["angle"], UNIT * shown["P_par_largest"], "o-", color="tab:red", markersize=3)
    ax.set(xlabel="twist angle (degrees)", ylabel=rf"largest $|P_\parallel|$ ({DIPOLE})")
    ax.set_ylim(0, 1.1 * UNIT * float(shown["P_par_largest"].max()))
    ax.text(0.05, 0.9, rf"$\propto \theta^{{{power:.2f}}}$", transform=ax.transAxes)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_angles, globals().get("snakemake"))
