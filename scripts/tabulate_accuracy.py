"""Tabulate the errors of the models, and their predictions for moire cells."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf

AXES = {"in_plane": [0, 1], "z": [2], "all": [0, 1, 2]}
SPLITS = {
    "stackings": "distinct stackings held out",
    "copies": "symmetry copies held out",
    "cells": "moire cells held out, short range",
}
LARGE_CELL = "AA_twist-5-6"


def tabulate_accuracy(
    parities: Sequence[str],
    studies: Sequence[str],
    study_sets: Mapping[str, Sequence[str]],
    labels: Sequence[str],
    table: str,
    accuracy: str,
    cells: str,
) -> None:
    """Write mean absolute errors per component over N atoms.

    Parameters
    ----------
    parities
        Files parity.nc of `evaluate_model`, in folders named by model. Their validation frames are
        used.
    studies
        Files of `validate_frames`, named by study.
    study_sets
        Study -> its label sets.
    labels
        Label sets. Their errors are those of the mean dipole of each layer, and the violation of
        symmetry.
    table
        Claims of the paper (YAML), with the errors of the paper.
    accuracy
        CSV to write: `on` (held-out frames, moire cell or label sets), `model` (model or study),
        `axis` (in_plane, z, all), `mae_eA`, the mean committee standard deviation `spread_eA`,
        `paper_eA` and `n`, the number of components.
    cells
        CSV to write, with one row for each moire cell and study: twist angle, mismatch,
        size of the displacement gradient, first harmonics of the sum of the layers by model and by
        DFT, errors.
    """
    claims = {
        claim["id"]: claim["paper"]
        for section in yaml.safe_load(Path(table).read_text(encoding="utf-8")).values()
        for claim in section
        if claim["id"] in ("F1f-mae", "F2-mae")
    }
    rows, by_cell = [], []
    validated, studied = (
        [(Path(path), read_netcdf(path, "dft", "model", "spread")) for path in paths]
        for paths in (parities, studies)
    )
    labelled = [(Path(path), read_frames(path)) for path in labels]
    for path, ds in validated:
        split = json.loads(ds.attrs["settings"])["split"]
        paper = claims["F1f-mae"] if split == "copies" else None
        chosen = (ds["split"] == "validation").values
        rows += _errors(SPLITS[split], path.parent.name, ds.isel(sample=chosen), paper)
    for path, ds in studied:
        study = path.stem
        frames = ds["frame"].values
        in_cell = np.isin(frames, ds["cell"].values if "cell" in ds else [])
        if not in_cell.all():
            sets = f"labels {', '.join(study_sets[study])}"
            rows += _errors(sets, study, ds.isel(sample=~in_cell))
        for name in dict.fromkeys(frames[in_cell]):
            paper = claims["F2-mae"] if name == LARGE_CELL else None
            part = ds.sel(cell=name).isel(sample=frames == name)
            found = _errors(name, study, part, paper)
            rows += found
            by_cell.append(_cell(name, study, part, found))
    for path, frames in labelled:
        rows += _labels(path.stem, frames)
    pd.DataFrame(rows).to_csv(accuracy, index=False, float_format="%.3g")
    pd.DataFrame(by_cell).to_csv(cells, index=False, float_format="%.4g")


def _errors(on, model, ds, paper=None):
    error, spread = np.abs((ds["model"] - ds["dft"]).values), ds["spread"].values
    return [
        _row(on, model, axis, error[:, chosen], spread[:, chosen].mean(), paper)
        for axis, chosen in AXES.items()
    ]


def _row(on, model, axis, values, spread=None, paper=None):
    return {
        "on": on,
        "model": model,
        "axis": axis,
        "mae_eA": values.mean(),
        "spread_eA": spread,
        "paper_eA": paper,
        "n": values.size,
    }


def _cell(name, study, ds, errors):
    system = System.parse(name)
    amplitudes = {
        f"{part}_{source}_eA": float(ds["amplitude"].sel(part=part, source=source))
        for part in ds["part"].values
        for source in ds["source"].values
    }
    return {
        "cell": name,
        "model": study,
        "twist_angle_deg": system.twist_angle_deg,
        "mismatch": system.eta,
        "displacement_gradient": float(ds["gradient"].max()),
        **amplitudes,
        **{f"mae_{row['axis']}_eA": row["mae_eA"] for row in errors},
    }


def _labels(name, frames):
    """Return the error of each layer's mean dipole, and the violation of symmetry by labels."""
    dipoles = np.concatenate([frame.arrays["dipole"][frame.sites] for frame in frames])
    layer = np.concatenate([frame.layer[frame.sites] for frame in frames])
    mean = np.array([dipoles[layer == side].mean(axis=0) for side in (0, 1)])
    missed = np.abs(dipoles - mean[layer])
    rows = [
        _row(f"labels {name}", "mean of each layer", axis, missed[:, chosen])
        for axis, chosen in AXES.items()
    ]
    residual = np.array([frame.info["symmetry_residual_eA"] for frame in frames])
    return [*rows, _row(f"labels {name}", "largest violation of symmetry", "all", residual)]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(tabulate_accuracy, globals().get("snakemake"))
