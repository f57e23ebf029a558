"""GPAW: an engine for labels with its own PAW data sets and grids.

GPAW runs in another Python than this environment: Debian's Python by default, or $GPAW_PYTHON.
`gpaw_driver.py` is the program that runs there.
"""

import json
import os
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from ase.units import Ry

from moirepol.dft import programs, pseudopotentials, wannier
from moirepol.dft.grids import grid_on_atoms, uniform_mesh
from moirepol.dft.trial_functions import TrialFunctions
from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer

DRIVER = Path(__file__).with_name("gpaw_driver.py")
INPUT, RESULT = "gpaw.json", "gpaw.npz"
MINIMUM_VERSION = (22, 8)
#: GPAW reads the folder of PAW data sets from $GPAW_SETUP_PATH.
find_pseudopotentials = partial(
    pseudopotentials.find_pseudopotentials,
    variable="GPAW_SETUP_PATH",
    folders=("/usr/share/gpaw-setups",),
    package="gpaw-data",
)


def python() -> str:
    """Return the Python interpreter that has GPAW, $GPAW_PYTHON or that of the system.

    Returns
    -------
    str
        Path of the interpreter.
    """
    return os.environ.get("GPAW_PYTHON", "/usr/bin/python3")


def require_programs() -> None:
    """Check that GPAW and wannier90.x are installed and new enough.

    Raises
    ------
    JobError
        If one of them is not installed or too old.
    """
    programs.require_programs(("wannier90.x",))
    found = _version(python())
    if not found:
        raise JobError(
            f"{python()} has no GPAW; on Debian or Ubuntu: apt install gpaw, or set GPAW_PYTHON"
        )
    if tuple(map(int, found.split(".")[:2])) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise JobError(f"GPAW of {python()} is version {found}, needed is {wanted} or later")


@cache
def _version(interpreter):
    """Return the version that GPAW reports, empty if there is no GPAW."""
    with TemporaryDirectory() as folder:
        try:
            return programs.run_program(
                [interpreter, "-I", "-c", "import gpaw; print(gpaw.__version__)"], Path(folder)
            ).strip()
        except (JobError, OSError):
            return ""


def relax_heights(
    atoms: Bilayer,
    kpoints: np.ndarray,
    recipe: Mapping[str, Any],
    folder: Path,
    threads: int = 1,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Raise a JobError: this engine relaxes nothing.

    Parameters are those of `moirepol.dft.engine.Engine.relax_heights`.
    """
    raise JobError(f"{atoms.name}: engine gpaw cannot relax, allowed is engine espresso")


def band_energies(
    atoms: Bilayer,
    mesh: tuple[int, int],
    path: np.ndarray,
    bands: int,
    recipe: Mapping[str, Any],
    folder: Path,
) -> np.ndarray:
    """Compute band energies along a path with GPAW.

    Parameters and Returns are those of `moirepol.dft.engine.Engine.band_energies`.
    """
    occupied = atoms.material.occupied_bands(list(atoms.symbols))
    job = _job(atoms, uniform_mesh(mesh), occupied, recipe)
    job |= {"path": path.tolist(), "path_bands": bands}
    _run(job, folder)
    with np.load(folder / RESULT) as found:
        return found["energies"]


def calculate(
    atoms: Bilayer,
    kpoints: np.ndarray,
    functions: TrialFunctions,
    recipe: Mapping[str, Any],
    folder: Path,
    threads: int = 1,
    forces: bool = False,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Compute the occupied Bloch functions of a bilayer with GPAW, in one process.

    Parameters, Returns and Raises are those of `moirepol.dft.engine.Engine.calculate`. In the
    recipe, `ecutrho_Ry` is the cut-off of GPAW's finer grid, on which exchange and correlation are
    summed. `conv_thr_Ry_per_atom` is the error of an energy, which is quadratic in that of the
    density: it gives GPAW's thresholds for the density (its root) and the eigenstates.
    """
    if forces:
        raise JobError(f"{atoms.name}: engine gpaw gives no forces, allowed is engine espresso")
    if recipe["electrostatics"] != "dipole":
        raise JobError(
            "engine gpaw: allowed is electrostatics dipole (the dipole correction) alone"
        )
    neighbours = wannier.read_nnkp(folder / f"{wannier.SEED}.nnkp")
    job = _job(atoms, kpoints, len(functions.orbitals), recipe)
    _run(job | {"neighbours": neighbours[..., 1:].tolist()}, folder)
    with np.load(folder / RESULT) as found:
        mmn = folder / f"{wannier.SEED}.mmn"
        wannier.write_mmn(mmn, neighbours, found["overlaps"])
        waves = ((k, found[f"miller_{n}"], found[f"waves_{n}"]) for n, k in enumerate(kpoints))
        a = wannier.projections(waves, atoms, functions)
        audit = {name: float(found[name]) for name in ("energy_eV", "density_dipole_eA")}
        audit["scf_iterations"] = int(found["scf_iterations"])
    return a, audit | {"programs": f"GPAW {_version(python())}"}


def _job(atoms, kpoints, bands, recipe):
    """Input of `gpaw_driver.py` for the density of a bilayer."""
    files = find_pseudopotentials(recipe["pseudopotentials"])
    grid = grid_on_atoms(atoms, recipe["ecutrho_Ry"] / 4)
    return {
        "atoms": {
            "numbers": atoms.numbers.tolist(),
            "positions": atoms.positions.tolist(),
            "cell": atoms.cell.array.tolist(),
            "pbc": [True, True, False],
        },
        "setups": {element: str(path) for element, path in files.items()},
        "ecut_eV": recipe["ecutwfc_Ry"] * Ry,
        "field_V_per_A": atoms.field_V_per_A,
        "kpoints": np.asarray(kpoints).tolist(),
        "bands": bands,
        "mixing_beta": recipe["mixing_beta"],
        "convergence": {
            "density": recipe["conv_thr_Ry_per_atom"] ** 0.5,
            "eigenstates": recipe["conv_thr_Ry_per_atom"],
            "bands": "occupied",
        },
        "grid": {"gpts": grid} if grid else {},
        "result": RESULT,
    }


def _run(job, folder):
    (folder / INPUT).write_text(json.dumps(job))
    programs.run_program([python(), "-I", str(DRIVER), INPUT], folder)
