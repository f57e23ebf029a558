"""Write the potential above a bilayer for programs that show volumes, and its waves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.cube import write_cube

from moirepol.errors import JobError
from moirepol.physics.long_range import read_polarizabilities
from moirepol.physics.polarization import resample
from moirepol.physics.potential import NEEDED, RIGID, Surroundings, potential_of_map
from moirepol.structure.building import build
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp

#: Waves below this share of the largest one are left out.
SMALLEST = 1e-4


def export_potential(
    system: str,
    polarization_map: str,
    potential: str,
    settings: Mapping[str, Any],
    lattice_constant_A: float,
    layer_distance_A: float,
    maximum_atoms: int,
    cube: str,
    waves: str,
    polarizability: str | Sequence[str] = (),
) -> None:
    """Write the potential on a grid in space with the atoms below it, and its plane waves.

    Parameters
    ----------
    system
        Name of the bilayer.
    polarization_map, potential
        Its map and its potential (NetCDF).
    settings
        The settings ``potential`` of the configuration.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    maximum_atoms
        Largest number of atoms of the volume.
    cube
        Gaussian cube file to write: the potential in V. ASE, VESTA and OVITO read it.
    waves
        JSON file to write: plane waves of the potential at the heights of `potential`, in mV.
    polarizability
        As of `compute_potential`.

    Raises
    ------
    JobError
        If the cell has too many atoms.
    """
    above = read_netcdf(potential, "phi")
    responses = read_polarizabilities(polarizability) if polarizability else RIGID
    ds = read_netcdf(polarization_map, *NEEDED)
    number = System.parse(system).n_atoms
    if number > maximum_atoms:
        raise JobError(
            f"{system}: a volume with {number} atoms, allowed are {maximum_atoms} "
            "(maps.maximum_atoms)"
        )
    volume = settings["volume"]
    heights = np.linspace(volume["lowest_A"], volume["highest_A"], volume["planes"])
    phi = potential_of_map(ds, responses, heights.tolist(), Surroundings.from_settings(settings))
    planes = np.moveaxis(resample(phi, volume["grid_points"]), 0, -1) / 1e3
    atoms = build(system, lattice_constant_A, layer_distance_A).to_atoms()
    origin = np.array([0, 0, atoms.positions[:, 2].max() + heights[0]])
    atoms.cell[2] = 0, 0, len(heights) * (heights[1] - heights[0])
    with open(cube, "w", encoding="utf-8") as file:
        words = f"moirepol {system}: electrostatic potential in V"
        write_cube(file, atoms, planes, origin=origin, comment=words)
    Path(waves).write_text(json.dumps(waves_of(above), indent=1), encoding="utf-8")


def waves_of(ds) -> dict[str, Any]:
    """Return the plane waves of a potential, the largest first, as plain data.

    Parameters
    ----------
    ds
        Potential of `compute_potential`.

    Returns
    -------
    dict
        ``waves``, each with its integer ``k``, its wave vector ``q`` in 1/angstrom and its complex
        coefficients by height in mV; the ``formula``; ``heights_A``; the ``cell`` in angstrom.
    """
    phi, cell = ds["phi"].values, ds["cell"].values
    n = phi.shape[-1]
    C = np.fft.fft2(phi) / n**2
    size = np.abs(C).max(axis=0)
    k = np.rint(np.fft.fftfreq(n, 1 / n)).astype(int)
    chosen = np.argwhere(size > SMALLEST * size.max())
    found = sorted(chosen, key=lambda place: (-round(size[tuple(place)], 9), *place))
    waves = [
        {
            "k": [int(k[i]), int(k[j])],
            "q_per_A": (2 * np.pi * np.linalg.inv(cell) @ [k[i], k[j]]).tolist(),
            "real_mV": C[:, i, j].real.tolist(),
            "imaginary_mV": C[:, i, j].imag.tolist(),
        }
        for i, j in found
    ]
    stamped = stamp(ds[[]], f"Waves of the potential above {ds.attrs['system']}").attrs
    return {
        "title": stamped["title"],
        "git_revision": stamped["git_revision"],
        "formula": "phi(r) = sum over k of (real + i imaginary) exp(i q.r)",
        "heights_A": ds["height"].values.tolist(),
        "cell_A": cell.tolist(),
        "waves": waves,
    }


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_potential, globals().get("snakemake"))
