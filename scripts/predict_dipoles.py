"""Predict the dipole of every site of a bilayer."""

from collections.abc import Sequence

from moirepol.console import note, say
from moirepol.physics.relaxation import relaxed_from_files
from moirepol.predictor import Predictor
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.structure.recognition import recognize_file
from moirepol.workflow import provenance


def predict_dipoles(
    system: str,
    zero_field: Sequence[str],
    dipoles: str,
    lattice_constant_A: float,
    layer_distance_A: float,
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
    """Write the mean dipoles and their errors (layout: `moirepol.structure.frames`).

    Parameters
    ----------
    system
        Name of the bilayer, its field included.
    zero_field, response, curvature
        Files of the members of each model.
    dipoles
        NetCDF to write.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    polarizability
        File of `compute_polarizability`. With it the long-range field of the dipoles is added.
    gradient
        File of `fit_gradient`. With it the first order in the displacement gradient is added.
    errors
        File of `calibrate_errors`. With it the error contains the second order.
    heights
        File of `fit_heights`. With it the layer distance may differ from the configured one.
    stackings, monolayer, relaxation
        Files of `fit_stackings`, `compute_monolayer` and, for a moire, `relax_bilayer`. With them
        the layers are relaxed.
    structure
        File of a structure of the user's own, if the name is that of a structure.
    beyond
        In what the system lies beyond the labels of the models.
    """
    if structure:
        own = recognize_file(structure, system, lattice_constant_A)
        say(f"{system}: {own.description}")
        atoms = own.bilayer
    else:
        atoms = build(system, lattice_constant_A, layer_distance_A)
    if stackings:
        atoms = relaxed_from_files(atoms, stackings, monolayer, relaxation)
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
    beyond = note(system, beyond, predictor.beyond(atoms))
    if beyond:
        atoms.info["beyond_labels"] = beyond
    ds = to_dataset([predictor.dipoles(atoms)])
    if predictor.lacks:
        ds.attrs["not_included"] = predictor.lacks
    title = f"Predicted dipoles of {system}"
    provenance.write_netcdf(provenance.stamp(ds, title, predictor.settings), dipoles)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(predict_dipoles, globals().get("snakemake"))
