"""Divide the polarization map of a bilayer into the contributions of the terms."""

from dataclasses import replace
from typing import Any

import numpy as np

from moirepol.physics.heights import Heights
from moirepol.physics.polarization import COMPONENTS, cell_points, layer_fields
from moirepol.prediction import Prediction
from moirepol.structure.conventions import LAYERS
from moirepol.workflow.provenance import stamp, write_netcdf

#: Contributions in the order in which they are added: the file that adds it, and its meaning.
TERMS = {
    "local stacking": ("", "dipoles of the flat translated bilayer of the local stacking"),
    "heights": ("heights", "change with layer distance, rumpling and tilt"),
    "relaxed ions": ("monolayer", "piezoelectric part of the ions in strained layers"),
    "displacement gradient": ("gradient", "clamped-ion part of strain and twist"),
    "long range": ("polarizability", "field of the pattern"),
}
#: Inputs without the networks, which all contributions share.
NO_NETWORKS: dict[str, Any] = {"zero_field": (), "response": (), "curvature": ()}


def decompose_map(
    prediction: Prediction, terms: str, grid_points: int, points_per_period: int
) -> None:
    """Add the terms of the prediction one after the other, and map what each of them changes.

    Parameters
    ----------
    prediction
        The bilayer and the files of the prediction.
    terms
        NetCDF file to write: ``P`` (term, layer, component, i, j), whose sum over the terms and the
        layers is the map.
    grid_points, points_per_period
        As in `map_polarization`.
    """
    files: dict[str, Any] = {file: () for file, _ in TERMS.values() if file}
    networks = replace(prediction, errors=(), **files).predictor
    added = []
    for file, _ in TERMS.values():
        if file:
            files[file] = getattr(prediction, file)
        added.append(replace(prediction, **NO_NETWORKS, **files).predictor)
    points = prediction.points_of(points_per_period)
    bilayer = prediction.sampled(points)
    n = max(grid_points, points)
    if prediction.heights:
        heights = Heights.from_files(str(prediction.heights))
        bilayer.info["template_distance_A"] = heights.reference_distance_A
    coefficients = networks.expand(bilayer).coefficients
    means = {power: values.mean(axis=0, keepdims=True) for power, values in coefficients.items()}
    fields = []
    for predictor in added:
        expansion = predictor.expand(bilayer, means)
        mean = sum(part.mean(axis=0) for part in expansion.terms_in_field(bilayer.field_V_per_A))
        predicted = bilayer.copy()
        predicted.set_site_array("dipole", expansion.complete(mean))
        fields.append(layer_fields(predicted, n))
    parts = np.diff(fields, axis=0, prepend=np.zeros_like(fields[:1]))
    ds = cell_points(bilayer.cell_2d, bilayer.stacking_points())
    ds["P"] = ("term", "layer", "component", "i", "j"), parts
    ds["P"].attrs.update(units="e.angstrom", long_name="contribution to the polarization per pair")
    ds["meaning"] = "term", [meaning for _, meaning in TERMS.values()]
    ds["meaning"].attrs["long_name"] = "meaning of the term"
    ds = ds.assign_coords(term=list(TERMS), layer=list(LAYERS), component=list(COMPONENTS))
    ds = ds.assign_attrs(system=bilayer.name)
    title = f"Contributions to the polarization of {bilayer.name}"
    write_netcdf(stamp(ds, title, {"grid_points": n}), terms)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(decompose_map, globals().get("snakemake"))
