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
    """Write the committee mean and standard deviation of the dipoles of a bilayer.

    The layout of the file is that of `moirepol.structure.frames`. The attribute `deformation_A` is
    the distance of the lattices from the training frames (`moirepol.model.domain`). Above
    `deformation_limit_A` there is a warning. `trained_on_surroundings` is 1 below it and 0 above.

    Parameters
    ----------
    system
        Name of the bilayer, including its field.
    zero_field, response, curvature
        Files of the members of each model.
    dipoles
        NetCDF file to write.
    lattice_constant_A, layer_distance_A
        Lattice constant and layer distance in angstrom.
    polarizability
        File of `compute_polarizability`. It adds the long-range electrostatics.
    reach_A
        Gaussian smearing widths in angstrom, see `moirepol.physics.long_range`.
    heterostrain
        File of `fit_heterostrain`. It adds the effect of the relative strain of the layers.
    beyond
        Quantities in which the system lies beyond the labels. They are printed and stored.

    Raises
    ------
    JobError
        If the bilayer is outside the domain of a term, or if a file is of another kind.
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
            f"warning: {system} is outside the training data: its deformation is "
            f"{deformation:.2f} A, the limit is {LIMIT_A} A"
        )


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(predict_dipoles, globals().get("snakemake"))
