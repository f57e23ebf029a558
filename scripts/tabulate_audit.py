"""The audit of all label sets as one table, for a spreadsheet and for reading."""

import html
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from moirepol.workflow.provenance import read_netcdf

#: column -> (what is taken over the frames, variable, unit, meaning)
WORST = {
    "centre_distance": (
        "max",
        "centre_distance_A",
        "A",
        "farthest centre from its N",
    ),
    "singular_largest": ("max", "largest_singular_value", "1", "overlaps: at most 1"),
    "singular_smallest": ("min", "smallest_singular_value", "1", "overlaps: 1 for a full basis"),
    "projection": ("min", "smallest_projection", "1", "weakest of the projections of the gauge"),
    "spread": ("max", "spread_A2", "A^2", "widest function"),
    "symmetry": ("max", "symmetry_residual_eA", "e.A", "broken symmetry of one dipole"),
    "order": ("max", "order_difference_eA", "e.A", "sixth against fourth order in b"),
    "wannier90": (
        "max",
        "wannier90_difference_A",
        "A",
        "second-order centres, to wannier90.x",
    ),
    "scf_accuracy": ("max", "scf_accuracy_Ry", "Ry", "pw.x's estimate"),
    "density": (
        "max",
        "density_difference_eA",
        "e.A",
        "summed P_z per 4 atoms to the density's",
    ),
    "pw.x": ("max", "qe_difference_eA", "e.A", "summed P_z per 4 atoms to pw.x's own"),
}
TOGETHER = {
    "frames": "frames that belong to the set",
    "sound": "of them labelled and sound",
    "refused": "of them refused, or no longer sound",
    "density_frames": "frames compared with the density's dipole",
    "pw.x_frames": "frames compared with pw.x's own dipole",
    "core_hours": "processor time; wall time of one process where that was not counted",
    "settings": "digest of the settings",
    "reasons": "why frames were refused",
}
PAGE = """<!doctype html>
<meta charset="utf-8"><title>Audit of the labels</title>
<style>body {{ font-family: sans-serif; margin: 2em }} table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #bbb; padding: 0.3em 0.6em; text-align: right }}
td:first-child, th:first-child {{ text-align: left }}</style>
<h1>Audit of the labels</h1>
<p>One row a set; the worst frame decides. Every frame: the NetCDF files beside this table.</p>
{table}
{checks}<dl>{legend}</dl>
"""


def tabulate_audit(
    audits: Sequence[str], table: str, page: str, checks: Sequence[str] = ()
) -> None:
    """Write the audit of all label sets as a table, one row a set.

    Parameters
    ----------
    audits
        Files of `audit_labels`, named by set.
    table
        CSV to write.
    page
        HTML to write, with the meaning of each column.
    checks
        NetCDF files of labels made twice, with `difference_eA` by frame. The page shows them below
        the table.

    Raises
    ------
    JobError
        If a file cannot be read.
    """
    below = "".join(_check(Path(file)) for file in checks)
    rows = pd.DataFrame([_row(Path(file)) for file in audits]).set_index("set")
    rows.to_csv(table)
    shown = rows.rename(columns={c: f"{c} ({WORST[c][2]})" for c in WORST if WORST[c][2] != "1"})
    with pd.option_context("display.max_colwidth", None):  # reasons in full
        text = shown.to_html(float_format=lambda x: f"{x:.3g}", na_rep="", border=0)
    meanings = {column: entry[3] for column, entry in WORST.items()} | TOGETHER
    legend = "".join(f"<dt>{c}</dt><dd>{html.escape(m)}</dd>" for c, m in meanings.items())
    Path(page).write_text(PAGE.format(table=text, legend=legend, checks=below))


def _row(file):
    ds = read_netcdf(file, "state")
    state = ds["state"].to_series()
    refused = state[~state.isin(["sound", "missing"])]
    row = {"set": file.stem, "frames": len(state), "sound": int((state == "sound").sum())}
    row["refused"] = len(refused)
    row |= {column: float(getattr(ds[name], how)()) for column, (how, name, *_) in WORST.items()}
    row["density_frames"] = int(ds["density_difference_eA"].notnull().sum())
    row["pw.x_frames"] = int(ds["qe_difference_eA"].notnull().sum())
    row["core_hours"] = float(ds["core_s"].fillna(ds["wall_s"]).sum()) / 3600
    row["settings"] = ds.attrs["settings_digest"]
    row["reasons"] = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
    return row


def _check(file):
    ds = read_netcdf(file, "difference_eA")
    table = ds["difference_eA"].to_series().map("{:.2g}".format).to_frame("difference (e.A)")
    return f"<h2>{html.escape(ds.attrs['title'])}</h2>\n{table.to_html(border=0)}\n"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(tabulate_audit, globals().get("snakemake"))
