"""Draw a moire cell from above (Figs. 2a, 3a, 4g)."""

import numpy as np

from moirepol.physics.polarization import LAYERS, cell_points
from moirepol.plotting import LAYER_COLORS, draw_cell, map_figure, save
from moirepol.structure.building import build
from moirepol.workflow.provenance import stamp, write_netcdf


def plot_structure(
    system: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    data: str,
    pdf: str,
    png: str,
):
    """Draw the bonds of both layers, seen from above, N atoms as dots.

    system: its name. data, pdf, png: the panel's NetCDF and pictures to write.
    """
    atoms = build(system, lattice_constant_A, layer_distance_A)
    shown = cell_points(atoms.cell.array[:2, :2], atoms.stacking_points())
    shown["position"] = ("atom", "component"), atoms.positions, {"units": "angstrom"}
    shown["layer"] = "atom", atoms.layer, {"long_name": "0 lower, 1 upper"}
    shown["number"] = "atom", atoms.numbers, {"long_name": "atomic number"}
    shown = shown.assign_coords(component=["x", "y", "z"])
    shown.attrs.update(system=atoms.name, space="real")
    write_netcdf(stamp(shown, f"Structure of {atoms.name}"), data)

    figure, ax = map_figure(shown)
    cell = shown["cell"].values
    limits = ax.get_xlim(), ax.get_ylim()
    per_angstrom = 72 * ax.bbox.width / figure.dpi / np.ptp(limits[0])
    for layer, lattice in enumerate(atoms.lattices):
        color = LAYER_COLORS[layer]
        here = atoms.layer == layer
        for symbol in atoms.material.species:
            face = color if symbol == atoms.material.dipole_site.species else "white"
            home = atoms.positions[here & (atoms.symbols == symbol), :2]
            xy = np.concatenate([home + (np.array(s) - 1) @ cell for s in np.ndindex(3, 3)])
            if symbol == atoms.material.dipole_site.bonded.species:
                for step in _bonds(atoms, layer, lattice):
                    ends = np.stack([xy, xy + step], axis=1)
                    lines = np.concatenate([ends, np.full((len(xy), 1, 2), np.nan)], axis=1)
                    ax.plot(*lines.reshape(-1, 2).T, color=color, linewidth=0.4, zorder=1)
            size = (0.55 * per_angstrom) ** 2
            ax.scatter(*xy.T, s=size, c=face, edgecolors=color, linewidths=0.3, zorder=2)
        ax.plot([], [], color=color, label=f"{LAYERS[layer]} layer")
    ax.set(xlim=limits[0], ylim=limits[1])
    draw_cell(ax, shown)
    handles, _ = ax.get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    save(figure, pdf, png)


def _bonds(atoms, layer, lattice):
    """Return the in-plane vectors (3, 2) in angstrom from a B to its N neighbours."""
    swapped = atoms.family == "AAp" and layer == 1
    long_diagonal = lattice.sum(axis=0) / 3 * (-1 if swapped else 1)
    return [long_diagonal - shift for shift in (np.zeros(2), *(lattice * (-1 if swapped else 1)))]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_structure, globals().get("snakemake"))
