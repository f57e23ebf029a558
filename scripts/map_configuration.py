"""Polarization in configuration space, from labels of untwisted slides alone."""

import numpy as np

from moirepol.physics.configuration import labelled_slides, slide_waves
from moirepol.physics.polarization import map_dataset, on_grid
from moirepol.structure.bilayer import HIGH_SYMMETRY
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def map_configuration(
    labels: str, configuration_map: str, family: str, slides_per_axis: int, grid_points: int
):
    """Fill the n x n grid of slides with symmetry copies of the labelled ones and interpolate it.

    labels: a label set; of it the unstrained slides of `family` without a field at the default
    distance are taken. slides_per_axis: n. configuration_map: the map to write, on a grid of
    `grid_points` along a1 and a2; `slide_dipole` holds the labels themselves.
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
        {"units": "e.angstrom", "long_name": "labelled dipole per N of the slide (i, j) / n"},
    )
    ds.attrs.update(system=f"configuration_{family}", space="configuration")
    title = f"Polarization of {family} in configuration space"
    write_netcdf(stamp(ds, title, {"slides_per_axis": n, "family": family}), configuration_map)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(map_configuration, globals().get("snakemake"))
