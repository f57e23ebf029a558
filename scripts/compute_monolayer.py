"""Compute the elastic and piezoelectric constants of a monolayer from first principles."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from ase import Atoms
from ase.build import make_supercell

from moirepol.console import progress
from moirepol.dft import espresso, labels
from moirepol.dft.engine import engine_of
from moirepol.dft.grids import mesh_size, uniform_mesh
from moirepol.physics import monolayer
from moirepol.physics.polarization import PC_PER_M
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, PRIMITIVE
from moirepol.structure.material import DEFAULT_MATERIAL, load_material
from moirepol.workflow.digest import code_digest
from moirepol.workflow.label_sets import digest
from moirepol.workflow.locks import alone_in
from moirepol.workflow.provenance import stamp, write_netcdf

STRAIN, DISPLACEMENT_A = 0.005, 0.01
#: name -> (strain along x, strain along y, displacement of the site along y), in these units.
CELLS = {
    "rest": (0, 0, 0),
    "biaxial+": (1, 1, 0),
    "biaxial-": (-1, -1, 0),
    "uniaxial+": (1, 0, 0),
    "uniaxial-": (-1, 0, 0),
    "moved+": (0, 0, 1),
    "moved-": (0, 0, -1),
}
#: Amplitude of the ripple z = A sin(q x).
AMPLITUDE_A = 0.3
#: name -> (unit, long name)
VARIABLES = {
    "bulk_modulus": ("eV/angstrom2", "bulk modulus"),
    "shear_modulus_clamped": ("eV/angstrom2", "shear modulus at fixed internal coordinates"),
    "shear_modulus": ("eV/angstrom2", "shear modulus with relaxed ions"),
    "coupling": ("eV/angstrom", "energy per strain and displacement of the dipole site"),
    "stiffness": ("eV/angstrom2", "force constant of the dipole site"),
    "internal_displacement": ("angstrom", "displacement of the dipole site per strain"),
    "born_charge": ("e", "in-plane Born charge of the dipole site from Wannier centres"),
    "piezoelectricity_clamped": ("e.angstrom", "dipole of a cell per strain, clamped ions"),
    "ionic_piezoelectricity": ("e.angstrom", "dipole of a cell per strain from relaxed ions"),
    "flexoelectricity": ("e.angstrom2", "out-of-plane dipole of a site per curvature of the layer"),
    "piezoelectricity": ("e.angstrom", "dipole of a cell per strain, relaxed ions"),
}


def compute_monolayer(
    settings: Mapping[str, Any], scratch: str, constants: str, material: str = DEFAULT_MATERIAL
) -> None:
    """Compute moduli, internal displacement, Born charges and piezoelectric coefficients.

    Parameters
    ----------
    settings
        Settings with the recipe, from `moirepol.workflow.label_sets.settings_of`.
    scratch
        Folder for the programs' files. It is removed at the end.
    constants
        NetCDF file to write.
    material
        Name of the material.

    Raises
    ------
    JobError
        If a program is missing or fails.
    """
    recipe, a = settings["recipe"], settings["lattice_constant_A"]
    engine_of(recipe).require_programs()
    energies, forces, dipoles = {}, {}, {}
    folder = Path(scratch)
    with alone_in(folder):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            for name, size in progress(CELLS.items(), desc="monolayer", unit="cell"):
                cell = _cell(name, size, a, recipe["cell_height_A"], material)
                work = folder / name
                work.mkdir(parents=True)
                labelled = labels.label(cell, recipe, a, work, forces=True)
                energies[name] = labelled.info["energy_eV"]
                forces[name] = espresso.read_forces(work)[cell.is_site][0, :2]
                dipoles[name] = labelled.dipoles[0, :2]
            flexoelectricity = _flexoelectricity(a, recipe, folder, material)
            born = _born_charges(_cell("rest", CELLS["rest"], a, 20.0, material), recipe, a, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    area = abs(np.linalg.det(a * PRIMITIVE))
    found = monolayer.constants(energies, forces, dipoles, area, STRAIN, DISPLACEMENT_A)
    found["flexoelectricity"] = flexoelectricity
    ds = xr.Dataset(
        {
            name: ((), found[name], {"units": unit, "long_name": long_name})
            for name, (unit, long_name) in VARIABLES.items()
        },
        attrs={
            "material": material,
            "settings_digest": digest(settings),
            "code_digest": code_digest("compute_monolayer"),
        },
    )
    for name in ("bulk_modulus", "shear_modulus_clamped", "shear_modulus"):
        ds[f"{name}_N_per_m"] = (
            (),
            found[name] * monolayer.N_PER_M,
            {"units": "N/m", "long_name": ds[name].attrs["long_name"]},
        )
    for name in ("piezoelectricity_clamped", "piezoelectricity"):
        ds[f"{name}_pC_per_m"] = (
            (),
            found[name] / area * PC_PER_M,
            {"units": "pC/m", "long_name": f"e11, {ds[name].attrs['long_name']}"},
        )
    ds["born_charge_ph"] = (
        ("species", "component"),
        born,
        {"units": "e", "long_name": "Born charges by linear response, as ph.x prints them"},
    )
    ds = ds.assign_coords(
        component=list("xyz"), species=[atom.species for atom in load_material(material).basis]
    )
    write_netcdf(stamp(ds, f"Constants of monolayer {material}", settings), constants)


def _cell(name, size, a, height, material):
    """Monolayer with strains along x and y and a displaced dipole site."""
    along_x, along_y, moved = size
    lattice = a * PRIMITIVE @ np.diag([1 + STRAIN * along_x, 1 + STRAIN * along_y])
    of = load_material(material)
    positions = [
        [*(np.array(atom.fraction) @ lattice), height / 2 + atom.height_A] for atom in of.basis
    ]
    cell = np.zeros((3, 3))
    cell[:2, :2], cell[2, 2] = lattice, height
    atoms = Atoms([atom.species for atom in of.basis], positions, cell=cell, pbc=True)
    atoms.positions[atoms.symbols == of.dipole_site.species, 1] += DISPLACEMENT_A * moved
    atoms.set_array("layer", np.full(len(atoms), LOWER))
    return Bilayer.from_atoms(
        atoms,
        name="monolayer" if name == "rest" else f"monolayer, {name}",
        family="AA",
        lattices=np.stack([lattice, lattice]),
        origins=np.zeros((2, 2)),
        material=None if material == DEFAULT_MATERIAL else material,
    )


def _flexoelectricity(a, recipe, folder, material):
    """Return the out-of-plane dipole per curvature d2z/dx2 of a rippled layer."""
    flat = _cell("rippled", CELLS["rest"], a, recipe["cell_height_A"], material)
    cell = Bilayer.from_atoms(
        make_supercell(flat.to_atoms(), np.diag([monolayer.RIPPLED_CELLS, 1, 1])),
        name=flat.name,
        family=flat.family,
        lattices=flat.lattices,
        origins=flat.origins,
        material=None if material == DEFAULT_MATERIAL else material,
    )
    q = 2 * np.pi / (monolayer.RIPPLED_CELLS * a)
    cell.positions[:, 2] += AMPLITUDE_A * np.sin(q * cell.positions[:, 0])
    work = folder / "rippled"
    work.mkdir(parents=True)
    dipoles = labels.label(cell, recipe, a, work).dipoles[:, 2]
    curvature = -(q**2) * AMPLITUDE_A * np.sin(q * cell.site_positions[:, 0])
    return float(dipoles @ curvature / (curvature @ curvature))


def _born_charges(cell, recipe, a, folder):
    """Diagonal elements (atom, 3) of the Born charges by ph.x."""
    work = folder / "born"
    work.mkdir(parents=True)
    kpoints = uniform_mesh(mesh_size(cell, a, recipe["mesh_4_atom_cell"]))
    espresso.write_pw_input(
        work / "pw.in",
        cell,
        *espresso.time_reversal_half(kpoints),
        recipe | {"electrostatics": "none"},
    )
    espresso.run_scf(work, threads=1)
    return espresso.run_born_charges(work, len(cell))


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compute_monolayer, globals().get("snakemake"))
