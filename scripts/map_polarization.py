"""Map the local polarization of a moire bilayer."""

from collections.abc import Sequence

from moirepol.console import note, say
from moirepol.physics.polarization import map_of_bilayer
from moirepol.physics.relaxation import Relaxation, relaxed_from_files
from moirepol.predictor import Predictor
from moirepol.structure.building import sample
from moirepol.structure.recognition import recognize_file
from moirepol.workflow.provenance import stamp, write_netcdf


def map_polarization(
    system: str,
    zero_field: Sequence[str],
    polarization_map: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    grid_points: int,
    points_per_period: int,
    response: Sequence[str] = (),
    curvature: Sequence[str] = (),
    polarizability: str | Sequence[str] = (),
    gradient: str | Sequence[str] = (),
    errors: str | Sequence[str] = (),
    heights: str | Sequence[str] = (),
    stackings: str | Sequence[str] = (),
    monolayer: str | Sequence[str] = (),
    relaxation: str | Sequence[str] = (),
    structure: str | Sequence[str] = (),
    beyond: str = "",
) -> None:
    """Predict dipoles on a grid of local stackings, without atoms, and map them.

    The time depends on the grid, not on the number of atoms.

    Parameters
    ----------
    system
        Name of the bilayer, its field included.
    polarization_map
        NetCDF to write.
    grid_points
        Grid points of the map along each cell vector, a multiple of 6.
    points_per_period
        Points along each vector of the moire pattern at which dipoles are evaluated.
    zero_field, response, curvature, polarizability, gradient, errors
        As in `predict_dipoles`.
    heights, stackings, monolayer, relaxation
        As in `predict_dipoles`. The grid of a relaxed bilayer is at least as fine as its mesh.
    lattice_constant_A, layer_distance_A, structure, beyond
        As in `predict_dipoles`.
    """
    if relaxation:
        points_per_period = max(points_per_period, Relaxation.from_file(relaxation).points)
        grid_points = max(grid_points, points_per_period)
    if structure:
        own = recognize_file(structure, system, lattice_constant_A)
        say(f"{system}: {own.description}")
        bilayer, whole = own.sample(points_per_period), own.bilayer
    else:
        bilayer = sample(system, lattice_constant_A, layer_distance_A, points_per_period)
        if stackings:
            bilayer = relaxed_from_files(bilayer, stackings, monolayer, relaxation)
        whole = bilayer
    predictor = Predictor.from_files(
        zero_field,
        response,
        curvature,
        polarizability,
        gradient,
        errors,
        heights,
        monolayer,
    )
    ds = map_of_bilayer(predictor.dipoles(bilayer), grid_points)
    if structure:
        ds.attrs["description"] = own.description
    if beyond := note(system, beyond, predictor.beyond(whole)):
        ds.attrs["beyond_labels"] = beyond
    if predictor.lacks:
        ds.attrs["not_included"] = predictor.lacks
    settings = {"grid_points": grid_points, "points_per_period": points_per_period}
    title = f"Local polarization of {bilayer.name}"
    write_netcdf(stamp(ds, title, settings | predictor.settings), polarization_map)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(map_polarization, globals().get("snakemake"))
