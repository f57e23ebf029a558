"""Compute the electrostatic potential above a bilayer by DFT, to test `compute_potential`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from moirepol.dft import espresso
from moirepol.dft.grids import mesh_size, uniform_mesh
from moirepol.dft.programs import require_programs
from moirepol.dft.unfold import time_reversal_half
from moirepol.physics.polarization import cell_points, resample
from moirepol.structure.building import build
from moirepol.structure.conventions import UPPER
from moirepol.workflow.digest import code_digest
from moirepol.workflow.label_sets import digest
from moirepol.workflow.locks import scratch_folder
from moirepol.workflow.provenance import stamp, write_netcdf

#: Standard deviation of the Gaussian that the potential is smeared by, in angstrom.
SMEARING_A = 0.4


def label_potential(
    system: str,
    settings: Mapping[str, Any],
    heights_A: Sequence[float],
    grid_points: int,
    scratch: str,
    potential: str,
    threads: int = 1,
) -> None:
    """Compute the potential at some heights above the upper layer, without its plane averages.

    It contains the potential of the periodic image of the bilayer, which decays downward.

    Parameters
    ----------
    system
        Name of the bilayer.
    settings
        Settings with the recipe, from `moirepol.workflow.label_sets.settings_of`.
    heights_A
        Heights in angstrom above the mean height of the upper layer.
    grid_points
        Nodes along each cell vector. Waves that are too short for this grid are omitted.
    scratch
        Folder for the programs' files. It is removed at the end.
    potential
        NetCDF file to write, in mV.
    threads
        MPI processes.

    Raises
    ------
    JobError
        If a program is missing or fails.
    """
    require_programs(("pw.x", "pp.x"))
    recipe = settings["recipe"]
    a = settings["lattice_constant_A"]
    atoms = build(system, a, settings["layer_distance_A"], recipe["cell_height_A"])
    kpoints = time_reversal_half(uniform_mesh(mesh_size(atoms, a, recipe["mesh_4_atom_cell"])))
    with scratch_folder(scratch) as folder:
        espresso.write_pw_input(folder / "pw.in", atoms, *kpoints, recipe)
        espresso.run_scf(folder, threads)
        volts = espresso.run_potential(folder)
    surface = atoms.positions[atoms.layer == UPPER, 2].mean()
    planes = at_heights(volts, atoms.cell.array, surface + np.array(heights_A))
    ds = cell_points(atoms.cell_2d, atoms.stacking_points())
    attributes = {"units": "mV", "long_name": "potential by DFT, without its plane average"}
    ds["phi"] = ("height", "i", "j"), 1000 * resample(planes, grid_points), attributes
    above = {"units": "angstrom", "long_name": "height above the upper layer"}
    ds = ds.assign_coords(height=("height", list(heights_A), above))
    gap = recipe["cell_height_A"] - atoms.layer_distance_A
    ds["gap"] = (), gap, {"units": "angstrom", "long_name": "vacuum to the image's lower layer"}
    ds.attrs |= {
        "system": system,
        "settings_digest": digest(settings),
        "code_digest": code_digest("label_potential"),
    }
    write_netcdf(stamp(ds, f"Potential of {system} by DFT", settings), potential)


def at_heights(
    values: np.ndarray, cell: np.ndarray, heights: np.ndarray, smearing_A: float = SMEARING_A
) -> np.ndarray:
    """Smear a periodic function by a Gaussian and evaluate it on horizontal planes.

    A Gaussian does not change a potential where its Laplacian is zero. It removes the oscillations
    of the finite set of plane waves, which are about 5 mV in the vacuum.

    Parameters
    ----------
    values
        Values (n1, n2, n3) on the grid of the cell.
    cell
        Cell vectors (3, 3) as rows in angstrom, the third along z.
    heights
        Heights (m,) in angstrom.
    smearing_A
        Standard deviation of the Gaussian in angstrom.

    Returns
    -------
    ndarray
        Values (m, n1, n2), less their plane averages.
    """
    k = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in values.shape), indexing="ij"))
    G = 2 * np.pi * np.einsum("kxyz,ck->cxyz", k, np.linalg.inv(cell))
    waves = np.fft.fftn(values) * np.exp(-(smearing_A**2) * (G**2).sum(axis=0) / 2)
    waves[0, 0] = 0
    along_z = np.exp(1j * np.outer(heights, G[2, 0, 0])) / values.shape[2]
    return np.fft.ifft2(np.einsum("hz,xyz->hxy", along_z, waves)).real


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(label_potential, globals().get("snakemake"))
