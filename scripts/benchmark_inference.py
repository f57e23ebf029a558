"""Compare the time of the prediction of large cells with that of deepmd-kit, in one run."""

import csv
import time
from collections.abc import Sequence

import numpy as np

from moirepol.console import progress
from moirepol.model.committee import evaluate, load
from moirepol.structure.building import build


def benchmark_inference(
    member: str,
    frozen: str,
    compressed: str,
    inference: str,
    systems: Sequence[str],
    largest_for_deepmd: int,
    lattice_constant_A: float,
    layer_distance_A: float,
) -> None:
    """Write a table: program, system, atoms, seconds, atoms_per_s, difference_eA.

    Parameters
    ----------
    member, frozen, compressed
        One model: the native file, and the two files that are frozen for TensorFlow.
    inference
        CSV to write. The difference is the largest of all components from this project's dipoles.
    systems
        Names of bilayers. The first one is also evaluated once before deepmd-kit is timed.
    largest_for_deepmd
        Largest number of atoms that deepmd-kit is evaluated for.
    lattice_constant_A, layer_distance_A
        Lattice constant and layer distance in angstrom.
    """
    from deepmd.infer.deep_dipole import DeepDipole

    members = [load(member)]
    others = {
        "deepmd-kit": DeepDipole(str(frozen)),
        "deepmd-kit, compressed": DeepDipole(str(compressed)),
    }
    rows = []
    for system in progress(systems, desc="inference", unit="system"):
        atoms = build(system, lattice_constant_A, layer_distance_A)
        started = time.perf_counter()
        ours = evaluate(members, atoms).mean(axis=0)
        rows.append(_row("moirepol", system, atoms, started, 0.0))
        if len(atoms) > largest_for_deepmd:
            continue
        centres = atoms.sites
        positions, cell = atoms.positions.reshape(1, -1), atoms.cell.array.reshape(1, 9)
        types = [
            members[0].network.symbols.index(symbol) for symbol in atoms.get_chemical_symbols()
        ]
        for name, model in others.items():
            if not any(row["program"] == name for row in rows):
                model.eval(positions, cell, types, atomic=True)
            started = time.perf_counter()
            theirs = model.eval(positions, cell, types, atomic=True)[0]
            theirs = theirs[centres] / members[0].info["scale"]
            rows.append(_row(name, system, atoms, started, np.abs(theirs - ours).max()))
    with open(inference, "w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _row(program, system, atoms, started, difference):
    seconds = time.perf_counter() - started
    return {
        "program": program,
        "system": system,
        "atoms": len(atoms),
        "seconds": f"{seconds:.3f}",
        "atoms_per_s": f"{len(atoms) / seconds:.0f}",
        "difference_eA": f"{difference:.1e}",
    }


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(benchmark_inference, globals().get("snakemake"))
