"""Fit the change of the dipoles of translated bilayers with the heights of their atoms."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.model.committee import committee
from moirepol.physics.expansion import Expansion
from moirepol.physics.heights import PARTS, on_grid, polynomial, symmetrized
from moirepol.physics.stackings import Stackings
from moirepol.predictor import NetworkTerm
from moirepol.structure.building import build
from moirepol.structure.conventions import LAYERS
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf

GRID = ("t1", "t2")


def fit_heights(
    family: str,
    distance: Sequence[str],
    relaxed: Sequence[str],
    stackings: str,
    zero_field: Sequence[str],
    response: Sequence[str],
    heights: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    slides_per_axis: int,
) -> None:
    """Fit the change of the dipoles with the layer distance, and by relaxed heights.

    Parameters
    ----------
    family
        Stacking family.
    distance
        Label sets of flat translated bilayers at further layer distances.
    relaxed
        Label sets of relaxed translated bilayers.
    stackings
        File of `fit_stackings`, with the layer distances of the relaxed labels.
    zero_field, response
        Members of the models at the configured layer distance.
    heights
        NetCDF file to write: values on the grid of stackings.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    slides_per_axis
        Stackings of the label sets along each primitive vector.

    Raises
    ------
    JobError
        If labels are missing.
    """
    n = slides_per_axis
    apart = Stackings.from_file(stackings).grids["label_distance"]
    further, at_rest = (
        [frame for path in paths for frame in read_frames(path)] for paths in (distance, relaxed)
    )
    flat = _predicted(family, (zero_field, response), lattice_constant_A, layer_distance_A, n)
    ds = xr.Dataset(coords={"layer": list(LAYERS), "component": list("xyz")})
    for part, unit in zip(PARTS, ("e.angstrom", "e.angstrom2/V"), strict=True):
        changes = {
            d: symmetrized(values - flat[part], family, part)
            for d, values in _labelled(further, part, n, layer_distance_A)
        }
        if not changes:
            raise JobError(f"no labels of {family} at another layer distance for the {part}")
        steps = np.array(list(changes)) - layer_distance_A
        power = f"power_{part}"
        ds[f"distance_{part}"] = (
            (power, *GRID, "layer", "component"),
            polynomial(steps, np.array(list(changes.values()))),
            {
                "units": f"{unit}",
                "long_name": "change of a dipole with the layer distance, per angstrom^power",
            },
        )
        ds[power] = power, np.arange(1, len(steps) + 1)
        ((_, values),) = _labelled(at_rest, part, n, layer_distance_A)
        step = (apart - layer_distance_A)[..., None, None]
        of_distance = sum(
            step**power * each for power, each in enumerate(ds[f"distance_{part}"].values, 1)
        )
        ds[f"relaxed_{part}"] = (
            (*GRID, "layer", "component"),
            symmetrized(values - flat[part] - of_distance, family, part),
            {"units": unit, "long_name": "change of a dipole by the rumpling of the layers"},
        )
    ds["reference_distance"] = (), layer_distance_A, {"units": "angstrom"}
    ds["reference_distance"].attrs["long_name"] = "layer distance of the labels of the models"
    for axis in GRID:
        ds[axis] = axis, np.arange(n) / n
        ds[axis].attrs.update(units="1", long_name="stacking, fraction of a vector")
    settings = {"family": family, "slides_per_axis": n}
    write_netcdf(stamp(ds, f"Change of the dipoles of {family} with heights", settings), heights)


def _predicted(family, models, a, d, n):
    """Dipoles (n, n, layer, 3) and response of the models on the grid of flat stackings."""
    found = {part: np.empty((n, n, 2, 3)) for part in PARTS}
    terms = [NetworkTerm(kind, committee(paths)) for kind, paths in zip(PARTS, models, strict=True)]
    for i, j in np.ndindex(n, n):
        bilayer = build(f"{family}_slide-{i}-{j}-{n}", a, d)
        expansion = Expansion(bilayer)
        for term in terms:
            term.contribute(expansion)
        order = np.argsort(bilayer.site_layers)
        for power, part in enumerate(PARTS):
            found[part][i, j] = expansion.coefficients[power].mean(axis=0)[order]
    return found


def _labelled(frames, part, n, layer_distance_A):
    """Pairs of layer distance and labelled values (n, n, layer, 3) of a part."""
    groups: dict = {}
    for frame in frames:
        key = frame.system.distance_A, frame.system.field_V_per_A
        groups.setdefault(key, []).append(frame)
    found = []
    for (d, field), group in groups.items():
        if bool(field) == (part == "response"):
            values = on_grid(group, n, layer_distance_A)
            along, against = values[:, :, 0], values[:, :, 1]
            found.append((d, (along - against) / (2 * field) if field else along))
    return found


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(fit_heights, globals().get("snakemake"))
