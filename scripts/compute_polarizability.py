"""Compute the electronic polarizability of an untwisted bilayer by linear response."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from moirepol.dft import espresso
from moirepol.dft.grids import mesh_size, uniform_mesh
from moirepol.dft.programs import require_programs
from moirepol.dft.unfold import time_reversal_half
from moirepol.physics.long_range import COULOMB_V_A
from moirepol.structure.building import build
from moirepol.workflow.digest import code_digest
from moirepol.workflow.label_sets import digest
from moirepol.workflow.locks import scratch_folder
from moirepol.workflow.provenance import stamp, write_netcdf


def compute_polarizability(
    system: str, settings: Mapping[str, Any], scratch: str, polarizability: str
) -> None:
    """Compute the in-plane polarizability of one N atom and the response of the cell along z.

    Both follow from the dielectric tensor eps of the periodic slabs. V is the volume of the cell,
    and C = e / (4 pi eps0). An in-plane field is uniform, so alpha_par = V (eps_xx - 1) / (4 pi C).
    The displacement field along z is uniform, so alpha_z = V (1 - 1 / eps_zz) / (4 pi C). The
    height of the vacuum cancels in both.

    Parameters
    ----------
    system
        Name of an untwisted bilayer.
    settings
        Settings with the recipe, from `moirepol.workflow.label_sets.settings_of`.
    scratch
        Folder for the programs' files. It is removed at the end.
    polarizability
        NetCDF file to write, in e.A^2/V.

    Raises
    ------
    JobError
        If a program is missing or fails.
    """
    require_programs()
    recipe = settings["recipe"] | {"electrostatics": "none"}
    atoms = build(
        system,
        settings["lattice_constant_A"],
        settings["layer_distance_A"],
        recipe["cell_height_A"],
    )
    mesh = mesh_size(atoms, settings["lattice_constant_A"], recipe["mesh_4_atom_cell"])
    kpoints = time_reversal_half(uniform_mesh(mesh))
    with scratch_folder(scratch) as folder:
        espresso.write_pw_input(folder / "pw.in", atoms, *kpoints, recipe)
        espresso.run_scf(folder, threads=1)
        epsilon = espresso.run_dielectric(folder)
    volume = atoms.cell.volume / (4 * np.pi * COULOMB_V_A)
    unit = {"units": "e.angstrom2/V"}
    ds = xr.Dataset(
        {
            "epsilon": (
                ("component", "field"),
                epsilon,
                {"units": "1", "long_name": "dielectric tensor of the periodic cell, electrons"},
            ),
            "in_plane": (
                (),
                volume * (np.trace(epsilon[:2, :2]) / 2 - 1) / len(atoms.sites),
                unit | {"long_name": "polarizability in the plane of one N atom"},
            ),
            "along_z": (
                (),
                volume * (1 - 1 / epsilon[2, 2]),
                unit | {"long_name": "response of the cell's dipole to an applied field along z"},
            ),
        },
        coords={"component": list("xyz")},
        attrs={
            "system": system,
            "settings_digest": digest(settings),
            "code_digest": code_digest("compute_polarizability"),
        },
    )
    write_netcdf(stamp(ds, f"Polarizability of {system}", settings), polarizability)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compute_polarizability, globals().get("snakemake"))
