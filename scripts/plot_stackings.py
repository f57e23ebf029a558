"""Draw the stackings of high symmetry, their point groups and polarization (Figs. 1a, 1d)."""

import re

import numpy as np
import spglib
from matplotlib.lines import Line2D

from moirepol.physics.polarization import point_fractions
from moirepol.plotting import (
    DIPOLE,
    LAYER_COLORS,
    UNIT,
    layer_key,
    new_figure,
    round_below,
    save,
)
from moirepol.structure.building import build
from moirepol.structure.conventions import HIGH_SYMMETRY
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

POINTS = ("G", "N", "M", "A")
STEPS = 6
#: Length of the longest arrow in units of the axes.
LONGEST = 0.9


def plot_stackings(
    configuration_map: str,
    family: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    data: str,
    pdf: str,
    png: str,
):
    """Draw each stacking from above and from the side, with the layers' dipoles and their sum.

    Point groups are those of the structures, found by spglib. Below each structure are the dipoles
    of its layers per N atom, in the colour of the layer, and their sum in black. All have one
    scale; y points to the right.

    Parameters
    ----------
    configuration_map
        Map of the configuration space of the family.
    family
        Stacking family.
    lattice_constant_A, layer_distance_A
        Lattice constant and layer distance in angstrom.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    ds = read_netcdf(configuration_map, "P", "P_layer")
    n = ds.sizes["i"]
    fractions = point_fractions(ds)
    nodes = np.array([np.rint(fractions[label] * n) for label in POINTS]).astype(int) % n
    shown = ds[["P", "P_layer"]].isel(i=("point", nodes[:, 0]), j=("point", nodes[:, 1]))
    shown = shown.drop_vars(set(shown.coords) - {"component", "layer"})
    shown = shown.assign_coords(point=list(POINTS))
    structures = []
    for label in POINTS:
        i, j = np.rint(np.array(HIGH_SYMMETRY[label]) * STEPS).astype(int)
        slide = System(family=family, geometry="slide", indices=(int(i), int(j), STEPS))
        structures.append(build(slide, lattice_constant_A, layer_distance_A))
    shown["point_group"] = "point", [point_group(atoms) for atoms in structures]
    write_netcdf(stamp(shown, f"Stackings of {family}"), data)

    figure, axes = new_figure(2.5, ncols=len(POINTS), nrows=2, height_ratios=[1, 1.1])
    largest = UNIT * float(np.abs(shown["P_layer"]).max())
    for column, (label, atoms) in enumerate(zip(POINTS, structures, strict=True)):
        top, side = axes[:, column]
        draw_top(top, atoms)
        group = str(shown["point_group"].sel(point=label).values)
        operation = "E" if family == "AA" else "I"
        top.set_title(rf"$\{{{operation}|{label}\}}$" + f"\n{overlined(group)}")
        lower, upper = UNIT * shown["P_layer"].sel(point=label).values
        draw_side(side, lower, upper, largest)
    draw_scale(axes[1, 0], largest)
    material = structures[0].material
    (other,) = set(material.species) - {material.dipole_site.species}
    handles = layer_key(material.dipole_site.species, other)
    handles.append(Line2D([], [], color="black", linewidth=2, label="sum"))
    style = {"handlelength": 0.8, "handletextpad": 0.4, "columnspacing": 0.9}
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), **style)
    save(figure, pdf, png)


def point_group(atoms) -> str:
    """Return the point group of the bilayer, in international notation."""
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    return spglib.get_symmetry_dataset(cell, symprec=1e-4).pointgroup


def overlined(group) -> str:
    """Return a point group with its inversion axes written as they are printed."""
    return re.sub("-(.)", r"$\\bar{\1}$", group)


def draw_top(ax, atoms):
    """Draw both layers from above, in three by three cells; dipole sites are filled."""
    shifts = np.array(list(np.ndindex(5, 5))) - 2
    cell = atoms.cell.array[:2, :2]
    for layer, size in ((0, 22), (1, 9)):
        color = LAYER_COLORS[layer]
        for symbol in atoms.material.species:
            face = color if symbol == atoms.material.dipole_site.species else "white"
            home = atoms.positions[(atoms.layer == layer) & (atoms.symbols == symbol), :2]
            xy = (home + (shifts @ cell)[:, None]).reshape(-1, 2)
            style = {"edgecolors": color, "linewidths": 0.6, "zorder": 2 + layer}
            ax.scatter(*xy.T, s=size, c=face, **style)
    half = 1.25 * np.linalg.norm(cell[0])
    ax.set(xlim=(-half, half), ylim=(-half, half), aspect="equal", xticks=[], yticks=[])


def draw_side(ax, lower, upper, largest):
    """Draw the dipoles (xyz,) of the layers and their sum, in the mirror plane yz."""
    for (x, y), p, color in (
        ((0.0, 0.55), upper, LAYER_COLORS[1]),
        ((0.0, -0.55), lower, LAYER_COLORS[0]),
        ((0.9, 0.0), lower + upper, "black"),
    ):
        step = LONGEST * p[1:] / largest
        ax.plot(x, y, "o", color=color, markersize=2)
        if np.hypot(*step) > 1e-2:
            draw_arrow(ax, np.array([x, y]) - step / 2, step, color)
    ax.set(xlim=(-1.1, 1.6), ylim=(-1.2, 1.2), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)


def draw_arrow(ax, start, step, color="black"):
    """Draw an arrow from a place by a step, both in the units of the axes."""
    head = {"arrowstyle": "-|>", "linewidth": 1, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
    ax.annotate("", np.add(start, step), start, arrowprops={**head, "color": color})


def draw_scale(ax, largest):
    """Draw the scale of the arrows and the directions y and z beside the first side view."""
    size = round_below(largest / 2)
    corner = np.array([-0.85, -1.05])
    draw_arrow(ax, corner, (0, LONGEST * size / largest), "0.3")
    ax.text(corner[0] - 0.12, corner[1], f"{size:g} {DIPOLE}", fontsize=6, rotation=90, ha="right")
    for step, letter in (((0.4, 0), "y"), ((0, 0.4), "z")):
        draw_arrow(ax, (-0.85, 0.5), step, "0.3")
        ax.text(
            *(np.array([-0.85, 0.5]) + 1.45 * np.array(step)),
            letter,
            fontsize=6,
            ha="center",
            va="center",
        )


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_stackings, globals().get("snakemake"))
