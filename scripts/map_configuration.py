"""Map the polarization in configuration space from labels of untwisted bilayers."""

import numpy as np

from moirepol.physics.configuration import labelled_slides, slide_waves
from moirepol.physics.polarization import map_dataset, on_grid
from moirepol.structure.conventions import HIGH_SYMMETRY
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def map_configuration(
    labels: str, configuration_map: str, family: str, slides_per_axis: int, grid_points: int
):
    """Interpolate the dipoles of an n x n grid of stackings.

    Symmetry copies of the labelled stackings complete the grid.

    Parameters
    ----------
    labels
        Label set. Only unstrained untwisted bilayers of `family` at the default layer distance and
        without a field are used.
    configuration_map
        NetCDF file to write. `slide_dipole` contains the labelled dipoles.
    family
        Stacking family.
    slides_per_axis
        n, the number of stackings along each primitive vector.
    grid_points
        Number of grid points along each primitive vector.
    """
    n = slides_per_axis
    cell, dipoles = labelled_slides(read_frames(labels), family, n)
    waves = slide_waves(cell, dipoles)
    P_layer = on_grid(*waves, grid_points).reshape(2, 3, grid_points, grid_points)
    points = {label: np.array(place) @ cell for label, place in HIGH_SYMMETRY.items()}
    ds = map_dataset(P_layer, cell, points)
    ds["slide_dipole"] = (
        ("slide_i", "slide_j", "layer", "component"),
        dipoles.reshape(n, n, *dipoles.shape[1:]),
        {"units": "e.angstrom", "long_name": "labelled dipole per N at the stacking (i, j) / n"},
    )
    ds.attrs.update(system=f"configuration_{family}", space="configuration")
    title = f"Polarization of {family} in configuration space"
    write_netcdf(stamp(ds, title, {"slides_per_axis": n, "family": family}), configuration_map)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(map_configuration, globals().get("snakemake"))
