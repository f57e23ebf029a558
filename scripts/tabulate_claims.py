"""The table of claims for reading."""

from pathlib import Path

import pandas as pd

PAGE = """<!doctype html>
<meta charset="utf-8"><title>Claims</title>
<style>body {{ font-family: sans-serif; margin: 2em }} table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #bbb; padding: 0.3em 0.6em; text-align: left; vertical-align: top }}
</style>
<h1>The paper's claims</h1>
<p>{counts}</p>
{table}
"""


def tabulate_claims(claims: str, page: str):
    """Write the table `claims` (CSV) as an HTML page, with the number of each verdict above."""
    rows = pd.read_csv(claims, dtype=str, keep_default_na=False)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in rows["verdict"].value_counts().items())
    with pd.option_context("display.max_colwidth", None):
        table = rows.to_html(index=False, border=0)
    Path(page).write_text(PAGE.format(counts=counts, table=table))


if __name__ == "__main__":
    from moirepol.job import run

    run(tabulate_claims, globals().get("snakemake"))
