"""Write the table of claims as an HTML page."""

from pathlib import Path

import pandas as pd

from moirepol.workflow.provenance import made_by

PAGE = """<!doctype html>
<meta charset="utf-8"><title>Claims</title>
<style>body {{ font: 13px sans-serif; margin: 2em }} table {{ border-collapse: collapse }}
th, td {{ border-bottom: 1px solid #bbb; padding: 0.4em 0.6em; text-align: left }}
th {{ position: sticky; top: 0; background: white }} td {{ vertical-align: top; min-width: 5em }}
td:first-child {{ white-space: nowrap }} td:last-child {{ min-width: 22em; color: #555 }}
td:nth-child(2), td:nth-child(4), td:nth-child(7) {{ min-width: 13em }}
.reproduced {{ background: #d5ecd4 }} .not-reproduced {{ background: #f6d0cd }}
.undecided {{ background: #fdeebf }} .not-yet {{ background: #e5e5e5 }}
</style>
<h1>The paper's claims</h1>
<p>{counts}</p>
<p>z points from the lower to the upper layer. A positive field points along z and raises P⊥.
The field of the paper lowers P⊥, so its 0.02 V/Å is &minus;0.02 V/Å in the panels.</p>
{table}
<p>{made_by}</p>
"""


def tabulate_claims(claims: str, page: str):
    """Write the table of claims as an HTML page, with the number of claims of each verdict.

    The last line is the version of the project.

    Parameters
    ----------
    claims
        Table of `evaluate_claims` (CSV).
    page
        HTML file to write. The verdict, with hyphens, is the class of its cell, which has a colour.
    """
    rows = pd.read_csv(claims, dtype=str, keep_default_na=False)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in rows["verdict"].value_counts().items())
    with pd.option_context("display.max_colwidth", None):
        table = rows.to_html(index=False, border=0).replace("e-0", "e\N{NON-BREAKING HYPHEN}0")
    for verdict in rows["verdict"].unique():
        cell = f'<td class="{verdict.replace(" ", "-")}">{verdict}</td>'
        table = table.replace(f"<td>{verdict}</td>", cell)
    text = PAGE.format(counts=counts, table=table, made_by=made_by())
    Path(page).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(tabulate_claims, globals().get("snakemake"))
