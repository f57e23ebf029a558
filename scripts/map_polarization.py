"""Map the local polarization of a moire bilayer from the dipoles of its N atoms."""

import numpy as np

from moirepol.physics.polarization import layer_fields, map_dataset
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def map_polarization(dipoles: str, polarization_map: str, grid_points: int):
    """Interpolate the dipoles of each layer on a grid of the moire cell, and add the layers.

    Parameters
    ----------
    dipoles
        File of one frame with a dipole in e.A on every N atom.
    polarization_map
        NetCDF file to write.
    grid_points
        Number of grid points along each cell vector, a multiple of 6.
    """
    (atoms,) = read_frames(dipoles)
    ds = map_dataset(
        layer_fields(atoms, grid_points), atoms.cell.array[:2, :2], atoms.stacking_points()
    )
    if "dipole_spread" in atoms.arrays:
        spread = np.nanmean(atoms.arrays["dipole_spread"] ** 2) ** 0.5
        ds["dipole_spread"] = (
            (),
            spread,
            {"units": "e.angstrom", "long_name": "committee standard deviation"},
        )
    if "dipole_member" in atoms.arrays:
        members = layer_fields(atoms, grid_points, "dipole_member").sum(axis=0)
        ds["P_member"] = ("member", "component", "i", "j"), members
        ds["P_member"].attrs.update(
            units="e.angstrom", long_name="polarization per N pair by each member of the committee"
        )
    ds.attrs.update(system=atoms.name, space="real")
    if "beyond_labels" in atoms.info:
        ds.attrs["beyond_labels"] = atoms.info["beyond_labels"]
    title = f"Local polarization of {atoms.name}"
    write_netcdf(stamp(ds, title, {"grid_points": grid_points}), polarization_map)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(map_polarization, globals().get("snakemake"))
