"""Labels: the dipole of every N atom from DFT and Wannier centres, with an audit."""

import resource
import time
from pathlib import Path

import numpy as np
from ase.geometry import find_mic

from moirepol.dft import wannier
from moirepol.dft.audit import check, symmetry_residual
from moirepol.dft.engine import engine_of
from moirepol.dft.grids import mesh_size, uniform_mesh
from moirepol.dft.programs import run_program
from moirepol.dft.trial_functions import bonds_of_sites, trial_functions
from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.material import ELECTRONS_PER_FUNCTION


def relaxed(
    atoms: Bilayer,
    recipe: dict,
    lattice_constant_A: float,
    folder: Path,
    threads: int = 1,
) -> Bilayer:
    """Relax the heights of the atoms of a translated bilayer; its stacking does not change.

    Parameters
    ----------
    atoms
        A translated bilayer without a field.
    recipe, lattice_constant_A, folder, threads
        As in `label`; the recipe names a dispersion correction.

    Returns
    -------
    Bilayer
        A copy with the relaxed positions and the audit of `Engine.relax_heights` in ``info``.

    Raises
    ------
    JobError
        If the recipe names no dispersion correction or a program fails.
    """
    if "dispersion" not in recipe:
        raise JobError(f"{atoms.name}: the recipe names no dispersion correction to relax with")
    mesh = mesh_size(atoms, lattice_constant_A, recipe["mesh_4_atom_cell"])
    engine = engine_of(recipe)
    positions, audit = engine.relax_heights(atoms, uniform_mesh(mesh), recipe, folder, threads)
    found = atoms.copy()
    found.positions = positions
    found.info.update(audit)
    return found


def label(
    atoms: Bilayer,
    recipe: dict,
    lattice_constant_A: float,
    folder: Path,
    threads: int = 1,
    forces: bool = False,
) -> Bilayer:
    """Compute the label of a bilayer with the recipe's DFT engine and wannier90.x.

    Parameters
    ----------
    atoms
        The bilayer, with its field.
    recipe
        The settings ``labels.recipe`` of the configuration.
    lattice_constant_A
        Lattice constant of the 4-atom cell in angstrom.
    folder
        Scratch folder for the programs.
    threads
        Number of processes.
    forces
        Whether the engine computes forces, too.

    Returns
    -------
    Atoms
        The bilayer with the arrays `dipole` (n, 3) in e.A, `wannier_centre` (n, 4, 3) in A and
        `wannier_spread` (n, 4) in A^2, NaN on B, and the audit (`AUDIT_UNITS`) in `info`.

    Raises
    ------
    JobError
        If a program fails or the label is rejected.
    """
    started, used = time.monotonic(), core_seconds()
    mesh = mesh_size(atoms, lattice_constant_A, recipe["mesh_4_atom_cell"])
    kpoints = uniform_mesh(mesh)
    functions = trial_functions(atoms, recipe["bond_fraction"], recipe["projection_sigma_A"])
    seed = folder / wannier.SEED
    wannier.write_win(seed.with_suffix(".win"), atoms, kpoints, mesh, functions)
    run_program(["wannier90.x", "-pp", wannier.SEED], folder)
    near = wannier.extend_nnkp(seed.with_suffix(".nnkp"))
    a, audit = engine_of(recipe).calculate(
        atoms, kpoints, functions, recipe, folder, threads, **({"forces": True} if forces else {})
    )

    extended = seed.with_suffix(".mmn").rename(folder / "extended.mmn")
    overlaps = wannier.read_mmn(extended, kpoints, atoms)
    wannier.copy_near_neighbours(extended, seed.with_suffix(".mmn"), near)
    wannier.write_amn(seed.with_suffix(".amn"), a)
    run_program(["wannier90.x", wannier.SEED], folder)

    u, smallest_projection = wannier.loewdin(a)
    homes, per_site = functions.homes, atoms.material.functions_per_site
    displacements = wannier.centre_displacements(overlaps, u, atoms, homes, near)
    shifts = {order: functions.centroid_shifts(found) for order, found in displacements.items()}
    second_order = wannier.marzari_vanderbilt_centres(overlaps, u, homes, near)
    printed, spreads = wannier.read_wannier90(folder, len(homes))

    labelled = with_dipoles(atoms, shifts[6])
    centres = homes + displacements[6]
    labelled.set_site_array("wannier_centre", centres.reshape(-1, per_site, 3))
    labelled.set_site_array("wannier_spread", spreads.reshape(-1, per_site))
    singular = np.linalg.svd(overlaps.matrices, compute_uv=False)
    distances = np.linalg.norm(displacements[6], axis=-1)
    difference, _ = find_mic(printed - second_order, atoms.cell)
    labelled.info.update(
        audit,
        mesh_1=mesh[0],
        mesh_2=mesh[1],
        centre_distance_A=float(distances.max()),
        spread_A2=float(spreads.max()),
        largest_singular_value=float(singular.max()),
        smallest_singular_value=float(singular[:, :near].min()),
        smallest_projection=smallest_projection,
        wannier90_difference_A=float(np.abs(difference).max()),
        order_difference_eA=float(ELECTRONS_PER_FUNCTION * np.abs(shifts[6] - shifts[4]).max()),
        symmetry_residual_eA=symmetry_residual(labelled),
        wall_s=time.monotonic() - started,
        core_s=core_seconds() - used,
        programs=f"{audit['programs']}, Wannier90 {wannier.version(folder)}",
    )
    check(labelled)
    return labelled


def with_dipoles(atoms: Bilayer, centroid_shifts_A: np.ndarray) -> Bilayer:
    """Return a bilayer with its dipoles by Eq. (1), in a form without an origin.

    p = e sum_B (r_B - r_N) - 2 e sum_n (r_n - r_N), where the first sum runs over the three bonded
    B atoms and the second over the four Wannier centres.

    Parameters
    ----------
    atoms
        A bilayer.
    centroid_shifts_A : ndarray, shape (n_N, 3)
        The second sum of every N atom in A.

    Returns
    -------
    Atoms
        A copy with the array `dipole` (n, 3) in e.A, NaN on B.
    """
    labelled = atoms.copy()
    ions = atoms.material.charge_per_bond * bonds_of_sites(atoms).sum(axis=1)
    labelled.set_site_array("dipole", ions - ELECTRONS_PER_FUNCTION * centroid_shifts_A)
    return labelled


def core_seconds() -> float:
    """Return the processor time of this process and of the programs that it ran.

    Returns
    -------
    float
        Time in s.
    """
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(t for u in map(resource.getrusage, kinds) for t in (u.ru_utime, u.ru_stime))
