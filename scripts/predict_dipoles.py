"""Predict the dipole of every N atom of a bilayer."""

from collections.abc import Sequence

from moirepol.console import say
from moirepol.model.domain import LIMIT_A
from moirepol.predictor import Predictor
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.workflow import provenance


def predict_dipoles(
    system,
    zero_field: Sequence[str],
    dipoles,
    lattice_constant_A,
    layer_distance_A,
    response: Sequence[str] = (),
    curvature: Sequence[str] = (),
    polarizability=(),
    reach_A: Sequence[float] = (0.0, 0.0),
    heterostrain=(),
    beyond="",
) -> None:
    """Write the committee's mean dipoles and their spread (layout: `moirepol.structure.frames`).

    Attributes: `deformation_A`, how far the bilayer's lattices are at least from those trained on
    (`moirepol.model.domain`), with `deformation_limit_A`, above which the user is warned, and
    `trained_on_surroundings`, 1 below it and 0 above.

    Parameters
    ----------
    system : name of the bilayer, its field included
    zero_field, response, curvature : files of the members of each model
    polarizability : file of `compute_polarizability`; with it the dipoles' long-range field is
        added, with `reach_A`, see `moirepol.physics.long_range`
    heterostrain : file of `fit_heterostrain`, for layers strained against each other
    beyond : in what the system lies beyond the models' labels, told and kept with the dipoles
    """
    atoms = build(system, lattice_constant_A, layer_distance_A)
    if beyond:
        say(f"note: {system}: {beyond}")
        atoms.info["beyond_labels"] = beyond
    predictor = Predictor.from_files(
        zero_field, response, curvature, polarizability, reach_A, heterostrain
    )
    predicted = predictor.dipoles(atoms)
    title = f"Predicted dipoles of {system}"
    ds = provenance.stamp(to_dataset([predicted]), title, predictor.settings)
    deformation = predicted.info["deformation_A"]
    outside = deformation > LIMIT_A
    ds = ds.assign_attrs(
        deformation_A=deformation,
        deformation_limit_A=LIMIT_A,
        trained_on_surroundings=int(not outside),
    )
    provenance.write_netcdf(ds, dipoles)
    if outside:
        say(
            f"warning: {system} lies outside what the model was trained on: neighbours displaced "
            f"by {deformation:.2f} A from all known surroundings, the limit is {LIMIT_A} A"
        )


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(predict_dipoles, globals().get("snakemake"))
