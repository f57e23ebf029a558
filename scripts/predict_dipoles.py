"""Predict the dipole of every site of a bilayer."""

from moirepol.console import note
from moirepol.prediction import Prediction
from moirepol.structure.frames import to_dataset
from moirepol.workflow import provenance


def predict_dipoles(prediction: Prediction, dipoles: str) -> None:
    """Write the mean dipoles and their errors (layout: `moirepol.structure.frames`).

    Parameters
    ----------
    prediction
        The bilayer and the files of the prediction.
    dipoles
        NetCDF to write.
    """
    atoms, predictor = prediction.atoms(), prediction.predictor
    if beyond := note(prediction.system, prediction.beyond, predictor.beyond(atoms)):
        atoms.info["beyond_labels"] = beyond
    ds = to_dataset([predictor.dipoles(atoms)])
    if predictor.lacks:
        ds.attrs["not_included"] = predictor.lacks
    title = f"Predicted dipoles of {prediction.system}"
    provenance.write_netcdf(provenance.stamp(ds, title, predictor.settings), dipoles)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(predict_dipoles, globals().get("snakemake"))
