"""Draw the dipoles of the N atoms of both layers of a moire cell (Figs. 2b, 3b)."""

import numpy as np
import xarray as xr

from moirepol.physics.polarization import LAYERS, cell_points
from moirepol.plotting import LAYER_COLORS, UNIT, draw_cell, largest_of, map_figure, save
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def plot_site_dipoles(dipoles: str, data: str, pdf: str, png: str):
    """Draw p of every N: in-plane part as an arrow, out-of-plane part as the size of its disc.

    dipoles: the frame. data, pdf, png: the panel's NetCDF and pictures to write. Filled discs point
    up, open ones down.
    """
    (atoms,) = read_frames(dipoles)
    shown = cell_points(atoms.cell.array[:2, :2], atoms.stacking_points())
    shown["position"] = ("site", "component"), atoms.site_positions, {"units": "angstrom"}
    shown["dipole"] = ("site", "component"), atoms.dipoles, {"units": "e.angstrom"}
    shown["layer"] = "site", atoms.site_layers, {"long_name": "0 lower, 1 upper"}
    shown = shown.assign_coords(component=["x", "y", "z"])
    shown.attrs.update(system=atoms.name, space="real")
    write_netcdf(stamp(shown, f"Dipoles of the N atoms of {atoms.name}"), data)

    figure, ax = map_figure(shown)
    draw_sites(ax, shown)
    draw_cell(ax, shown)
    handles, _ = ax.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    save(figure, pdf, png)


def draw_sites(ax, shown: xr.Dataset):
    """Draw discs and arrows of all N atoms and of their periodic images inside the axes."""
    p = UNIT * shown["dipole"].values
    in_plane = np.linalg.norm(p[:, :2], axis=1)
    cell = shown["cell"].values
    spacing = np.sqrt(2 * abs(np.linalg.det(cell)) / len(p))
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for layer, name in enumerate(LAYERS):
        chosen = (shown["layer"] == layer).values
        for shift in np.ndindex(3, 3):
            xy = shown["position"].values[chosen, :2] + (np.array(shift) - 1) @ cell
            inside = (xy > [left, bottom]).all(axis=1) & (xy < [right, top]).all(axis=1)
            if not inside.any():
                continue
            up = p[chosen][inside, 2] > 0
            color = LAYER_COLORS[layer]
            size = 6 * np.abs(p[chosen][inside, 2]) / np.abs(p[:, 2]).max()
            face = np.where(up, color, "none")
            ax.scatter(*xy[inside].T, s=size, c=face, edgecolors=color, linewidths=0.4)
            ax.quiver(
                *xy[inside].T,
                *p[chosen][inside, :2].T,
                angles="xy",
                scale_units="xy",
                scale=in_plane.max() / (1.3 * spacing),
                width=0.004,
                color=color,
            )
        ax.plot([], [], "o", color=LAYER_COLORS[layer], markersize=3, label=f"{name} layer")
    ax.set_title(largest_of(p_perp=np.abs(p[:, 2]).max(), p_parallel=in_plane.max()))


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_site_dipoles, globals().get("snakemake"))
