"""Hold a model's committee against the labels: those it learned, those left out, others."""

import numpy as np
import xarray as xr

from moirepol import deepwannier, provenance
from moirepol.frames import read_frames


def evaluate_model(members, losses, labels, parity, loss, tests=()):
    """Compare with DFT, atom by atom.

    Parameters
    ----------
    members, losses : models and training courses of the committee, member by member
    labels : files of the labels that the members divided among them
    tests : files of labels that no member saw
    parity : NetCDF, for every N atom of every frame: ``dft`` and ``model`` (sample, xyz) in e.A,
        the mean over the members for which the frame is on that side of the split, with
        ``spread``, the standard deviation over them, and ``members``, their number;
        ``mae`` (side, xyz)
    loss : NetCDF, the courses of all members
    """
    courses = [provenance.read_netcdf(path, "rmse_train") for path in losses]
    trained = deepwannier.committee(members)
    info = trained[0].info
    what = info["family"], info["kind"], info["field_V_per_A"]
    learned = deepwannier.targets(_read(labels), *what)
    tested = deepwannier.targets(_read(tests), *what) if tests else []

    asked = {}  # (side of the split, frame's name) -> frame, members
    for member in trained:
        sides = deepwannier.split_frames(
            learned, member.info["split"], member.info["folds"], member.info["seed"]
        )
        for side, frames in zip(("train", "validation", "test"), (*sides, tested), strict=True):
            for frame in frames:
                asked.setdefault((side, frame.info["name"]), (frame, []))[1].append(member)

    samples = []
    for (side, name), (frame, judges) in asked.items():
        centres = deepwannier.nitrogens(frame)
        answers = deepwannier.ask(judges, frame)
        part = xr.Dataset(
            {
                "dft": (("sample", "xyz"), frame.arrays["dipole"][centres]),
                "model": (("sample", "xyz"), answers.mean(axis=0)),
                "spread": (("sample", "xyz"), deepwannier.spread(answers)),
                "layer": ("sample", frame.arrays["layer"][centres]),
                "members": ("sample", np.full(len(centres), len(judges))),
                "split": ("sample", np.full(len(centres), side, dtype=object)),
                "frame": ("sample", np.full(len(centres), name, dtype=object)),
            }
        )
        samples.append(part)
    ds = xr.concat(samples, dim="sample").assign_coords(xyz=["x", "y", "z"])
    error = np.abs(ds["model"] - ds["dft"])
    ds["mae"] = error.groupby(ds["split"]).mean("sample").rename(split="side")
    for name, meaning in (
        ("dft", "dipole from first principles"),
        ("model", "dipole from the committee"),
        ("spread", "standard deviation over the members asked"),
        ("mae", "mean absolute error of a component over the N atoms"),
    ):
        ds[name].attrs.update(units="e.angstrom", long_name=f"{meaning}, {info['kind']}")
    ds["members"].attrs["long_name"] = "members asked: those with the frame on this side"
    ds["side"].attrs["long_name"] = "side of the split"
    title = f"Parity of {info['family']} {info['kind']}"
    provenance.write_netcdf(provenance.stamp(ds, title, info), parity)

    seeds = xr.DataArray([member.info["seed"] for member in trained], dims="seed", name="seed")
    together = xr.concat(courses, dim=seeds, join="outer", combine_attrs="drop_conflicts")
    title = f"Training of {info['family']} {info['kind']}"
    provenance.write_netcdf(provenance.stamp(together, title, info), loss)
    for side in ds["side"].values:
        print(side, "MAE (x, y, z), e.A:", ds["mae"].sel(side=side).values)


def _read(paths):
    return [frame for path in paths for frame in read_frames(path)]


if __name__ == "__main__":
    from moirepol.job import run

    run(evaluate_model, globals().get("snakemake"))
