"""Evaluate the paper's claims once more, with relaxed bilayers in the place of rigid ones."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml

from moirepol.claims import Results, evaluate_all
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf

#: Columns of the table.
COLUMNS = ("id", "claim", "rigid", "rigid_verdict", "relaxed", "relaxed_verdict", "change")


def relax_claims(
    table: str,
    claims: str,
    configurations: Sequence[str],
    maps: Sequence[str],
    charges: Sequence[str],
    dipoles: Sequence[str],
    relaxed_claims: str,
) -> None:
    """Evaluate the claims about moire bilayers with relaxed maps, charges and dipoles.

    The paper states its claims for rigid bilayers. A claim that needs anything else than a moire
    bilayer, for example a label of a rigid one, has no entry.

    Parameters
    ----------
    table
        Claims (YAML), with the paper's own values.
    claims
        Table of `evaluate_claims` (CSV).
    configurations
        Maps of the configuration spaces, for flat layers.
    maps, charges, dipoles
        NetCDF files of relaxed bilayers, named by their system.
    relaxed_claims
        Table to write (CSV): what was found for rigid and for relaxed bilayers, and whether the
        verdict changes.
    """
    relaxed = {
        "maps": [read_netcdf(path, "P") for path in maps],
        "charges": [read_netcdf(path, "Q") for path in charges],
    }
    frames = [frame for path in dipoles for frame in read_frames(path)]
    flat = {Path(path).stem: read_netcdf(path, "P") for path in configurations}
    named = {
        kind: {rigid(ds.attrs["system"]): ds for ds in found} for kind, found in relaxed.items()
    }
    results = Results(
        maps=flat | named["maps"],
        charges=named["charges"],
        dipoles={rigid(frame.name): frame for frame in frames},
    )
    sections = yaml.safe_load(Path(table).read_text(encoding="utf-8"))
    entries = [entry for section in sections.values() for entry in section]
    before = pd.read_csv(claims, dtype=str, keep_default_na=False).set_index("id")
    with open(relaxed_claims, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in evaluate_all(entries, results):
            # Fig. 1 shows translated bilayers, which do not relax in the plane.
            if row["verdict"] != "not yet" and not row["id"].startswith("F1"):
                old = before.loc[row["id"]]
                changed = old["verdict"] != row["verdict"]
                words = f"{old['verdict']} -> {row['verdict']}" if changed else "same verdict"
                found = old["ours"], old["verdict"], row["ours"], row["verdict"], words
                values = row["id"], row["claim"], *found
                writer.writerow(dict(zip(COLUMNS, values, strict=True)))


def rigid(system: str) -> str:
    """Return the name of a bilayer without the option ``relaxed``.

    Parameters
    ----------
    system
        Name of a relaxed bilayer.

    Returns
    -------
    str
        Name of the rigid one.
    """
    return System.parse(system).model_copy(update={"relaxed": False}).name


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(relax_claims, globals().get("snakemake"))
