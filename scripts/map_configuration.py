"""Map the polarization in configuration space from labels of untwisted bilayers."""

from collections.abc import Iterable

import numpy as np

from moirepol.physics.configuration import interpolation_error, labelled_slides, slide_waves
from moirepol.physics.polarization import add_members, map_dataset, on_grid
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import HIGH_SYMMETRY
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf

#: Draws of the error of the labels and of the interpolation.
DRAWS = 16


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
        NetCDF file to write. `slide_dipole` contains the labelled dipoles. Each member of the map
        has another draw of the error of a dipole: the noise of the labels, and the RMSE of the
        interpolation at labels between the stackings of the grid.
    family
        Stacking family.
    slides_per_axis
        n, the number of stackings along each primitive vector.
    grid_points
        Number of grid points along each primitive vector.
    """
    n = slides_per_axis
    frames = read_frames(labels)
    cell, dipoles = labelled_slides(frames, family, n)
    k, C = slide_waves(cell, dipoles)
    P_layer = on_grid(k, C, grid_points).reshape(2, 3, grid_points, grid_points)
    points = {label: np.array(place) @ cell for label, place in HIGH_SYMMETRY.items()}
    ds = map_dataset(P_layer, cell, points)
    noise, interpolation = label_noise(frames), interpolation_error(frames, family, n, (k, C))
    if noise is not None:
        error = np.hypot(noise, interpolation or 0.0)
        draws = np.random.default_rng(0).normal(scale=error, size=(DRAWS, *dipoles.shape))
        disturbed = [slide_waves(cell, dipoles + draw)[1] for draw in draws]
        members = np.array([on_grid(k, C, grid_points).reshape(P_layer.shape) for C in disturbed])
        add_members(ds, members.sum(axis=1))
        ds["P_layer_member"] = (
            ("member", *ds["P_layer"].dims),
            members.astype(np.float32),
            {"units": "e.angstrom", "long_name": "polarization of each layer by each member"},
        )
    ds["slide_dipole"] = (
        ("slide_i", "slide_j", "layer", "component"),
        dipoles.reshape(n, n, *dipoles.shape[1:]),
        {"units": "e.angstrom", "long_name": "labelled dipole per N at the stacking (i, j) / n"},
    )
    ds.attrs.update(system=f"configuration_{family}", space="configuration")
    title = f"Polarization of {family} in configuration space"
    if interpolation is None:
        ds.attrs["not_included"] = "the error of the interpolation between the labels"
    settings = {
        "slides_per_axis": n,
        "family": family,
        "label_noise_eA": noise,
        "interpolation_error_eA": interpolation,
    }
    write_netcdf(stamp(ds, title, settings), configuration_map)


def label_noise(frames: Iterable[Bilayer]) -> float | None:
    """Return the noise of labelled dipoles in e.angstrom, None if no label contains it.

    It is the root mean square of the deviations of labels from the symmetry of their structures.
    """
    found = np.array([frame.info.get("symmetry_residual_eA", np.nan) for frame in frames])
    found = found[np.isfinite(found)]
    return float(np.sqrt(np.mean(found**2))) if len(found) else None


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(map_configuration, globals().get("snakemake"))
