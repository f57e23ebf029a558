"""Map the local polarization of a moire bilayer."""

from moirepol.console import note
from moirepol.physics.polarization import map_of_bilayer
from moirepol.prediction import Prediction
from moirepol.workflow.provenance import stamp, write_netcdf


def map_polarization(
    prediction: Prediction, polarization_map: str, grid_points: int, points_per_period: int
) -> None:
    """Predict dipoles on a grid of local stackings, without atoms, and map them.

    The time depends on the grid, not on the number of atoms.

    Parameters
    ----------
    prediction
        The bilayer and the files of the prediction.
    polarization_map
        NetCDF to write.
    grid_points
        Grid points of the map along each cell vector, a multiple of 6.
    points_per_period
        Points along each vector of the moire pattern at which dipoles are evaluated. The grid of a
        relaxed bilayer is at least as fine as its mesh.
    """
    points_per_period = prediction.points_of(points_per_period)
    if prediction.relaxation:
        grid_points = max(grid_points, points_per_period)
    bilayer, predictor = prediction.sampled(points_per_period), prediction.predictor
    ds = map_of_bilayer(predictor.dipoles(bilayer), grid_points)
    own = prediction.own
    if own:
        ds.attrs["description"] = own.description
    # The displacements of a structure belong to its atoms, not to the points of its map.
    whole = own.bilayer if own else bilayer
    if beyond := note(prediction.system, prediction.beyond, predictor.beyond(whole)):
        ds.attrs["beyond_labels"] = beyond
    if predictor.lacks:
        ds.attrs["not_included"] = predictor.lacks
    settings = {"grid_points": grid_points, "points_per_period": points_per_period}
    title = f"Local polarization of {bilayer.name}"
    write_netcdf(stamp(ds, title, settings | predictor.settings), polarization_map)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(map_polarization, globals().get("snakemake"))
