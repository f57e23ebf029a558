"""Train one member of a model's committee."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from moirepol.model.committee import save
from moirepol.model.splits import split_frames
from moirepol.model.targets import targets
from moirepol.model.training import train
from moirepol.structure.frames import read_frames
from moirepol.workflow import provenance


def train_model(
    labels: Sequence[str],
    member: str,
    loss: str,
    family: str,
    kind: str,
    field_V_per_A: float,
    split: str,
    folds: int,
    protocol: Mapping[str, Any],
    seed: int,
) -> None:
    """Train one member on the training frames of its split.

    Parameters
    ----------
    labels
        Label sets.
    member
        Model file to write, in deepmd-kit's native format.
    loss
        NetCDF file to write: RMSE in e.A against the step.
    family, kind, field_V_per_A
        Training target, see `moirepol.model.targets`.
    split, folds
        Selection of the validation frames, see `moirepol.model.splits`.
    protocol
        Settings of the network and the optimizer, an entry of `protocols`.
    seed
        Seed of the random weights. It also selects the fold that is held out.
    """
    seed = int(seed)
    frames = [frame for path in labels for frame in read_frames(path)]
    learned = targets(frames, family, kind, field_V_per_A)
    known, validation = split_frames(learned, split, folds, seed)
    info = {
        "family": family,
        "kind": kind,
        "field_V_per_A": field_V_per_A,
        "split": split,
        "folds": folds,
        "seed": seed,
        "protocol": protocol,
    }
    data, course = train(known, validation, protocol, seed, info)
    save(data, member)

    ds = xr.Dataset(coords={"step": [row["step"] for row in course]})
    for name, unit, meaning in (
        ("rmse_train", "e.angstrom", "RMSE of a component, training frames"),
        ("rmse_validation", "e.angstrom", "RMSE of a component, validation frames"),
        ("seconds", "s", "time since the start of the training"),
    ):
        values = np.array([row[name] for row in course])
        ds[name] = "step", values, {"units": unit, "long_name": meaning}
    ds["step"].attrs["long_name"] = "step of the optimizer"
    provenance.write_netcdf(provenance.stamp(ds, f"Training of {family} {kind}", info), loss)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(train_model, globals().get("snakemake"))
