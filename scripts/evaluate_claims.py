"""The table of the paper's claims, each with what was found here and a verdict."""

import csv
from collections.abc import Sequence
from pathlib import Path

import yaml

from moirepol.claims.framework import Results, judge_all
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
    predictors: Sequence[str] = (),
) -> None:
    """Judge every claim of `table` (YAML) from the results given and write `claims` (CSV).

    maps, charges, dipoles, parities: NetCDF files, all but the last named by their system, the last
    in a folder named by the model. labels: sets of labels with moire cells; of a cell in several
    sets the first is taken. predictors: names of the models that predict; another model of
    the same kind and split is quoted, not judged. A claim whose results are not among them gets the
    verdict "not yet".
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
            for path in parities
        ],
        predictors=tuple(predictors),
    )
    sections = yaml.safe_load(Path(table).read_text())
    rows = judge_all([entry for section in sections.values() for entry in section], results)
    with open(claims, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(f"{row['id']:14} {row['verdict']:15} {row['ours']}")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(evaluate_claims, globals().get("snakemake"))
