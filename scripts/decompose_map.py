"""Divide the polarization map of a bilayer into the contributions of the terms."""

from collections.abc import Sequence

import numpy as np

from moirepol.physics.heights import Heights
from moirepol.physics.polarization import COMPONENTS, cell_points, layer_fields
from moirepol.physics.relaxation import Relaxation, relaxed_from_files
from moirepol.predictor import Predictor
from moirepol.structure.building import sample
from moirepol.structure.conventions import LAYERS
from moirepol.workflow.provenance import stamp, write_netcdf

#: Contributions in the order in which they are added.
TERMS = {
    "local stacking": "dipoles of the flat translated bilayer of the local stacking",
    "heights": "change with layer distance, rumpling and tilt",
    "relaxed ions": "piezoelectric part of the ions in strained layers",
    "first order": "clamped-ion part of strain and twist",
    "long range": "field of the pattern",
}


def decompose_map(
    system: str,
    zero_field: Sequence[str],
    terms: str,
    lattice_constant_A: float,
    layer_distance_A: float,
    grid_points: int,
    points_per_period: int,
    response: Sequence[str] = (),
    curvature: Sequence[str] = (),
    polarizability: str | Sequence[str] = (),
    gradient: str | Sequence[str] = (),
    heights: str | Sequence[str] = (),
    stackings: str | Sequence[str] = (),
    monolayer: str | Sequence[str] = (),
    relaxation: str | Sequence[str] = (),
) -> None:
    """Add the terms of the prediction one after the other, and map what each of them changes.

    Parameters
    ----------
    system
        Name of the bilayer, its field included.
    terms
        NetCDF file to write: ``P`` (term, layer, component, i, j), whose sum over the terms and the
        layers is the map.
    grid_points, points_per_period
        As in `map_polarization`.
    zero_field, response, curvature, polarizability, gradient
        As in `predict_dipoles`.
    heights, stackings, monolayer, relaxation
        As in `predict_dipoles`.
    lattice_constant_A, layer_distance_A
        As in `predict_dipoles`.
    """
    points = points_per_period
    if relaxation:
        points = max(points, Relaxation.from_file(str(relaxation)).points)
    bilayer = sample(system, lattice_constant_A, layer_distance_A, points)
    if stackings:
        bilayer = relaxed_from_files(bilayer, str(stackings), str(monolayer), relaxation)
    models = zero_field, response, curvature
    steps = {
        "local stacking": Predictor.from_files(*models),
        "heights": Predictor.from_files(*models, heights=heights),
        "relaxed ions": Predictor.from_files(*models, heights=heights, monolayer=monolayer),
        "first order": Predictor.from_files(
            *models, gradient=gradient, heights=heights, monolayer=monolayer
        ),
        "long range": Predictor.from_files(
            *models, polarizability, gradient, heights=heights, monolayer=monolayer
        ),
    }
    n = max(grid_points, points)
    fields = []
    for name, predictor in steps.items():
        asked = bilayer.copy()
        if name == "local stacking" and heights:
            asked.info["template_distance_A"] = Heights.from_files(heights).reference_distance_A
        fields.append(layer_fields(predictor.dipoles(asked), n))
    parts = np.diff(fields, axis=0, prepend=np.zeros_like(fields[:1]))
    ds = cell_points(bilayer.cell_2d, bilayer.stacking_points())
    ds["P"] = ("term", "layer", "component", "i", "j"), parts
    ds["P"].attrs.update(units="e.angstrom", long_name="contribution to the polarization per pair")
    ds["meaning"] = "term", list(TERMS.values())
    ds["meaning"].attrs["long_name"] = "meaning of the term"
    ds = ds.assign_coords(term=list(TERMS), layer=list(LAYERS), component=list(COMPONENTS))
    ds = ds.assign_attrs(system=bilayer.name)
    title = f"Contributions to the polarization of {bilayer.name}"
    write_netcdf(stamp(ds, title, {"grid_points": n}), terms)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(decompose_map, globals().get("snakemake"))
