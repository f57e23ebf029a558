"""Draw the largest in-plane polarization of twisted bilayers against the angle (Fig. 4i)."""

import numpy as np
import xarray as xr

from moirepol.physics.polarization import layer_fields
from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

GRID = 48


def plot_angles(polarization_maps: list[str], labels: list[str], data: str, pdf: str, png: str):
    """Draw the largest |P_par| of each map against its twist angle, and fit a power law.

    Parameters
    ----------
    polarization_maps
        Maps of twisted bilayers of one family.
    labels
        Label sets with twisted cells of direct DFT among their frames. Those of the family without
        a field are drawn. They are not fitted.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    maps = [read_netcdf(path, "P") for path in polarization_maps]
    frames = [frame for path in labels for frame in read_frames(path)]
    angles = [System.parse(ds.attrs["system"]).twist_angle_deg for ds in maps]
    largest = [largest_in_plane(ds["P"].values) for ds in maps]
    errors = [error_of_largest(ds) for ds in maps]
    shown = xr.Dataset(
        {
            "P_par_largest": ("angle", largest, {"units": "e.angstrom"}),
            "P_par_largest_error": ("angle", errors, {"units": "e.angstrom"}),
        },
        coords={"angle": ("angle", angles, {"units": "degree", "long_name": "twist angle"})},
    ).sortby("angle")
    family = System.parse(maps[0].attrs["system"]).family
    plain = [f for f in frames if f.family == family and f.system.is_plain_twist]
    if plain:
        largest = [largest_in_plane(layer_fields(frame, GRID).sum(axis=0)) for frame in plain]
        shown["direct"] = "label", largest, {"units": "e.angstrom"}
        angles = [frame.system.twist_angle_deg for frame in plain]
        shown["direct_angle"] = "label", angles, {"units": "degree", "long_name": "twist angle"}
        shown = shown.assign_coords(label=[frame.name for frame in plain])
    write_netcdf(stamp(shown, "Largest in-plane polarization by twist angle"), data)

    power = np.polyfit(np.log(shown["angle"]), np.log(shown["P_par_largest"]), 1)[0]
    figure, ax = new_figure(2.3)
    ax.errorbar(
        shown["angle"],
        UNIT * shown["P_par_largest"],
        UNIT * shown["P_par_largest_error"].fillna(0),
        fmt="o-",
        color="tab:red",
        markersize=3,
        elinewidth=0.7,
        capsize=2,
        label="prediction",
    )
    scale = float((shown["P_par_largest"] / shown["angle"] ** power).mean())
    curve = np.linspace(*(float(f(shown["angle"])) for f in (np.min, np.max)), 200)
    words = rf"power law, $\theta^{{{power:.2f}}}$"
    ax.plot(curve, UNIT * scale * curve**power, ":", color="black", label=words, zorder=3)
    if "direct" in shown:
        style = {"color": "black", "markersize": 4.5, "label": "direct DFT"}
        ax.plot(shown["direct_angle"], UNIT * shown["direct"], "D", **style)
    ax.set(xlabel="twist angle (degrees)", ylabel=rf"largest $|P_\parallel|$ ({DIPOLE})")
    ax.set_ylim(bottom=0)
    ax.legend(loc="lower right")
    save(figure, pdf, png)


def largest_in_plane(P):
    """Return the largest |P_par| of a field (3, n, n)."""
    return np.linalg.norm(P[:2], axis=0).max()


def error_of_largest(ds: xr.Dataset) -> float:
    """Return the error of the largest |P_par| of a map in e.angstrom; NaN if the map has none."""
    if "P_error" not in ds:
        return np.nan
    P, error = (ds[name].values[:2].reshape(2, -1) for name in ("P", "P_error"))
    node = np.linalg.norm(P, axis=0).argmax()
    direction = P[:, node] / np.linalg.norm(P[:, node])
    return float(np.linalg.norm(direction * error[:, node]))


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_angles, globals().get("snakemake"))
