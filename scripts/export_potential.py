"""Write the potential above a bilayer as a volume, for programs that show volumes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.io.cube import write_cube

from moirepol.physics.long_range import read_polarizabilities
from moirepol.physics.polarization import resample
from moirepol.physics.potential import NEEDED, Surroundings, potential_of_map
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import read_netcdf

AXES = "OUTER LOOP: X, MIDDLE LOOP: Y, INNER LOOP: Z"  # the second line of a cube by ASE
QUANTITY = "electrostatic potential in V"


def export_potential(
    polarization_map: str,
    dipoles: str,
    settings: Mapping[str, Any],
    cube: str,
    polarizability: str | Sequence[str] = (),
) -> None:
    """Write the potential on a grid in space, with the atoms below it.

    Parameters
    ----------
    polarization_map, dipoles
        Map and dipoles of the bilayer (NetCDF). The atoms are those of the dipoles.
    settings
        The settings ``potential`` of the configuration.
    cube
        Gaussian cube file to write: the potential in V. ASE, ParaView and VESTA read it. OVITO
        multiplies the values by 6.748, because it takes them as a density per bohr^3.
    polarizability
        As of `compute_potential`.
    """
    frames = read_frames(dipoles)
    responses = read_polarizabilities(polarizability)
    ds = read_netcdf(polarization_map, *NEEDED)
    (bilayer,) = frames
    volume = settings["volume"]
    heights = np.linspace(volume["lowest_A"], volume["highest_A"], volume["planes"])
    phi = potential_of_map(ds, responses, heights.tolist(), Surroundings.from_settings(settings))
    planes = np.moveaxis(resample(phi, volume["grid_points"]), 0, -1) / 1e3
    atoms = bilayer.to_atoms()
    # The map of a structure of the user's own starts at a stacking G.
    point = ds.sel(point="G")
    origin = np.array([point["point_x"].item(), point["point_y"].item()])
    atoms.positions[:, :2] += origin - bilayer.stacking_points()["G"]
    atoms.wrap(pbc=(True, True, False))
    start = np.array([0, 0, atoms.positions[:, 2].max() + heights[0]])
    atoms.cell[2] = 0, 0, len(heights) * (heights[1] - heights[0])
    with open(cube, "w", encoding="utf-8") as file:
        write_cube(file, atoms, planes, origin=start, comment=f"moirepol {bilayer.name}")
    # The second line by ASE is the order of the axes, which is the usual one. VTK takes it as name.
    path = Path(cube)
    path.write_text(path.read_text(encoding="utf-8").replace(AXES, QUANTITY, 1), encoding="utf-8")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_potential, globals().get("snakemake"))
