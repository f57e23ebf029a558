"""Hold predictions, by all models of a family together, against labels that they did not see."""

from collections.abc import Sequence

import xarray as xr

from moirepol.model import deepwannier
from moirepol.model.comparison import compared, together
from moirepol.physics.heterostrain import first_orders, read_fits
from moirepol.physics.polarization import harmonics
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
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
    files = {"zero_field": zero_field, "response": response, "curvature": curvature}
    models = {kind: deepwannier.committee(paths) for kind, paths in files.items() if paths}
    fits = read_fits(heterostrain) if heterostrain else None
    family = models["zero_field"][0].info["family"]
    frames = [frame for path in labels for frame in read_frames(path)]
    fields = [
        deepwannier.long_range_of(frame, polarizability, reach_A) if polarizability else None
        for frame in frames
    ]
    parts, cells = [], []
    for frame, long_range in zip(frames, fields, strict=True):
        name = frame.info["name"]
        system = System.parse(name)
        unasked = fields_V_per_A is not None and system.field_V_per_A not in fields_V_per_A
        members = [m for m in models["zero_field"] if name.encode() not in m.known["names"]]
        strained = fits is not None and system.eta
        orders = first_orders(fits, unknown=name) if strained else ()
        if unasked or system.family != family or not members or (strained and not len(orders)):
            continue
        predicted = deepwannier.predict(frame, models | {"zero_field": members}, long_range, orders)
        centres = deepwannier.nitrogens(frame)
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
    settings = {kind: [member.info for member in members] for kind, members in models.items()}
    settings |= {"family": family, "kind": "prediction", "split": "", "study": study}
    provenance.write_netcdf(provenance.stamp(ds, f"Predictions judged: {study}", settings), judged)
    print("MAE (x, y, z), e.A:", ds["mae"].values)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(judge_frames, globals().get("snakemake"))
