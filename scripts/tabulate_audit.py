"""Tabulate the audit of all label sets, as CSV and as HTML."""

import html
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from moirepol.workflow.provenance import read_netcdf

#: column -> (extreme over the frames, variable, unit, meaning)
WORST = {
    "centre_distance": (
        "max",
        "centre_distance_A",
        "A",
        "largest distance of a Wannier centre from its N atom",
    ),
    "singular_largest": (
        "max",
        "largest_singular_value",
        "1",
        "largest singular value of the overlaps, at most 1",
    ),
    "singular_smallest": (
        "min",
        "smallest_singular_value",
        "1",
        "smallest singular value of the overlaps, 1 for a full basis",
    ),
    "projection": ("min", "smallest_projection", "1", "smallest singular value of the projections"),
    "spread": ("max", "spread_A2", "A^2", "largest spread of a Wannier function"),
    "symmetry": ("max", "symmetry_residual_eA", "e.A", "violation of a symmetry by one dipole"),
    "order": (
        "max",
        "order_difference_eA",
        "e.A",
        "difference of the sixth and the fourth order in b",
    ),
    "wannier90": (
        "max",
        "wannier90_difference_A",
        "A",
        "difference of the second-order centres from wannier90.x",
    ),
    "scf_accuracy": ("max", "scf_accuracy_Ry", "Ry", "energy error estimated by pw.x"),
    "density": (
        "max",
        "density_difference_eA",
        "e.A",
        "difference of P_z per 4 atoms from that of the density",
    ),
    "pw.x": (
        "max",
        "qe_difference_eA",
        "e.A",
        "difference of P_z per 4 atoms from that reported by pw.x",
    ),
}
TOGETHER = {
    "frames": "frames of the set",
    "converged": "labelled frames that pass the audit",
    "rejected": "frames that were rejected or fail the audit",
    "density_frames": "frames compared with the dipole of the density",
    "pw.x_frames": "frames compared with the dipole reported by pw.x",
    "core_hours": "processor time, or wall-clock time of one process if it was not recorded",
    "settings": "digest of the settings",
    "reasons": "reasons of the rejections",
}
PAGE = """<!doctype html>
<meta charset="utf-8"><title>Audit of the labels</title>
<style>body {{ font-family: sans-serif; margin: 2em }} table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #bbb; padding: 0.3em 0.6em; text-align: right }}
td:first-child, th:first-child {{ text-align: left }}</style>
<h1>Audit of the labels</h1>
<p>Each row shows the worst frame of one label set. The folder <code>audit</code> beside this table
contains the values of every frame.</p>
{table}
{checks}<dl>{legend}</dl>
"""


def tabulate_audit(
    audits: Sequence[str], table: str, page: str, checks: Sequence[str] = ()
) -> None:
    """Write the audit of all label sets as a table with one row for each set.

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
    Path(page).write_text(PAGE.format(table=text, legend=legend, checks=below), encoding="utf-8")


def _row(file):
    ds = read_netcdf(file, "state")
    state = ds["state"].to_series()
    rejected = state[~state.isin(["converged", "missing"])]
    row = {"set": file.stem, "frames": len(state), "converged": int((state == "converged").sum())}
    row["rejected"] = len(rejected)
    row |= {column: float(getattr(ds[name], how)()) for column, (how, name, *_) in WORST.items()}
    row["density_frames"] = int(ds["density_difference_eA"].notnull().sum())
    row["pw.x_frames"] = int(ds["qe_difference_eA"].notnull().sum())
    row["core_hours"] = float(ds["core_s"].fillna(ds["wall_s"]).sum()) / 3600
    row["settings"] = ds.attrs["settings_digest"]
    row["reasons"] = "; ".join(f"{name}: {reason}" for name, reason in rejected.items())
    return row


def _check(file):
    ds = read_netcdf(file, "difference_eA")
    table = ds["difference_eA"].to_series().map("{:.2g}".format).to_frame("difference (e.A)")
    return f"<h2>{html.escape(ds.attrs['title'])}</h2>\n{table.to_html(border=0)}\n"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(tabulate_audit, globals().get("snakemake"))
