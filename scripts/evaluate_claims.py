"""Evaluate the claims of the paper, and write them as a table with a verdict for each."""

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

import yaml

from moirepol.claims import Results, evaluate_all
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import read_netcdf


def evaluate_claims(
    table: str,
    claims: str,
    maps: Sequence[str] = (),
    charges: Sequence[str] = (),
    dipoles: Sequence[str] = (),
    labels: Sequence[str] = (),
    parities: Sequence[str] = (),
    studies: Sequence[str] = (),
    predictors: Sequence[str] = (),
    quoted: Collection[str] = (),
) -> None:
    """Evaluate every claim of a table from the given results.

    The verdict of a claim is "not yet" if a result that it needs is missing.

    Parameters
    ----------
    table
        Claims (YAML), with the paper's own values.
    claims
        Table to write (CSV).
    maps, charges, dipoles
        NetCDF files named by their system.
    labels
        Sets of labels with moire cells. If several sets contain a cell, the first is used.
    parities
        Files parity.nc of `evaluate_model`, in folders named by the model.
    studies
        Files of `validate_frames`, named by the study.
    predictors
        Names of the models used for prediction. The errors of other models of the same kind and
        split are quoted and do not affect the verdict.
    quoted
        Further files parity.nc that are quoted.
    """
    results = Results(
        maps={Path(path).stem: read_netcdf(path, "P") for path in maps},
        charges={Path(path).stem: read_netcdf(path, "Q") for path in charges},
        dipoles={Path(path).stem: read_frames(path)[0] for path in dipoles},
        labels={
            frame.name: frame
            for path in reversed([*labels])
            for frame in read_frames(path)
            if frame.system.geometry != "slide"
        },
        parities=[
            read_netcdf(path, "dft", "model").assign_attrs(model=Path(path).parent.name)
            for path in [*parities, *quoted]
        ],
        studies={Path(path).stem: read_netcdf(path, "dft", "model") for path in studies},
        predictors=tuple(predictors),
    )
    sections = yaml.safe_load(Path(table).read_text(encoding="utf-8"))
    rows = evaluate_all([entry for section in sections.values() for entry in section], results)
    with open(claims, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(f"{row['id']:14} {row['verdict']:15} {row['ours']}")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(evaluate_claims, globals().get("snakemake"))
