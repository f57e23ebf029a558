"""Hold predictions, by all models of a family together, against labels that they did not see."""

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
    """Compare with DFT as predicted for a figure: in a field, and with the long range if asked for.

    Parameters
    ----------
    labels : files of labels. A frame is put to those members of the zero-field model that were not
        trained on it, and left out where there is none.
    zero_field, response, curvature, polarizability, reach_A, heterostrain : as in
        `predict_dipoles`; of a strip, only a fit that left it out is asked
    judged : NetCDF as `evaluate_model` writes it, all of the side ``test``; with ``deformation``
        (sample) of the frame in A, `moirepol.model.domain`, and of moire cells ``amplitude`` (cell,
        source, part) in e.A
    study : its name
    fields_V_per_A : only frames in these fields
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
    ds["deformation"].attrs.update(units="angstrom", long_name="from what was trained on")
    if cells:
        ds = ds.merge(xr.concat(cells, dim="cell"))
        ds = ds.assign_coords(source=["dft", "model"], part=["P_perp", "P_par"])
        words = {"units": "e.angstrom", "long_name": "first harmonic of the summed layers"}
        ds["amplitude"].attrs.update(words)
    settings = full.settings | {
        "family": full.family,
        "kind": "prediction",
        "split": "",
        "study": study,
    }
    provenance.write_netcdf(provenance.stamp(ds, f"Predictions judged: {study}", settings), judged)
    print("MAE (x, y, z), e.A:", ds["mae"].values)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(judge_frames, globals().get("snakemake"))
