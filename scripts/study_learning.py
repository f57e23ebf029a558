"""Measure the validation error against the number of distinct training stackings."""

import csv
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from moirepol.console import progress
from moirepol.model.committee import evaluate, member_of
from moirepol.model.splits import split_frames, stacking
from moirepol.model.targets import targets
from moirepol.model.training import train
from moirepol.structure.frames import read_frames


def study_learning(
    labels: Sequence[str],
    learning: str,
    family: str,
    folds: int,
    protocol: Mapping[str, Any],
    counts: Sequence[int],
) -> None:
    """Write a table: slides, frames, fold, mae_in_plane_eA, mae_z_eA, of zero-field models.

    Parameters
    ----------
    labels
        Label sets.
    learning
        CSV to write. `slides` is the number of distinct training stackings, each with all its
        strains. They are drawn from the training stackings of the fold in one random order.
    family, folds, protocol
        As in `train_model`.
    counts
        Numbers of stackings. Numbers above that of the training stackings are ignored.
    """
    frames = [frame for path in labels for frame in read_frames(path)]
    learned = targets(frames, family, "zero_field", 0.0)
    cases = []
    for fold in range(folds):
        known, validation = split_frames(learned, "stackings", folds, fold)
        stackings = sorted({stacking(frame) for frame in known})
        order = np.random.default_rng(fold).permutation(stackings)
        cases += [(fold, known, validation, order[:n]) for n in counts if n <= len(order)]
    rows = []
    for fold, known, validation, chosen in progress(cases, desc="learning curve", unit="model"):
        part = [frame for frame in known if stacking(frame) in chosen]
        info = {"family": family, "kind": "zero_field", "field_V_per_A": 0.0}
        data, _ = train(part, validation, protocol, fold, info)
        member = member_of(data)
        error = np.concatenate(
            [np.abs(evaluate([member], frame)[0] - frame.dipoles) for frame in validation]
        )
        rows.append(
            {
                "slides": len(chosen),
                "frames": len(part),
                "fold": fold,
                "mae_in_plane_eA": f"{error[:, :2].mean():.3g}",
                "mae_z_eA": f"{error[:, 2].mean():.3g}",
            }
        )
    rows.sort(key=lambda row: (row["slides"], row["fold"]))
    with open(learning, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(study_learning, globals().get("snakemake"))
