"""Compute the bands of a bilayer, and check that the occupied bands are isolated."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from moirepol.dft.engine import engine_of
from moirepol.dft.grids import mesh_size
from moirepol.errors import JobError
from moirepol.structure.building import build
from moirepol.workflow.digest import code_digest
from moirepol.workflow.label_sets import digest
from moirepol.workflow.locks import scratch_folder
from moirepol.workflow.provenance import stamp, write_netcdf

#: Corners of the path, in crystal units of reciprocal vectors at 120 degrees.
CORNERS = {"Γ": (0, 0, 0), "M": (0.5, 0, 0), "K": (2 / 3, 1 / 3, 0), "Γ ": (0, 0, 0)}
POINTS = 12
EMPTY_BANDS = 4
#: Smallest gap in eV between occupied and empty bands of a material.
MINIMUM_GAP_EV = 0.05


def compute_bands(system: str, settings: Mapping[str, Any], scratch: str, bands: str) -> None:
    """Compute occupied and empty bands along G-M-K-G.

    Parameters
    ----------
    system
        Name of a translated bilayer.
    settings
        Settings with the recipe, from `moirepol.workflow.label_sets.settings_of`.
    scratch
        Folder for the programs' files. It is removed at the end.
    bands
        NetCDF file to write: ``energy`` (k, band) in eV from the uppermost occupied state, ``k``
        (k, component) in crystal units, ``gap`` in eV.

    Raises
    ------
    JobError
        If a program fails, or if the occupied bands are not isolated.
    """
    recipe, a = settings["recipe"], settings["lattice_constant_A"]
    engine = engine_of(recipe)
    engine.require_programs()
    atoms = build(system, a, settings["layer_distance_A"], recipe["cell_height_A"])
    occupied = atoms.material.occupied_bands(list(atoms.symbols))
    path = path_through(list(CORNERS.values()), POINTS)
    mesh = mesh_size(atoms, a, recipe["mesh_4_atom_cell"])
    with scratch_folder(scratch) as folder:
        found = engine.band_energies(atoms, mesh, path, occupied + EMPTY_BANDS, recipe, folder)
    energy = found - found[:, occupied - 1].max()
    gap = energy[:, occupied].min()
    if gap < MINIMUM_GAP_EV:
        raise JobError(
            f"{system}: the {occupied} occupied bands are not isolated, the gap is {gap:.3f} eV; "
            f"allowed is at least {MINIMUM_GAP_EV} eV"
        )
    ds = xr.Dataset(
        {
            "energy": (
                ("k", "band"),
                energy,
                {"units": "eV", "long_name": "energy from the uppermost occupied state"},
            ),
            "k_point": (("k", "component"), path, {"units": "1", "long_name": "crystal units"}),
            "gap": ((), gap, {"units": "eV", "long_name": "gap along the path"}),
            "occupied": ((), occupied, {"units": "1", "long_name": "occupied bands"}),
        },
        attrs={
            "system": system,
            "settings_digest": digest(settings),
            "code_digest": code_digest("compute_bands"),
        },
    )
    write_netcdf(stamp(ds, f"Bands of {system}", settings), bands)


def path_through(corners: list[tuple[float, float, float]], points: int) -> np.ndarray:
    """Return k points (nk, 3) on straight lines between corners, `points` on each."""
    steps = np.arange(points)[:, None] / points
    lines = [np.array(start) + steps * (np.array(end) - start) for start, end in pairwise(corners)]
    return np.concatenate([*lines, [corners[-1]]])


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compute_bands, globals().get("snakemake"))
