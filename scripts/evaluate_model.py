"""Compare a committee with the labels of its training and validation frames."""

from collections.abc import Sequence

import xarray as xr

from moirepol.model.committee import committee, evaluate, standard_deviation
from moirepol.model.comparison import compared, together
from moirepol.model.splits import split_frames
from moirepol.model.targets import targets
from moirepol.structure.frames import read_frames
from moirepol.workflow import provenance


def evaluate_model(
    members: Sequence[str],
    losses: Sequence[str],
    labels: Sequence[str],
    parity: str,
    loss: str,
) -> None:
    """Compare a committee with DFT for every N atom.

    Parameters
    ----------
    members, losses
        Model files and training courses of the committee, in the same order.
    labels
        Label sets that the members are trained on.
    parity
        NetCDF file to write, for every N atom of every frame. ``dft`` and ``model`` (sample,
        component) are dipoles in e.A. ``model`` is the mean over the members that have the frame on
        this side of the split, ``spread`` their standard deviation, and ``members`` their number.
        ``mae`` has the dimensions (side, component).
    loss
        NetCDF file to write, with the training courses of all members.
    """
    courses = [provenance.read_netcdf(path, "rmse_train") for path in losses]
    trained = committee(members)
    info = trained[0].info
    what = info["family"], info["kind"], info["field_V_per_A"]
    learned = targets(_read(labels), *what)

    asked = {}  # (side of the split, frame's name) -> frame, members
    for member in trained:
        sides = split_frames(
            learned, member.info["split"], member.info["folds"], member.info["seed"]
        )
        for side, frames in zip(("train", "validation"), sides, strict=True):
            for frame in frames:
                asked.setdefault((side, frame.name), (frame, []))[1].append(member)

    samples = []
    for (side, _), (frame, members) in asked.items():
        answers = evaluate(members, frame)
        spread = standard_deviation(answers)
        samples.append(compared(frame, answers.mean(axis=0), spread, len(members), side))
    ds = together(samples, info["kind"])
    title = f"Parity of {info['family']} {info['kind']}"
    provenance.write_netcdf(provenance.stamp(ds, title, info), parity)

    seeds = xr.DataArray([member.info["seed"] for member in trained], dims="seed", name="seed")
    course = xr.concat(courses, dim=seeds, join="outer", combine_attrs="drop_conflicts")
    title = f"Training of {info['family']} {info['kind']}"
    provenance.write_netcdf(provenance.stamp(course, title, info), loss)
    for side in ds["side"].values:
        print(side, "MAE (x, y, z), e.A:", ds["mae"].sel(side=side).values)


def _read(paths):
    return [frame for path in paths for frame in read_frames(path)]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(evaluate_model, globals().get("snakemake"))
