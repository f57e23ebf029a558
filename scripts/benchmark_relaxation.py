"""Tabulate time and memory of relaxed maps against the twist angle."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from moirepol.physics.relaxation import Relaxation
from moirepol.structure.names import System


def benchmark_relaxation(
    mapped: Sequence[str], relaxations: Sequence[str], relaxation_costs: str, folder: str
) -> None:
    """Write a table of the cost of every relaxed map.

    Parameters
    ----------
    mapped
        Files of `map_polarization`, named by relaxed bilayers. They are not read.
    relaxations
        Files of `relax_bilayer` of the same bilayers.
    relaxation_costs
        CSV to write: system, twist_angle_deg, atoms, mesh_points, relax_s, map_s, memory_MB, and
        ``relative``, the time of both jobs divided by that of the first bilayer.
    folder
        Folder of Snakemake's benchmark files.
    """
    points = [Relaxation.from_file(path).points for path in relaxations]
    rows = []
    for path, per_axis in zip(mapped, points, strict=True):
        system = System.parse(Path(path).stem)
        jobs = [
            pd.read_csv(Path(folder) / rule / f"{system.name}.tsv", sep="\t").iloc[-1]
            for rule in ("relax_bilayer", "map_polarization")
        ]
        rows.append(
            {
                "system": system.name,
                "twist_angle_deg": round(abs(system.twist_angle_deg), 3),
                "atoms": system.n_atoms,
                "mesh_points": per_axis**2,
                "relax_s": jobs[0]["s"],
                "map_s": jobs[1]["s"],
                "memory_MB": max(job["max_rss"] for job in jobs),
            }
        )
    table = pd.DataFrame(rows)
    seconds = table["relax_s"] + table["map_s"]
    table["relative"] = (seconds / seconds.iloc[0]).round(2)
    table.to_csv(relaxation_costs, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(benchmark_relaxation, globals().get("snakemake"))
