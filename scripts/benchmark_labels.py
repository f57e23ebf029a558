"""Compare the cost of a label by the recipe with that by the settings of the paper."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from ase.build import make_supercell

from moirepol.console import say
from moirepol.dft import espresso, labels, wannier
from moirepol.dft.grids import uniform_mesh
from moirepol.dft.programs import run_program
from moirepol.dft.trial_functions import trial_functions
from moirepol.dft.unfold import time_reversal_half, unfold_time_reversal
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build
from moirepol.workflow.provenance import stamp, write_netcdf

#: The paper uses 12 atoms, 24 x 24 x 1, 600 eV (44 Ry), PAW, maximally localized sp3 functions.
PAPER_MESH = 24
STOCK = "num_iter = 500\nconv_window = 3\nconv_tol = 1.0e-10\nnum_print_cycles = 100"


def benchmark_labels(
    frame: str,
    settings: Mapping[str, Any],
    brute_force: Mapping[str, Any],
    meshes: Sequence[int],
    scratch: str,
    comparison: str,
    table: str,
) -> None:
    """Label an untwisted bilayer by the recipe and by the settings of the paper.

    Parameters
    ----------
    frame
        Name of the untwisted bilayer.
    settings
        Settings with the recipe.
    brute_force
        Recipe with the settings of the paper.
    meshes
        n of the n x n x 1 meshes for the settings of the paper. Without the paper's n = 24, the
        cost for it is extrapolated linearly in the number of k points from the last two meshes.
    scratch
        Folder for the programs' files.
    comparison, table
        NetCDF and CSV files to write, with one row for each run: processor time in s, P_perp and
        |P_par| of the 4-atom cell, and the differences from the label by the recipe, in e.A.

    Raises
    ------
    JobError
        If a program is missing or fails, or if the label is rejected.
    """
    espresso.require_programs()
    scratch = Path(scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    recipe, a = settings["recipe"], settings["lattice_constant_A"]
    atoms = build(frame, a, settings["layer_distance_A"], recipe["cell_height_A"])
    try:
        (scratch / "recipe").mkdir(parents=True)
        ours = labels.label(atoms, recipe, a, scratch / "recipe")
        layers = ours.arrays["dipole"][atoms.is_site]
        rows = [
            _row("recipe", recipe["mesh_4_atom_cell"] ** 2, ours.info["core_s"], layers, layers)
        ]
        for n in meshes:
            folder = scratch / f"brute_force_{n}"
            folder.mkdir()
            used = labels.core_seconds()
            found = _brute_force(atoms, brute_force, n, folder)
            used = labels.core_seconds() - used
            rows.append(_row(f"brute force {n} x {n}", n * n, used, found, layers))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if PAPER_MESH not in meshes:
        (k1, t1), (k2, t2) = ((row["k_points"], row["core_s"]) for row in rows[-2:])
        nothing = np.full_like(layers, np.nan)
        cost = t2 + (t2 - t1) / (k2 - k1) * (PAPER_MESH**2 - k2)
        name = f"brute force {PAPER_MESH} x {PAPER_MESH}, extrapolated"
        rows.append(_row(name, PAPER_MESH**2, cost, nothing, layers))
    ratio = rows[-1]["core_s"] / rows[0]["core_s"]
    say(f"{frame}: {rows[0]['core_s']:.0f} core-seconds; {rows[-1]['run']}: {ratio:.0f} times that")
    shown = pd.DataFrame(rows).set_index("run")
    shown.to_csv(table)
    ds = xr.Dataset.from_dataframe(shown)
    for name in ds.data_vars:
        ds[name].attrs["units"] = {"core_s": "s", "k_points": "1"}.get(name, "e.angstrom")
    write_netcdf(stamp(ds, f"Cost of the label of {frame}", settings), comparison)


def _row(name, k_points, core_s, layers, reference):
    total = layers.sum(axis=0)
    return {
        "run": name,
        "k_points": k_points,
        "core_s": core_s,
        "P_perp": total[2],
        "P_par": np.linalg.norm(total[:2]),
        "difference_of_the_sum": np.abs(total - reference.sum(axis=0)).max(),
        "difference_of_one_N": np.abs(layers - reference).max(),
    }


def _brute_force(slide: Bilayer, recipe, n, folder):
    """Return the mean dipole (2, 3) in e.A of each layer's N atoms in a sqrt3 x sqrt3 cell."""
    supercell = make_supercell(slide, [[1, 1, 0], [-1, 2, 0], [0, 0, 1]])
    supercell.info.update(slide.info)
    atoms = Bilayer.from_atoms(supercell)
    kpoints = uniform_mesh((n, n))
    espresso.write_pw_input(folder / "pw.in", atoms, *time_reversal_half(kpoints), recipe)
    espresso.run_scf(folder, 1)
    unfold_time_reversal(folder / f"{espresso.PREFIX}.save", kpoints)
    seed = folder / wannier.SEED
    functions = trial_functions(atoms, recipe["bond_fraction"], recipe["projection_sigma_A"])
    wannier.write_win(seed.with_suffix(".win"), atoms, kpoints, (n, n), functions)
    win = seed.with_suffix(".win").read_text().replace("num_iter = 0", STOCK)
    win = re.sub(
        r"begin projections.*end projections",
        "begin projections\nN:sp3\nend projections",
        win,
        flags=re.S,
    )
    seed.with_suffix(".win").write_text(win)
    run_program(["wannier90.x", "-pp", wannier.SEED], folder)
    espresso.run_pw2wannier90(folder, projections=True)
    run_program(["wannier90.x", wannier.SEED], folder)
    sites = atoms.sites
    centres, _ = wannier.read_wannier90(folder, atoms.material.functions_per_site * len(sites))
    steps = (centres[:, None] - atoms.positions[sites]) @ np.linalg.inv(atoms.cell.array)
    steps = (steps - np.rint(steps)) @ atoms.cell.array
    owner = np.linalg.norm(steps, axis=-1).argmin(axis=1)
    if (np.bincount(owner, minlength=len(sites)) != 4).any():
        return np.full((2, 3), np.nan)
    shifts = np.zeros((len(sites), 3))
    np.add.at(shifts, owner, steps[np.arange(len(owner)), owner])
    dipole = labels.with_dipoles(atoms, shifts).arrays["dipole"][sites]
    layer = atoms.layer[sites]
    return np.array([dipole[layer == side].mean(axis=0) for side in (0, 1)])


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(benchmark_labels, globals().get("snakemake"))
