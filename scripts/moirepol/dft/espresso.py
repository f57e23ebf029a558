"""Quantum ESPRESSO: inputs of pw.x, ph.x and pw2wannier90.x, their runs and their results."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols
from ase.io.cube import read_cube
from ase.units import Bohr, Ry
from scipy.io import FortranFile

from moirepol.console import say
from moirepol.dft import programs, wannier
from moirepol.dft.grids import BOHR_A, grid_on_atoms
from moirepol.dft.programs import CHECKPOINT, failure_reason, run_program
from moirepol.dft.pseudopotentials import (
    check_pseudopotentials_read,
    find_pseudopotentials,
    link_pseudopotentials,
    md5,
    valence_charge,
)
from moirepol.dft.relaxation import relaxed_heights
from moirepol.dft.trial_functions import TrialFunctions
from moirepol.dft.unfold import time_reversal_half, unfold_gamma, unfold_time_reversal
from moirepol.errors import JobError, RejectedLabel
from moirepol.structure.bilayer import Bilayer

PREFIX = "bilayer"
DENSITY = "charge-density.dat"
#: Cells with at least this number of atoms store the state of their scf and continue from it.
RESTARTABLE_ATOMS = 30
CHUNK_S = 1800.0
OUT_OF_TIME = "Maximum CPU time exceeded"
HDF5 = (
    "this pw.x is built with HDF5, its files are not readable here; use a build without HDF5, "
    "as that of Debian (apt install quantum-espresso)"
)
HARTREE_FIELD_V_PER_A = 51.4220632
#: Move of an atom, in angstrom, below which an scf starts from the earlier density. The scf of SiC
#: diverges from the density of atoms that are farther away.
NEAR_A = 0.1
#: Dispersion correction of a recipe -> settings of pw.x.
DISPERSION = {"D3-BJ": {"vdw_corr": "'grimme-d3'", "dftd3_version": 4}}


def require_programs() -> None:
    """Check that the programs of a label are installed and new enough.

    Raises
    ------
    JobError
        If a program is not installed, does not run or is too old, or if pw.x writes HDF5 files.
    """
    programs.require_programs()
    libraries = subprocess.run(
        ["ldd", str(shutil.which("pw.x"))], capture_output=True, text=True, check=False
    ).stdout
    if "libhdf5" in libraries:
        raise JobError(HDF5)


def calculate(
    atoms: Bilayer,
    kpoints: np.ndarray,
    functions: TrialFunctions,
    recipe: Mapping[str, Any],
    folder: Path,
    threads: int = 1,
    forces: bool = False,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Compute the occupied Bloch functions of a bilayer with pw.x and pw2wannier90.x.

    Parameters, Returns and Raises are those of `moirepol.dft.engine.Engine.calculate`.
    """
    half, weights = time_reversal_half(kpoints)
    dispersion = forces and "dispersion" in recipe
    write_pw_input(folder / "pw.in", atoms, half, weights, recipe, forces, dispersion)
    audit = run_scf(folder, threads, CHUNK_S if len(atoms) >= RESTARTABLE_ATOMS else None)
    save = folder / f"{PREFIX}.save"
    if not (save / DENSITY).is_file() and list(save.glob("*.hdf5")):
        raise JobError(HDF5)
    unfold_gamma(save)
    unfold_time_reversal(save, kpoints)
    run_pw2wannier90(folder, threads)
    waves = (read_wavefunctions(save / f"wfc{n}.dat") for n in range(1, len(kpoints) + 1))
    a = wannier.projections(waves, atoms, functions)
    pseudopotentials = find_pseudopotentials(recipe["pseudopotentials"])
    if forces:
        atoms.set_array("force", read_forces(folder))
    return a, audit | {
        "density_dipole_eA": density_dipole(save, atoms, pseudopotentials),
        "programs": program_versions(folder),
    }


def band_energies(
    atoms: Bilayer,
    mesh: tuple[int, int],
    path: np.ndarray,
    bands: int,
    recipe: Mapping[str, Any],
    folder: Path,
) -> np.ndarray:
    """Compute band energies along a path with pw.x.

    Parameters and Returns are those of `moirepol.dft.engine.Engine.band_energies`.
    """
    write_pw_input(folder / "pw.in", atoms, np.array(mesh), (), recipe)
    run_scf(folder, 1)
    write_pw_input(
        folder / "pw.in", atoms, path, np.ones(len(path)), recipe, bands=bands, calculation="bands"
    )
    text = _run_parallel("pw", folder, 1)
    if "JOB DONE" not in text:
        raise JobError(f"pw.x found no bands: {failure_reason(text)}")
    schema = ET.parse(folder / f"{PREFIX}.save" / "data-file-schema.xml")
    rows = schema.findall("output/band_structure/ks_energies/eigenvalues")
    return np.array([row.text.split() for row in rows if row.text], dtype=float) * 2 * Ry


def relax_heights(
    atoms: Bilayer,
    kpoints: np.ndarray,
    recipe: Mapping[str, Any],
    folder: Path,
    threads: int = 1,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Relax the heights of all atoms with pw.x and dispersion; their in-plane places are fixed.

    Parameters and Returns are those of `moirepol.dft.engine.Engine.relax_heights`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mesh = np.full(2, round(np.sqrt(len(kpoints))))
    moved = atoms.copy()
    energies: list[float] = []
    forces: list[np.ndarray] = []

    def force_at(positions):
        step = np.abs(positions - moved.positions).max()
        moved.positions = positions
        write_pw_input(
            folder / "pw.in",
            moved,
            mesh,
            (),
            recipe,
            forces=True,
            dispersion=True,
            earlier=bool(energies) and step < NEAR_A,
        )
        text = _run_parallel("pw", folder, threads)
        if "convergence has been achieved" not in text or "JOB DONE" not in text:
            raise JobError(f"the scf of a relaxation did not converge: {failure_reason(text)}")
        check_pseudopotentials_read(folder, text)
        energies.append(float(re.findall(r"!\s+total energy\s+=\s+(\S+) Ry", text)[-1]) * Ry)
        forces.append(read_forces(folder)[:, 2])
        return forces[-1]

    positions = relaxed_heights(atoms, force_at)
    return positions, {
        "relaxed_energy_eV": energies[-1],
        "rigid_energy_eV": energies[0],
        "relaxed_force_eV_per_A": float(np.abs(forces[-1]).max()),
        "relaxation_steps": len(energies),
    }


def write_pw_input(
    path: Path,
    atoms: Bilayer,
    kpoints: np.ndarray,
    weights: Sequence[float] | np.ndarray,
    recipe: Mapping[str, Any],
    forces: bool = False,
    dispersion: bool = False,
    earlier: bool = False,
    bands: int | None = None,
    calculation: str = "scf",
) -> None:
    """Write the input of pw.x for an scf, and link the pseudopotentials beside it.

    At Gamma alone the wavefunctions are real, which is twice as fast (`unfold_gamma` makes them
    complex). With the 2D cut-off they stay complex: the scf with real ones diverges in pw.x 6.7.

    Parameters
    ----------
    path
        The input to write. The folder ``pseudo`` beside it gets links to the pseudopotentials.
    atoms
        The bilayer. Its field points along +z.
    kpoints : ndarray, shape (n_k, 3)
        k points in crystal units. Two numbers are the divisions of a Gamma-centred mesh, of which
        pw.x keeps the points that symmetry leaves distinct.
    weights : ndarray, shape (n_k,)
        Their weights.
    recipe
        The settings ``labels.recipe`` of the configuration.
    forces
        Whether forces are computed.
    dispersion
        Whether energy and forces contain the recipe's dispersion correction.
    earlier
        Whether the scf starts from the density of an earlier one in this folder.
    bands
        Number of bands, the occupied ones by default.
    calculation
        Kind of the calculation, scf or bands.

    Raises
    ------
    JobError
        If a pseudopotential is not found or has not the listed checksum.
    """
    field = atoms.field_V_per_A
    electrostatics = "dipole" if field else recipe["electrostatics"]
    pseudopotentials = find_pseudopotentials(recipe["pseudopotentials"])
    links = link_pseudopotentials(pseudopotentials.values(), path.parent)
    sawtooth = electrostatics == "dipole"
    control: dict[str, Any] = {
        "calculation": f"'{calculation}'",
        "prefix": f"'{PREFIX}'",
        "outdir": "'.'",
        "pseudo_dir": f"'{links}'",
        "disk_io": "'low'",
    }
    system: dict[str, Any] = {
        "ibrav": 0,
        "nat": len(atoms),
        "ntyp": len(pseudopotentials),
        "ecutwfc": recipe["ecutwfc_Ry"],
        "ecutrho": recipe["ecutrho_Ry"],
        "occupations": "'fixed'",
        "nbnd": bands or atoms.material.occupied_bands(list(atoms.symbols)),
    }
    if np.ndim(kpoints) == 2:
        system |= {"nosym": ".true.", "noinv": ".true."}
    if forces:
        control["tprnfor"] = ".true."
    if dispersion:
        system |= DISPERSION[recipe["dispersion"]]
    if points := grid_on_atoms(atoms, recipe["ecutrho_Ry"]):
        system |= dict(zip(("nr1", "nr2", "nr3"), points, strict=True))  # pw.x needs all or none
    if sawtooth:
        control |= {"tefield": ".true.", "dipfield": ".true."}
        system |= {
            "edir": 3,
            "emaxpos": 0.95,
            "eopreg": 0.10,
            "eamp": f"{field / HARTREE_FIELD_V_PER_A:.12e}",
        }
    elif electrostatics == "2D":
        system["assume_isolated"] = "'2D'"
    electrons = {
        "conv_thr": f"{recipe['conv_thr_Ry_per_atom'] * len(atoms):.3e}",
        "mixing_beta": recipe["mixing_beta"],
        "electron_maxstep": 100,
        "diago_david_ndim": 4,
    }
    if earlier:
        electrons |= {"startingpot": "'file'", "startingwfc": "'file'"}
    lines = []
    for name, namelist in (("control", control), ("system", system), ("electrons", electrons)):
        lines += [f"&{name}", *(f"  {key} = {value}" for key, value in namelist.items()), "/"]
    lines.append("ATOMIC_SPECIES")
    for element, file in pseudopotentials.items():
        lines.append(f"{element} {atomic_masses[chemical_symbols.index(element)]:.4f} {file.name}")
    lines.append("CELL_PARAMETERS angstrom")
    lines += [" ".join(f"{x:.12f}" for x in vector) for vector in atoms.cell]
    lines.append("ATOMIC_POSITIONS angstrom")
    lines += [f"{atom.symbol} " + " ".join(f"{x:.12f}" for x in atom.position) for atom in atoms]
    if np.ndim(kpoints) == 1:
        lines.append(f"K_POINTS automatic\n{kpoints[0]} {kpoints[1]} 1 0 0 0")
    elif np.any(kpoints) or electrostatics == "2D":
        lines.append(f"K_POINTS crystal\n{len(kpoints)}")
        lines += [
            " ".join(f"{x:.14f}" for x in k) + f" {w:.1f}"
            for k, w in zip(kpoints, weights, strict=True)
        ]
    else:
        lines.append("K_POINTS gamma")
    # A checkpoint with other files differs from this input, so pw.x does not continue from it.
    lines += [f"! MD5 of {file.name}: {md5(file)}" for file in pseudopotentials.values()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_scf(folder: Path, threads: int, chunk_s: float | None = None) -> dict[str, float]:
    """Run pw.x on ``pw.in`` and return what it found.

    Parameters
    ----------
    folder
        Scratch folder with the input (`write_pw_input`).
    threads
        Number of processes.
    chunk_s
        If given, pw.x stops after about this many seconds, its state goes to `CHECKPOINT`, and it
        continues from there. So does a later call in the same folder, with the same input and
        number of processes, if this one is killed. The console shows each iteration and an
        estimate of the time left.

    Returns
    -------
    dict
        ``energy_eV``; ``scf_accuracy_Ry``, the last one; ``scf_iterations``. With the dipole
        correction also ``qe_dipole_eA``, the dipole of the cell along z that pw.x computes,
        positive if it points up.

    Raises
    ------
    JobError
        If pw.x fails, does not converge, or used other pseudopotentials than the linked ones.
    """
    text = _in_chunks(folder, threads, chunk_s) if chunk_s else _run_parallel("pw", folder, threads)
    if "convergence has been achieved" not in text or "JOB DONE" not in text:
        raise RejectedLabel(f"the scf did not converge: {failure_reason(text)}")
    check_pseudopotentials_read(folder, text)
    energy = float(re.findall(r"!\s+total energy\s+=\s+(\S+) Ry", text)[-1])
    accuracy = float(re.findall(r"estimated scf accuracy\s+<\s+(\S+) Ry", text)[-1])
    iterations = int(re.findall(r"convergence has been achieved in\s+(\d+)", text)[-1])
    found = {
        "energy_eV": energy * 13.605693122994,
        "scf_accuracy_Ry": accuracy,
        "scf_iterations": iterations,
    }
    schema = ET.parse(folder / f"{PREFIX}.save" / "data-file-schema.xml")
    if (dipole := schema.findtext("output/electric_field/dipoleInfo/dipole")) is not None:
        found["qe_dipole_eA"] = float(dipole) * BOHR_A
    return found


def read_forces(folder: Path) -> np.ndarray:
    """Read the forces of a finished scf.

    Parameters
    ----------
    folder
        Scratch folder in which pw.x ended, with an input that wants forces.

    Returns
    -------
    ndarray, shape (n, 3)
        Forces in eV/angstrom.
    """
    tree = ET.parse(folder / f"{PREFIX}.save" / "data-file-schema.xml")
    values = np.array(tree.findtext("output/forces", "").split(), dtype=float)
    return values.reshape(-1, 3) * 2 * Ry / Bohr


def run_born_charges(folder: Path, n_atoms: int) -> np.ndarray:
    """Compute the Born charges with ph.x.

    Parameters
    ----------
    folder
        Scratch folder in which `run_scf` ended.
    n_atoms
        Number of atoms.

    Returns
    -------
    ndarray, shape (n_atoms, 3)
        Diagonal elements in e, without a correction for the acoustic sum rule.

    Raises
    ------
    JobError
        If ph.x fails or prints no charges.
    """
    text = _run_linear_response(folder, born_charges=True)
    _, _, charges = text.rpartition("Effective charges (d Force / dE) in cartesian axis")
    rows = re.findall(r"E([xyz])\s+\(\s+(\S+)\s+(\S+)\s+(\S+)\s+\)", charges)[: 3 * n_atoms]
    if len(rows) < 3 * n_atoms:
        raise JobError(f"ph.x found no Born charges: {failure_reason(text)}")
    values = np.array([row[1:] for row in rows], dtype=float).reshape(n_atoms, 3, 3)
    return np.einsum("nii->ni", values)


def run_dielectric(folder: Path) -> np.ndarray:
    """Compute the dielectric tensor of the electrons with ph.x.

    Parameters
    ----------
    folder
        Scratch folder in which `run_scf` ended.

    Returns
    -------
    ndarray, shape (3, 3)
        Dielectric tensor of the periodic cell, Cartesian.

    Raises
    ------
    JobError
        If ph.x fails or prints no tensor.
    """
    text = _run_linear_response(folder)
    found = re.search(r"Dielectric constant in cartesian axis\s+((?:\([^)]*\)\s+){3})", text)
    if found is None or "JOB DONE" not in text:
        raise JobError(f"ph.x found no dielectric tensor: {failure_reason(text)}")
    return np.array(re.findall(r"-?\d+\.\d+", found.group(1)), dtype=float).reshape(3, 3)


def _run_linear_response(folder, born_charges=False):
    """Output of ph.x for a uniform field."""
    flag = ".true." if born_charges else ".false."
    (folder / "ph.in").write_text(
        f"dielectric tensor\n&inputph\n  prefix = '{PREFIX}'\n  outdir = '.'\n  epsil = .true.\n"
        f"  trans = .false.\n  zeu = {flag}\n  zue = .false.\n  tr2_ph = 1.0d-12\n/\n0 0 0\n"
    )
    return run_program(["ph.x"], folder, "ph.in")


def run_potential(folder: Path) -> np.ndarray:
    """Compute the electrostatic potential of electrons and ions with pp.x.

    Parameters
    ----------
    folder
        Scratch folder in which `run_scf` ended.

    Returns
    -------
    ndarray, shape (n1, n2, n3)
        Potential in V on the density grid, positive near positive charges. It contains the sawtooth
        of the dipole correction.

    Raises
    ------
    JobError
        If pp.x fails.
    """
    (folder / "pp.in").write_text(
        f"&inputpp\n  prefix = '{PREFIX}'\n  outdir = '.'\n  filplot = 'potential'\n"
        "  plot_num = 11\n/\n"
        "&plot\n  iflag = 3\n  output_format = 6\n  fileout = 'potential.cube'\n/\n"
    )
    text = run_program(["pp.x"], folder, "pp.in")
    if "JOB DONE" not in text:
        raise JobError(f"pp.x found no potential: {failure_reason(text)}")
    with open(folder / "potential.cube", encoding="utf-8") as file:
        energy = read_cube(file)["data"]  # of an electron, in Ry
    return -energy * Ry


def _run_parallel(name, folder, threads, **options):
    """Run <name>.x of Quantum ESPRESSO on <name>.in with the given number of processes."""
    if threads > 1:
        command = ["mpirun", "-np", str(threads), f"{name}.x", "-in", f"{name}.in"]
        return run_program(command, folder, **options)
    return run_program([f"{name}.x"], folder, f"{name}.in", **options)


def _in_chunks(folder, threads, chunk_s):
    base = (folder / "pw.in").read_text() + f"! processes: {threads}\n"
    checkpoint = folder / CHECKPOINT
    known = checkpoint / "pw.in"
    if not known.is_file() or known.read_text() != base:
        shutil.rmtree(checkpoint, ignore_errors=True)
    (threshold,) = re.findall(r"conv_thr = (\S+)", base)
    watch = _Watch(folder.name, float(threshold))
    while True:
        going_on = checkpoint.is_dir()
        if going_on:
            shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
        mode = "restart" if going_on else "from_scratch"
        head = f"&control\n  max_seconds = {chunk_s:.0f}\n  restart_mode = '{mode}'"
        (folder / "pw.in").write_text(base.replace("&control", head))
        text = _run_parallel("pw", folder, threads, watch=watch, excused=OUT_OF_TIME)
        watch(text)
        if OUT_OF_TIME not in text:
            return text
        if "stopped in scf loop" not in text:  # the start used all the time
            chunk_s *= 2
            continue
        new = folder / f"{CHECKPOINT}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for file in folder.glob(f"{PREFIX}.*"):
            (shutil.copytree if file.is_dir() else shutil.copy)(file, new / file.name)
        (new / "pw.in").write_text(base)
        old = folder / f"{CHECKPOINT}.old"
        if checkpoint.is_dir():
            checkpoint.rename(old)
        new.rename(checkpoint)
        shutil.rmtree(old, ignore_errors=True)


class _Watch:
    """Prints every new scf iteration in the output of pw.x on the console."""

    def __init__(self, name, threshold):
        self.name, self.threshold, self.told = name, threshold, None

    def __call__(self, text):
        found = scf_progress(text, self.threshold)
        if found and found[:2] != self.told:
            self.told = found[:2]
            iteration, accuracy, left = found
            ending = "" if left is None else f", about {left / 60:.0f} min to go"
            say(
                f"{self.name}: scf iteration {iteration}, accuracy {accuracy:.1e} of "
                f"{self.threshold:.1e} Ry{ending}"
            )


def scf_progress(text: str, threshold_Ry: float) -> tuple[int, float, float | None] | None:
    """Return the state of an scf from the output of pw.x so far.

    The estimate of the time left assumes that the accuracy falls by the same factor in every
    iteration.

    Parameters
    ----------
    text
        The output.
    threshold_Ry
        Accuracy in Ry at which the scf ends.

    Returns
    -------
    tuple or None
        Number of the last finished iteration, its accuracy in Ry, and the time left in s, which is
        None before the second iteration. None before the first.
    """
    accuracies = [float(x) for x in re.findall(r"estimated scf accuracy\s+<\s+(\S+) Ry", text)]
    if not accuracies:
        return None
    number = int(re.findall(r"iteration #\s*(\d+)", text)[len(accuracies) - 1])
    times = [float(x) for x in re.findall(r"cpu time spent up to now is\s+(\S+) secs", text)]
    times = times[-len(accuracies) :]
    falls = np.log(accuracies[0] / accuracies[-1])
    if len(accuracies) < 2 or falls <= 0:
        return number, accuracies[-1], None
    per_iteration = (times[-1] - times[0]) / (len(times) - 1)
    iterations = max(0.0, np.log(accuracies[-1] / threshold_Ry) / falls * (len(accuracies) - 1))
    return number, accuracies[-1], per_iteration * iterations


def density_dipole(save: Path, atoms: Atoms, pseudopotentials: dict[str, Path]) -> float:
    """Return the dipole along z of the electron density and the ions.

    With n(G) on the axis of reciprocal space, the integral of n (z - c/2) from 0 to c is the cell's
    volume times the sum over G not 0 of n(G) / (i G). It is exact if n vanishes at the cell's ends.

    Parameters
    ----------
    save
        The save folder of pw.x.
    atoms
        The bilayer.
    pseudopotentials
        Pseudopotential file of each element, for the charges of the ions.

    Returns
    -------
    float
        Dipole in e.A per cell, positive if it points up.
    """
    with FortranFile(save / DENSITY, "r") as file:
        gamma_only = file.read_ints()[0]
        reciprocal = file.read_reals().reshape(3, 3)
        miller = file.read_ints().reshape(-1, 3)
        density = file.read_record("c16")
    axis = (miller[:, :2] == 0).all(axis=1) & (miller[:, 2] != 0)
    terms = density[axis] / (1j * miller[axis, 2] * reciprocal[2, 2])
    volume = (2 * np.pi) ** 3 / abs(np.linalg.det(reciprocal))
    electrons = volume * (2 if gamma_only else 1) * terms.sum().real * BOHR_A
    charges = {e: valence_charge(path) for e, path in pseudopotentials.items()}
    heights = atoms.positions[:, 2] - atoms.cell.array[2, 2] / 2
    return float(np.dot([charges[symbol] for symbol in atoms.symbols], heights) - electrons)


def program_versions(folder: Path) -> str:
    """Read which versions of Quantum ESPRESSO ran in a folder.

    Parameters
    ----------
    folder
        Scratch folder with the outputs of pw.x and pw2wannier90.x.

    Returns
    -------
    str
        Names and versions, separated by commas.
    """
    found = []
    for out, pattern in (
        ("pw.out", r"Program (PWSCF v\.\S+)"),
        ("pw2wannier90.out", r"Program (PW2WANNIER v\.\S+)"),
    ):
        match = re.search(pattern, (folder / out).read_text(errors="replace"))
        found.append(match.group(1) if match else f"{out}: unknown")
    return ", ".join(found)


def run_pw2wannier90(folder: Path, threads: int = 1, projections: bool = False) -> None:
    """Write the overlaps of the neighbours listed in the .nnkp file to the .mmn file.

    Parameters
    ----------
    folder
        Scratch folder with the save folder of pw.x and the .nnkp file.
    threads
        Number of processes.
    projections
        Whether to write the projections on the .nnkp file's trial functions to the .amn file, too.

    Raises
    ------
    JobError
        If pw2wannier90.x fails.
    """
    amn = "true" if projections else "false"
    (folder / "pw2wannier90.in").write_text(
        f"&inputpp\n  outdir = '.'\n  prefix = '{PREFIX}'\n  seedname = '{wannier.SEED}'\n"
        f"  write_mmn = .true.\n  write_amn = .{amn}.\n  write_unk = .false.\n/\n"
    )
    text = _run_parallel("pw2wannier90", folder, threads)
    if "JOB DONE" not in text:
        raise JobError(f"pw2wannier90.x did not finish: {failure_reason(text)}")


def read_wavefunctions(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read one ``wfcN.dat`` of a save folder.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    k : ndarray, shape (3,)
        The k point in crystal units.
    miller : ndarray of int, shape (n_pw, 3)
        Miller indices of the plane waves.
    coefficients : ndarray of complex, shape (n_band, n_pw)
        Coefficients of the plane waves.

    Raises
    ------
    JobError
        If the file holds spinors or is inconsistent.
    """
    with FortranFile(path, "r") as file:
        head = file.read_record("i4", "3f8", "i4", "i4", "f8")
        k_cartesian = head[1].ravel()
        _, npw, npol, nband = file.read_ints()
        reciprocal = file.read_reals().reshape(3, 3)
        miller = file.read_ints().reshape(-1, 3)
        coefficients = np.array([file.read_record("c16") for _ in range(nband)])
    if npol != 1 or coefficients.shape[1] != npw:
        raise JobError(f"{path} holds no collinear wavefunctions")
    return np.linalg.solve(reciprocal.T, k_cartesian), miller, coefficients
