"""Compare predictions with labels that were held out of the training."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.model.comparison import compared, together
from moirepol.physics.gradient import gradient_of, size_of
from moirepol.physics.polarization import harmonics
from moirepol.predictor import Predictor
from moirepol.structure.frames import read_frames
from moirepol.workflow import provenance


def validate_frames(
    labels: Sequence[str],
    zero_field: Sequence[str],
    validated,
    study,
    response: Sequence[str] = (),
    curvature: Sequence[str] = (),
    polarizability=(),
    gradient=(),
    fields_V_per_A: Sequence[float] | None = None,
) -> None:
    """Validate the full prediction, with field and long range, on labelled frames.

    Parameters
    ----------
    labels
        Label sets. A frame is predicted by those members of the zero-field model that are not
        trained on it. A frame without such a member is skipped.
    zero_field, response, curvature, polarizability, gradient
        As in `predict_dipoles`. A fitted cell is predicted by the fit that omits it.
    validated
        NetCDF file to write, as in `evaluate_model`; all frames are on the side ``test``. It also
        contains ``gradient`` (sample), the size of the displacement gradient, ``remainder``
        (sample, component), the root mean square of the remainder of unit width in e.A (0
        without `gradient`), and ``amplitude`` (cell, source, part) of moire cells in e.A.
    study
        Name of the study.
    fields_V_per_A
        If given, only frames in these fields are used.
    """
    full = Predictor.from_files(zero_field, response, curvature, polarizability, gradient)
    parts, cells = [], []
    for frame in (frame for path in labels for frame in read_frames(path)):
        name, system = frame.name, frame.system
        predictor = full.without(name)
        wanted = fields_V_per_A is None or system.field_V_per_A in fields_V_per_A
        if not wanted or system.family != full.family or predictor is None:
            continue
        predicted = predictor.dipoles(frame)
        centres, members = frame.sites, predictor.zero_field
        model, spread = (predicted.arrays[key][centres] for key in ("dipole", "dipole_error"))
        part = compared(frame, model, spread, len(members), "test")
        size, remainder = size_of(gradient_of(frame)), np.zeros(part["model"].shape)
        if predictor.gradient:
            draws = predictor.gradient.remainder(frame)
            remainder = np.sqrt((draws**2).mean(axis=0))
        part["gradient"] = xr.full_like(part["layer"], size, float)
        part["remainder"] = part["model"].dims, remainder
        parts.append(part)
        if system.n_periods:
            amplitudes = [harmonics(atoms) for atoms in (frame, predicted)]
            cell = xr.Dataset({"amplitude": (("source", "part"), amplitudes)})
            cells.append(cell.assign_coords(cell=name))
    ds = together(parts, study)
    ds["gradient"].attrs.update(units="1", long_name="size of the displacement gradient")
    ds["remainder"].attrs.update(
        units="e.angstrom", long_name="remainder of unit width, root mean square"
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
        provenance.stamp(ds, f"Validation of predictions: {study}", settings), validated
    )
    print("MAE (x, y, z), e.A:", ds["mae"].values)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(validate_frames, globals().get("snakemake"))
