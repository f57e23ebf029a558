"""Compare predictions with labels that were held out of the training."""

from collections.abc import Sequence

import xarray as xr

from moirepol.model.comparison import compared, together
from moirepol.physics.polarization import harmonics
from moirepol.predictor import Predictor
from moirepol.structure.frames import read_frames
from moirepol.workflow import provenance


def judge_frames(
    labels: Sequence[str],
    zero_field: Sequence[str],
    judged,
    study,
    response: Sequence[str] = (),
    curvature: Sequence[str] = (),
    polarizability=(),
    reach_A: Sequence[float] = (0.0, 0.0),
    heterostrain=(),
    fields_V_per_A: Sequence[float] | None = None,
) -> None:
    """Validate the full prediction, with field and long range, on labelled frames.

    Parameters
    ----------
    labels
        Label sets. A frame is predicted by those members of the zero-field model that are not
        trained on it. A frame without such a member is skipped.
    zero_field, response, curvature, polarizability, reach_A, heterostrain
        As in `predict_dipoles`. A uniaxial cell is predicted only by fits that omit it.
    judged
        NetCDF file to write, as in `evaluate_model`; all frames are on the side ``test``. It also
        contains ``deformation`` (sample) of the frame in A, from `moirepol.model.domain`, and
        ``amplitude`` (cell, source, part) of moire cells in e.A.
    study
        Name of the study.
    fields_V_per_A
        If given, only frames in these fields are used.
    """
    full = Predictor.from_files(
        zero_field, response, curvature, polarizability, reach_A, heterostrain
    )
    parts, cells = [], []
    for frame in (frame for path in labels for frame in read_frames(path)):
        name, system = frame.name, frame.system
        predictor = full.without(name)
        wanted = fields_V_per_A is None or system.field_V_per_A in fields_V_per_A
        if not wanted or system.family != full.family or predictor is None:
            continue
        predicted = predictor.dipoles(frame)
        centres, members = frame.sites, predictor.zero_field
        model, spread = (predicted.arrays[key][centres] for key in ("dipole", "dipole_spread"))
        part = compared(frame, model, spread, len(members), "test")
        part["deformation"] = xr.full_like(part["layer"], predicted.info["deformation_A"], float)
        parts.append(part)
        if system.n_periods:
            amplitudes = [harmonics(atoms) for atoms in (frame, predicted)]
            cell = xr.Dataset({"amplitude": (("source", "part"), amplitudes)})
            cells.append(cell.assign_coords(cell=name))
    ds = together(parts, study)
    ds["deformation"].attrs.update(
        units="angstrom", long_name="deformation relative to the training frames"
    )
    if cells:
        ds = ds.merge(xr.concat(cells, dim="cell"))
        ds = ds.assign_coords(source=["dft", "model"], part=["P_perp", "P_par"])
        words = {"units": "e.angstrom", "long_name": "first harmonic of the sum of the layers"}
        ds["amplitude"].attrs.update(words)
    settings = full.settings | {
        "family": full.family,
        "kind": "prediction",
        "split": "",
        "study": study,
    }
    provenance.write_netcdf(
        provenance.stamp(ds, f"Validation of predictions: {study}", settings), judged
    )
    print("MAE (x, y, z), e.A:", ds["mae"].values)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(judge_frames, globals().get("snakemake"))
