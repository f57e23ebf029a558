"""Draw a moire cell from above (Figs. 2a, 3a, 4g)."""

import numpy as np

from moirepol.physics.polarization import cell_points
from moirepol.plotting import (
    COLUMN_INCHES,
    LAYER_COLORS,
    draw_cell,
    layer_key,
    new_figure,
    save,
    window,
)
from moirepol.structure.building import build
from moirepol.structure.names import stacking_of
from moirepol.workflow.provenance import stamp, write_netcdf

#: Half the width of an enlarged part, in lattice constants.
ENLARGED = 2.0


def plot_structure(
    system: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    data: str,
    pdf: str,
    png: str,
):
    """Draw atoms and bonds of both layers, seen from above, with enlarged parts at G, N and M.

    Parameters
    ----------
    system
        Name of the bilayer.
    lattice_constant_A, layer_distance_A
        Lattice constant and layer distance in angstrom.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    atoms = build(system, lattice_constant_A, layer_distance_A)
    shown = cell_points(atoms.cell.array[:2, :2], atoms.stacking_points())
    shown["position"] = ("atom", "component"), atoms.positions, {"units": "angstrom"}
    shown["layer"] = "atom", atoms.layer, {"long_name": "0 lower, 1 upper"}
    shown["number"] = "atom", atoms.numbers, {"long_name": "atomic number"}
    shown = shown.assign_coords(component=["x", "y", "z"])
    shown.attrs.update(system=atoms.name, space="real")
    write_netcdf(stamp(shown, f"Structure of {atoms.name}"), data)

    figure, ax, views = _axes(shown)
    _draw_atoms(ax, atoms)
    draw_cell(ax, shown)
    half = ENLARGED * atoms.reference_lattice_constant_A
    for view, (letter, xy) in zip(views, atoms.stacking_points().items(), strict=False):
        low, high = np.subtract(xy, half), np.add(xy, half)
        view.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        view.set(xticks=[], yticks=[], xlabel=f"at {letter}")
        _draw_atoms(view, atoms)
    material = atoms.material
    (other,) = set(material.species) - {material.dipole_site.species}
    handles = layer_key(material.dipole_site.species, other)
    style = {"handlelength": 1.2, "columnspacing": 1.2}
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), **style)
    save(figure, pdf, png)


def _axes(shown):
    """Return a figure with the axes of the cell above those of enlarged parts."""
    (left, right), (bottom, top) = window(shown["cell"].values)
    width = 0.74 * COLUMN_INCHES
    height = min(width * (top - bottom) / (right - left), 2.6)
    part = 0.8
    figure, axes = new_figure(
        height + part + 0.9,
        mosaic=[["cell"] * 3, ["G", "N", "M"]],
        height_ratios=[height, part],
    )
    axes["cell"].set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes["cell"].set(xlabel=r"$x$ ($\AA$)", ylabel=r"$y$ ($\AA$)")
    return figure, axes["cell"], [axes[letter] for letter in "GNM"]


def _draw_atoms(ax, atoms):
    """Draw bonds and atoms of both layers within the limits of axes, to scale."""
    cell = atoms.cell_2d
    (left, right), (bottom, top) = limits = ax.get_xlim(), ax.get_ylim()
    ax.apply_aspect()
    per_angstrom = 72 * ax.get_window_extent().width / ax.figure.dpi / np.ptp(limits[0])
    margin = 2.0
    for layer, lattice in enumerate(atoms.lattices):
        color = LAYER_COLORS[layer]
        here = atoms.layer == layer
        for symbol in atoms.material.species:
            face = color if symbol == atoms.material.dipole_site.species else "white"
            home = atoms.positions[here & (atoms.symbols == symbol), :2]
            xy = np.concatenate([home + (np.array(s) - 1) @ cell for s in np.ndindex(3, 3)])
            inside = (xy > [left - margin, bottom - margin]).all(axis=1)
            xy = xy[inside & (xy < [right + margin, top + margin]).all(axis=1)]
            if symbol == atoms.material.dipole_site.bonded.species:
                for step in _bonds(atoms, layer, lattice):
                    ends = np.stack([xy, xy + step], axis=1)
                    lines = np.concatenate([ends, np.full((len(xy), 1, 2), np.nan)], axis=1)
                    width = min(0.8, 0.12 * per_angstrom)
                    ax.plot(*lines.reshape(-1, 2).T, color=color, linewidth=width, zorder=1)
            size = (0.55 * per_angstrom) ** 2
            edge = min(0.5, 0.1 * per_angstrom)
            ax.scatter(*xy.T, s=size, c=face, edgecolors=color, linewidths=edge, zorder=2)
    ax.set(xlim=limits[0], ylim=limits[1])


def _bonds(atoms, layer, lattice):
    """Return the in-plane vectors (3, 2) in angstrom from a B to its N neighbours."""
    swapped = stacking_of(atoms.family) == "AAp" and layer == 1
    long_diagonal = lattice.sum(axis=0) / 3 * (-1 if swapped else 1)
    return [long_diagonal - shift for shift in (np.zeros(2), *(lattice * (-1 if swapped else 1)))]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_structure, globals().get("snakemake"))
