"""Compare the time that protocols need to reach a given error on validation frames."""

import csv
import json
from collections.abc import Sequence

import numpy as np

from moirepol.workflow import provenance


def benchmark_training(courses: Sequence[str], training: str, errors_eA: Sequence[float]) -> None:
    """Write a table: model, optimizer, seed, rmse_eA, seconds, best_eA.

    Parameters
    ----------
    courses
        Files loss.nc of the compared models. The models are trained on the same labels.
    training
        CSV to write. ``seconds`` is the time at which the validation RMSE of a component first
        reaches ``rmse_eA``. It is empty if this never happens. ``best_eA`` is the lowest RMSE.
    errors_eA
        Values of ``rmse_eA`` in e.angstrom.
    """
    rows = []
    for path in courses:
        ds = provenance.read_netcdf(path, "seed", "rmse_validation", "seconds")
        settings = json.loads(ds.attrs["settings"])
        for seed in ds["seed"].values:
            course = ds.sel(seed=seed)
            error = course["rmse_validation"].values
            for wanted in errors_eA:
                reached = np.flatnonzero(error <= wanted)
                first = f"{course['seconds'].values[reached[0]]:.1f}" if len(reached) else ""
                rows.append(
                    {
                        "model": path.split("/")[-2],
                        "optimizer": settings["protocol"]["optimizer"],
                        "seed": int(seed),
                        "rmse_eA": f"{wanted:.0e}",
                        "seconds": first,
                        "best_eA": f"{np.nanmin(error):.1e}",
                    }
                )
    with open(training, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(benchmark_training, globals().get("snakemake"))
