"""Draw the dipoles of the N atoms of both layers of a moire cell (Figs. 2b, 3b)."""

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from moirepol.physics.polarization import cell_points
from moirepol.plotting import (
    DIPOLE,
    LAYER_COLORS,
    UNIT,
    disc,
    draw_arrow_key,
    draw_cell,
    map_figure,
    save,
)
from moirepol.structure.conventions import LAYERS
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf

#: Diameter in points of the disc of the largest |p_perp|; its area is proportional to |p_perp|.
LARGEST_DISC = 2.6
LAYER_STYLES = tuple(zip(LAYERS, LAYER_COLORS, strict=True))


def plot_site_dipoles(dipoles: str, data: str, pdf: str, png: str):
    """Draw the dipole of every site: the in-plane part as an arrow, p_z as a disc.

    The size of a disc is that of the out-of-plane part p_z. Filled discs point up, open discs point
    down.

    Parameters
    ----------
    dipoles
        File of `predict_dipoles`.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    (atoms,) = read_frames(dipoles)
    shown = cell_points(atoms.cell.array[:2, :2], atoms.stacking_points())
    shown["position"] = ("site", "component"), atoms.site_positions, {"units": "angstrom"}
    shown["dipole"] = ("site", "component"), atoms.dipoles, {"units": "e.angstrom"}
    shown["layer"] = "site", atoms.site_layers, {"long_name": "0 lower, 1 upper"}
    shown = shown.assign_coords(component=["x", "y", "z"])
    shown.attrs.update(system=atoms.name, space="real")
    write_netcdf(stamp(shown, f"Dipoles of the N atoms of {atoms.name}"), data)

    figure, ax = map_figure(shown, keys=2)
    draw_sites(ax, shown)
    draw_cell(ax, shown)
    largest = UNIT * np.abs(shown["dipole"].values[:, 2]).max()
    words = rf"largest $|p_\perp|$: {largest:.1f} {DIPOLE}"
    handles = [
        *[Line2D([], [], color=c, lw=2, label=f"{name} layer") for name, c in LAYER_STYLES],
        disc("0.3", r"$p_\perp > 0$", size=LARGEST_DISC),
        disc("0.3", r"$p_\perp < 0$", filled=False, size=LARGEST_DISC),
    ]
    style = {"handlelength": 1.0, "columnspacing": 1.0, "handletextpad": 0.4}
    figure.legend(handles=handles, title=words, loc="outside upper center", ncols=4, **style)
    save(figure, pdf, png)


def draw_sites(ax, shown: xr.Dataset):
    """Draw discs and arrows of all N atoms and of their periodic images inside the axes."""
    p = UNIT * shown["dipole"].values
    in_plane = np.linalg.norm(p[:, :2], axis=1)
    cell = shown["cell"].values
    spacing = np.sqrt(2 * abs(np.linalg.det(cell)) / len(p))
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for layer, color in enumerate(LAYER_COLORS):
        chosen = (shown["layer"] == layer).values
        for shift in np.ndindex(3, 3):
            xy = shown["position"].values[chosen, :2] + (np.array(shift) - 1) @ cell
            inside = (xy > [left, bottom]).all(axis=1) & (xy < [right, top]).all(axis=1)
            if not inside.any():
                continue
            up = p[chosen][inside, 2] > 0
            size = LARGEST_DISC**2 * np.abs(p[chosen][inside, 2]) / np.abs(p[:, 2]).max()
            face = np.where(up, color, "none")
            ax.scatter(*xy[inside].T, s=size, c=face, edgecolors=color, linewidths=0.4)
            arrows = ax.quiver(
                *xy[inside].T,
                *p[chosen][inside, :2].T,
                angles="xy",
                scale_units="xy",
                scale=in_plane.max() / (1.3 * spacing),
                width=0.004,
                color=color,
            )
    draw_arrow_key(ax, arrows, in_plane.max(), 1.0, r"p_\parallel", y=1.04)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_site_dipoles, globals().get("snakemake"))
