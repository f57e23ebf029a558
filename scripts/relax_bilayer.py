"""Relax a moire bilayer in the continuum."""

from moirepol.console import say
from moirepol.physics.continuum import points_of_mesh, relax
from moirepol.physics.monolayer import Monolayer
from moirepol.physics.stackings import Stackings
from moirepol.structure.building import sample
from moirepol.workflow.provenance import stamp, write_netcdf

#: name -> (unit, long name)
SUMMARY = {
    "energy_per_area": ("meV/angstrom2", "energy of the relaxed bilayer"),
    "rigid_energy_per_area": ("meV/angstrom2", "energy of flat layers at local layer distances"),
    "largest_displacement_A": ("angstrom", "largest in-plane displacement of a layer"),
}


def relax_bilayer(
    system: str,
    stackings: str,
    monolayer: str,
    relaxation: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    mesh_spacing_A: float,
    mesh_points: int,
) -> None:
    """Find the in-plane displacements and the layer distance of a relaxed moire bilayer.

    Parameters
    ----------
    system
        Name of the bilayer, its field included.
    stackings
        File of `fit_stackings`.
    monolayer
        File of `compute_monolayer`.
    relaxation
        NetCDF file to write (`moirepol.physics.relaxation.Relaxation`).
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    mesh_spacing_A
        Largest spacing of the mesh.
    mesh_points
        Smallest number of points of the mesh along each vector of a period.
    """
    bilayer = sample(system, lattice_constant_A, layer_distance_A, 1)
    points = points_of_mesh(bilayer, mesh_spacing_A, mesh_points)
    found, summary = relax(
        bilayer,
        Stackings.from_file(stackings),
        Monolayer.from_file(monolayer),
        points,
    )
    ds = found.to_dataset()
    for name, (unit, long_name) in SUMMARY.items():
        ds[name] = (), summary[name], {"units": unit, "long_name": long_name}
    distance = found.distance
    say(
        f"{system}: layers move by up to {summary['largest_displacement_A']:.3f} A in plane, "
        f"layer distance {distance.min():.3f} to {distance.max():.3f} A, mesh {points} x {points}"
    )
    settings = {
        "mesh_spacing_A": mesh_spacing_A,
        "mesh_points": mesh_points,
    }
    write_netcdf(stamp(ds, f"Relaxation of {system}", settings), relaxation)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(relax_bilayer, globals().get("snakemake"))
