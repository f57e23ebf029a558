"""Tabulate where the time of a run goes: the share of each rule."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd


def benchmark_rules(
    claims: str, figures: Sequence[str], shares: str, folder: str = "benchmarks"
) -> None:
    """Add up the times of all jobs by rule.

    Parameters
    ----------
    claims, figures
        Results of the run. They are not read; their jobs have ended before.
    shares
        CSV to write, one row for each rule, the largest share first: jobs, processor time and wall
        time of all jobs in s, and the share of the processor time in percent.
    folder
        Folder with the benchmark files of the jobs, ``<rule>.tsv`` or ``<rule>/**/*.tsv``.
    """
    root = Path(folder)
    rows = []
    for path in sorted(root.rglob("*.tsv")):
        last = pd.read_csv(path, sep="\t", na_values="NA").iloc[-1]
        rule = path.relative_to(root).parts[0].removesuffix(".tsv")
        rows.append({"rule": rule, "core_s": last["cpu_time"], "wall_s": last["s"]})
    jobs = pd.DataFrame(rows, columns=["rule", "core_s", "wall_s"]).fillna(0.0)
    table = jobs.groupby("rule").sum()
    table.insert(0, "jobs", jobs.groupby("rule").size())
    table["share_percent"] = 100 * table["core_s"] / max(table["core_s"].sum(), 1e-9)
    table = table.sort_values("core_s", ascending=False)
    table.to_csv(shares, float_format="%.1f")
    print(table.to_string(float_format="%.1f"))


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(benchmark_rules, globals().get("snakemake"))
