"""Compare relaxations of a bilayer: the continuum with three stacking energies, and LAMMPS."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from moire_metrology.interfaces import HBN_AA_HOMOBILAYER, HBN_AAP_HOMOBILAYER

from moirepol.physics import continuum
from moirepol.physics.monolayer import Monolayer
from moirepol.physics.polarization import (
    DIAGONAL,
    ON_DIAGONAL,
    along_diagonal,
    cell_points,
    layer_fields,
)
from moirepol.physics.relaxation import Relaxation, relaxed
from moirepol.physics.stackings import Stackings, fit, functions, on_grid
from moirepol.plotting import new_figure, save
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build, sample
from moirepol.structure.conventions import LOWER, UPPER
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

#: Published stacking energies, by random-phase approximation (Zhou et al., PRB 92, 155438).
PUBLISHED = {"AA": HBN_AA_HOMOBILAYER, "AAp": HBN_AAP_HOMOBILAYER}
#: Sources of the stacking energy, and LAMMPS itself, with line styles.
LINES = {"PBE + D3": "-", "RPA": "--", "force field": "-.", "LAMMPS": ":"}
NODES = 120
#: Stackings whose energies are compared, in fractions of a1 and a2: G, N, M and the bridge A.
STACKINGS = {"G": (0, 0), "N": (1 / 3, 1 / 3), "M": (2 / 3, 2 / 3), "A": (1 / 2, 0)}


def compare_relaxations(
    system: str,
    relaxation: str,
    stackings: str,
    monolayer: str,
    atoms: str,
    translated_atoms: Sequence[str],
    comparison: str,
    pdf: str,
    png: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    slides_per_axis: int,
) -> None:
    """Compare displacements and layer distances of one relaxed moire bilayer.

    The continuum is relaxed with three stacking energies: DFT of this project, published RPA, and
    the force field. If the third one agrees with LAMMPS, the stacking energy makes the difference.

    Parameters
    ----------
    system
        Name of the rigid moire cell.
    relaxation
        File of `relax_bilayer`.
    stackings, monolayer
        Files of `fit_stackings` and `compute_monolayer`.
    atoms
        File of `relax_atoms` for the moire cell.
    translated_atoms
        Files of `relax_atoms` for the distinct stackings of the grid.
    comparison, pdf, png
        Data and picture to write.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    slides_per_axis
        Stackings of the grid along each primitive vector.
    """
    ours, constants = Stackings.from_file(stackings), Monolayer.from_file(monolayer)
    own, by_atoms = Relaxation.from_file(relaxation), read_frames(atoms)[0]
    field = force_field(translated_atoms, ours, slides_per_axis)
    rigid = build(system, lattice_constant_A, layer_distance_A)
    published = np.array(PUBLISHED[rigid.family].gsfe_coeffs) / 1000
    by_source = {
        "PBE + D3": ours,
        "RPA": replace(ours, coefficients=ours.coefficients | {"energy": published}),
        "force field": field,
    }
    one_period = sample(system, lattice_constant_A, layer_distance_A, 1)
    cells = {}
    for source, energies in by_source.items():
        found = own
        if energies is not ours:
            found, _ = continuum.relax(one_period, energies, constants, own.points)
        cells[source] = relaxed(rigid, energies, constants, found)
    cells["LAMMPS"] = by_atoms
    ds = profiles(cells, rigid)
    tau = np.array(list(STACKINGS.values()))
    energies = [functions(tau) @ each.coefficients["energy"] for each in by_source.values()]
    ds["energy"] = ("continuum", "stacking"), np.array(energies) - np.min(energies, axis=1)[:, None]
    ds["energy"].attrs.update(units="eV", long_name="energy of a cell above the lowest one")
    ds = ds.assign_coords(continuum=list(by_source), stacking=list(STACKINGS))
    write_netcdf(stamp(ds, f"Relaxations of {system}", {"system": system}), comparison)
    draw(ds, pdf, png)


def force_field(paths: Sequence[str], ours: Stackings, n: int) -> Stackings:
    """Return the stackings with energies and layer distances of the force field.

    Parameters
    ----------
    paths
        Files of `relax_atoms` for the distinct stackings of the n x n grid.
    ours
        Stackings by DFT: dipoles, rumpling and the force constant of the layer distance are kept.
    n
        Stackings along each primitive vector.

    Returns
    -------
    Stackings
        The stackings.
    """
    frames = [read_frames(path)[0] for path in paths]
    energies = [float(read_netcdf(path, "energy")["energy"]) for path in paths]
    family = frames[0].family
    tau = np.array(
        [np.divide(frame.system.indices[:2], frame.system.indices[2]) for frame in frames]
    )
    layers = [[frame.positions[frame.layer == k, 2].mean() for k in (0, 1)] for frame in frames]
    distance = np.diff(layers, axis=1)[:, 0]
    coefficients, _ = fit(tau, np.array(energies) - min(energies), family, 1)
    grid = on_grid(tau, distance, family, 1, n)
    return replace(
        ours,
        coefficients=ours.coefficients | {"energy": coefficients},
        grids=ours.grids | {"distance": grid},
    )


def profiles(cells: Mapping[str, Bilayer], rigid: Bilayer) -> xr.Dataset:
    """Return displacement and layer distance along the diagonal G-N-C-M-G of the moire cell.

    Parameters
    ----------
    cells
        Relaxed cells by their source.
    rigid
        The rigid cell.

    Returns
    -------
    xr.Dataset
        ``displacement`` of the lower layer and ``layer_distance`` of the dipole sites
        (source, step), ``largest_displacement`` (source,), all in angstrom.
    """
    pattern = cell_points(rigid.cell_2d, rigid.stacking_points())
    moved, apart, largest = [], [], []
    for cell in cells.values():
        cell.arrays["moved"] = cell.displacement
        fields = layer_fields(cell, NODES, "moved")
        in_plane = np.linalg.norm(fields[:, :2], axis=1)
        distance = rigid.layer_distance_A + fields[UPPER, 2] - fields[LOWER, 2]
        lines, places = along_diagonal(pattern, np.array([in_plane[LOWER], distance]))
        moved.append(lines[0])
        apart.append(lines[1])
        largest.append(in_plane.max())
    ds = xr.Dataset(coords={"source": list(cells)})
    ds["displacement"] = ("source", "step"), np.array(moved)
    ds["displacement"].attrs.update(units="angstrom", long_name="in-plane displacement")
    ds["layer_distance"] = ("source", "step"), np.array(apart)
    ds["layer_distance"].attrs.update(units="angstrom", long_name="layer distance of N atoms")
    ds["largest_displacement"] = "source", np.array(largest)
    ds["largest_displacement"].attrs.update(units="angstrom", long_name="largest displacement")
    ds["distance"] = "step", np.linalg.norm(places - places[0], axis=1)
    ds["distance"].attrs.update(units="angstrom", long_name="place along G-N-C-M-G")
    return ds


def draw(ds: xr.Dataset, pdf: str, png: str) -> None:
    """Draw the displacement and the layer distance along the diagonal of the cell.

    Parameters
    ----------
    ds
        Data of `profiles`.
    pdf, png
        Pictures to write.
    """
    figure, axes = new_figure(3.6, nrows=2, sharex=True)
    for source, style in LINES.items():
        own = ds.sel(source=source)
        axes[0].plot(ds["distance"], own["displacement"], style, label=source)
        axes[1].plot(ds["distance"], own["layer_distance"], style)
    axes[0].set_ylabel("displacement (Å)")
    axes[1].set_ylabel("layer distance (Å)")
    places = np.array(ON_DIAGONAL) * float(ds["distance"].max())
    for ax in axes:
        ax.margins(x=0)
        for place in places:
            ax.axvline(place, color="0.8", linewidth=0.5, zorder=0)
    axes[-1].set_xticks(places, DIAGONAL)
    figure.legend(ncols=2, loc="outside upper center")
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compare_relaxations, globals().get("snakemake"))
