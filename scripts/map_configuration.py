"""Polarization in configuration space, from labels of untwisted slides alone."""

import numpy as np

from moirepol.frames import read_frames
from moirepol.job import JobError
from moirepol.polarization import Sites, map_dataset, on_grid
from moirepol.provenance import stamp, write_netcdf
from moirepol.structures import HIGH_SYMMETRY
from moirepol.symmetry import symmetry_copies
from moirepol.systems import System


def map_configuration(
    labels: str, configuration_map: str, family: str, slides_per_axis: int, grid_points: int
):
    """Fill the n x n grid of slides with symmetry copies of the labelled ones and interpolate it.

    labels: a label set; of it the unstrained slides of `family` without a field at the default
    distance are taken. slides_per_axis: n. configuration_map: the map to write, on a grid of
    `grid_points` along a1 and a2; `slide_dipole` holds the labels themselves.
    """
    n = slides_per_axis
    cell, slides = _labelled_slides(read_frames(labels), family, n)
    missing = [index for index in np.ndindex(n, n) if index not in slides]
    if missing:
        raise JobError(f"{labels}: no label for {len(missing)} slides, such as {missing[0]} / {n}")
    dipoles = np.array([slides[index] for index in np.ndindex(n, n)])
    tau = np.indices((n, n)).reshape(2, -1).T @ cell / n
    waves = Sites(tau, cell / n, cell).waves(dipoles.reshape(n * n, -1))
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


def _labelled_slides(frames, family, n):
    """The primitive cell (2, 2) in A, and (i, j) of the n x n grid -> dipoles (layer, xyz)."""
    cell, slides = None, {}
    for frame in frames:
        system = System.parse(frame.info["name"])
        plain = System(family=family, geometry=system.geometry, indices=system.indices)
        if system != plain or system.geometry != "slide" or n % system.indices[2]:
            continue
        cell = frame.cell.array[:2, :2]
        for copy in symmetry_copies(frame):
            i, j, steps = System.parse(copy.info["name"]).indices
            is_N = copy.symbols == "N"
            by_layer = np.argsort(copy.arrays["layer"][is_N])
            slides[i * n // steps, j * n // steps] = copy.arrays["dipole"][is_N][by_layer]
    return cell, slides


if __name__ == "__main__":
    from moirepol.job import run

    run(map_configuration, globals().get("snakemake"))
