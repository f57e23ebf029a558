"""Quantum ESPRESSO: input of pw.x and pw2wannier90.x, running a program, reading its results."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols
from scipy.fft import next_fast_len
from scipy.io import FortranFile

from moirepol.console import say
from moirepol.dft import wannier
from moirepol.dft.unfold import time_reversal_half, unfold_gamma, unfold_time_reversal
from moirepol.errors import JobError, full_disk
from moirepol.workflow.provenance import sha256

PREFIX = "bilayer"
#: Cells this large keep the state of their scf every so often, and go on from it when killed.
RESTARTABLE_ATOMS = 30
CHUNK_S = 1800.0
CHECKPOINT = "checkpoint"
OUT_OF_TIME = "Maximum CPU time exceeded"
WATCH_S = 5.0
PROGRAMS = {
    "pw.x": "quantum-espresso",
    "ph.x": "quantum-espresso",
    "pw2wannier90.x": "quantum-espresso",
    "wannier90.x": "wannier90",
}
#: The oldest versions that this workflow was tested with.
MINIMUM_VERSIONS = {"pw.x": (6, 7), "ph.x": (6, 7), "pw2wannier90.x": (6, 7), "wannier90.x": (3, 1)}
CHECKSUMS = Path(__file__).with_name("pseudopotentials.sha256")
PSEUDOPOTENTIAL_FOLDERS = ("/usr/share/espresso/pseudo",)
#: Signals that say nothing of the program that they end: by a user, a scheduler, a full memory.
KILLS = (signal.SIGKILL, signal.SIGTERM)
HARTREE_FIELD_V_PER_A = 51.4220632
BOHR_A = 0.529177210903


class Killed(JobError):
    """A program was ended from outside: another attempt may go on from its state."""


def require_programs(programs: Iterable[str] = tuple(PROGRAMS)) -> None:
    """One line where a program of the label stage is not installed or too old."""
    for program in programs:
        if shutil.which(program) is None:
            raise JobError(
                f"{program} is not installed; on Debian or Ubuntu: apt install {PROGRAMS[program]}"
            )
        found = _version(program)
        if found < MINIMUM_VERSIONS[program]:
            found, wanted = (".".join(map(str, v)) for v in (found, MINIMUM_VERSIONS[program]))
            raise JobError(
                f"{shutil.which(program)} is version {found or 'unknown'}, "
                f"needed is {wanted} or later"
            )


@cache
def _version(program: str) -> tuple[int, ...]:
    """Major and minor version of a program by its own words; empty where it does not say."""
    with tempfile.TemporaryDirectory() as folder:
        # The programs of Quantum ESPRESSO introduce themselves, then miss their input.
        with contextlib.suppress(JobError):
            run_program([program, "-v"], Path(folder))
        text = "".join(out.read_text(errors="replace") for out in Path(folder).glob("*.out"))
    found = re.search(r"(?:Program \w+ v\.|Wannier90: )(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


def calculate(atoms: Atoms, kpoints, sites, recipe: dict, folder: Path, threads: int = 1):
    """The Bloch functions of a bilayer by pw.x and pw2wannier90.x: `moirepol.dft.engine.Engine`."""
    write_pw_input(folder / "pw.in", atoms, *time_reversal_half(kpoints), recipe)
    audit = run_scf(folder, threads, CHUNK_S if len(atoms) >= RESTARTABLE_ATOMS else None)
    save = folder / f"{PREFIX}.save"
    unfold_gamma(save)
    unfold_time_reversal(save, kpoints)
    run_pw2wannier90(folder, threads)
    waves = (read_wavefunctions(save / f"wfc{n}.dat") for n in range(1, len(kpoints) + 1))
    a = wannier.projections(waves, atoms, sites, recipe["projection_sigma_A"])
    pseudopotentials = find_pseudopotentials(recipe["pseudopotentials"])
    return a, audit | {
        "density_dipole_eA": density_dipole(save, atoms, pseudopotentials),
        "programs": program_versions(folder),
    }


def find_pseudopotentials(
    files: dict[str, str],
    variable: str = "ESPRESSO_PSEUDO",
    folders: tuple[str, ...] = PSEUDOPOTENTIAL_FOLDERS,
    package: str = "quantum-espresso-data",
) -> dict[str, Path]:
    """The pseudopotential file of each element, from $ESPRESSO_PSEUDO or the Debian package.

    A file of a name in pseudopotentials.sha256 must be the very file; a name that is
    not listed there is yours to answer for, and every label says its checksum.
    """
    folders = [os.environ.get(variable, ""), *folders]
    listed = dict(line.split()[::-1] for line in CHECKSUMS.read_text().splitlines())
    found = {}
    for element, name in files.items():
        places = [Path(folder) / name for folder in folders if folder]
        found[element] = next((place for place in places if place.is_file()), None)
        if found[element] is None:
            raise JobError(
                f"pseudopotential {name} is not in {' or '.join(str(p.parent) for p in places)}; "
                f"install {package} or set {variable}"
            )
        if listed.get(name, digest := sha256(found[element])) != digest:
            raise JobError(
                f"pseudopotential {found[element]} is not the file of that name that "
                f"{CHECKSUMS.name} lists: its SHA-256 is {digest}, not {listed[name]}"
            )
    return found


def mesh_size(atoms: Atoms, lattice_constant_A: float, mesh_4_atom_cell: int) -> tuple[int, int]:
    """Divisions along the two in-plane vectors that match an n x n mesh of the 4-atom cell."""
    lengths = atoms.cell.lengths()[:2]
    return tuple(
        max(1, round(mesh_4_atom_cell * lattice_constant_A / length)) for length in lengths
    )


def uniform_mesh(size: tuple[int, int]) -> np.ndarray:
    """Gamma-centred k points (nk, 3) in crystal units in [0, 1), the last index fastest."""
    n1, n2 = size
    return np.array([[i / n1, j / n2, 0.0] for i in range(n1) for j in range(n2)])


def grid_on_atoms(atoms: Atoms, ecutrho_Ry: float) -> tuple[int, int, int] | None:
    """Divisions of the density's grid along the cell's vectors that put every atom on a column.

    Exchange and correlation are summed on that grid, and an atom between its points is seen a
    little differently: 2e-5 e.A in the dipoles of a slid layer at 350 Ry. None where no grid up to
    a third finer than the smallest that holds the cut-off does it, as in most twisted cells.
    """
    radius = np.sqrt(ecutrho_Ry) / (2 * np.pi * BOHR_A)
    *smallest, height = (2 * int(radius * length) + 1 for length in atoms.cell.lengths())
    fractions = atoms.get_scaled_positions()[:, :2]
    if smallest[0] == smallest[1]:
        first = second = _size_on_atoms(smallest[0], fractions)
    else:
        first, second = (_size_on_atoms(n, fractions[:, [i]]) for i, n in enumerate(smallest))
    if first is None or second is None:
        return None
    return first, second, next_fast_len(height, real=True)


def _size_on_atoms(smallest, fractions):
    sizes = (
        n
        for n in range(smallest, int(1.35 * smallest) + 1)
        if next_fast_len(n, real=True) == n
        and np.allclose(n * fractions, np.rint(n * fractions), atol=1e-6)
    )
    return next(sizes, None)


def write_pw_input(path: Path, atoms: Atoms, kpoints, weights, recipe: dict) -> None:
    """Write the scf input of pw.x; the field of ``atoms.field_V_per_A`` points along +z.

    Gamma alone is asked for as real functions, twice as fast (`unfold_gamma` makes them
    complex), but not with the 2D cut-off, whose scf then diverges in pw.x 6.7.
    """
    field = atoms.field_V_per_A
    electrostatics = "dipole" if field else recipe["electrostatics"]
    pseudopotentials = find_pseudopotentials(recipe["pseudopotentials"])
    folder = next(iter(pseudopotentials.values())).parent
    sawtooth = electrostatics == "dipole"
    control = {
        "calculation": "'scf'",
        "prefix": f"'{PREFIX}'",
        "outdir": "'.'",
        "pseudo_dir": f"'{folder}'",
        "disk_io": "'low'",
    }
    system = {
        "ibrav": 0,
        "nat": len(atoms),
        "ntyp": len(pseudopotentials),
        "ecutwfc": recipe["ecutwfc_Ry"],
        "ecutrho": recipe["ecutrho_Ry"],
        "occupations": "'fixed'",
        "nbnd": atoms.material.occupied_bands(list(atoms.symbols)),
        "nosym": ".true.",
        "noinv": ".true.",
    }
    if points := grid_on_atoms(atoms, recipe["ecutrho_Ry"]):
        system |= dict(zip(("nr1", "nr2", "nr3"), points, strict=True))  # pw.x wants all or none
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
    if np.any(kpoints) or electrostatics == "2D":
        lines.append(f"K_POINTS crystal\n{len(kpoints)}")
        lines += [
            " ".join(f"{x:.14f}" for x in k) + f" {w:.1f}"
            for k, w in zip(kpoints, weights, strict=True)
        ]
    else:
        lines.append("K_POINTS gamma")
    path.write_text("\n".join(lines) + "\n")


def run_program(
    command: list[str],
    folder: Path,
    stdin: str | None = None,
    watch: Callable[[str], None] | None = None,
    excused: str = "",
) -> str:
    """Run a program in `folder` with one OpenMP thread; its stdout; JobError where it fails.

    watch : is given the output so far, once in a while. excused : words in the output with which
    an exit code is no failure.

    It runs on this machine, also inside a Slurm job: Open MPI would otherwise take Slurm's step for
    its own launcher, and processes stay free to use any core that the job has. It ends with this
    process, however that ends.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("SLURM_", "PMI_", "PMIX_"))
    } | {
        "OMP_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
    }
    out = folder / f"{Path(command[-1] if command[0] != 'mpirun' else command[3]).stem}.out"
    with open(folder / stdin if stdin else os.devnull) as source, open(out, "w") as sink:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=folder,
            stdin=source,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        while True:
            try:
                code = process.wait(timeout=WATCH_S if watch else None)
                break
            except subprocess.TimeoutExpired:
                watch(out.read_text(errors="replace"))
            except BaseException:
                process.kill()
                process.wait()
                raise
    text = out.read_text(errors="replace")
    if code and not (excused and excused in text):
        number = -code if code < 0 else code - 128  # the latter is mpirun's way
        killed = number in KILLS
        ended = signal.Signals(number).name if killed else f"exit code {code}"
        words = f"{full_disk(folder)}{' '.join(command)} ended with {ended}: {_reason(text)}"
        raise Killed(words) if killed else JobError(words)
    return text


def _reason(text):
    """The program's own words of what went wrong, in one line."""
    if steps := re.search(r"convergence NOT achieved after\s+(\d+) iterations", text):
        return f"the scf did not converge within {steps.group(1)} iterations"
    error = re.search(r"Error in routine[^\n]*\n[^\n]*", text)
    lines = (
        error.group(0).splitlines()
        if error
        else [line for line in text.splitlines() if line.strip()][-1:]
    )
    return " ".join(" ".join(lines).split()) or "no output"


def run_scf(folder: Path, threads: int, chunk_s: float | None = None) -> dict[str, float]:
    """Run pw.x on ``pw.in``: energy in eV, last scf accuracy in Ry, number of iterations.

    chunk_s : stop after about so many seconds, keep the state in `CHECKPOINT`, go on from there;
    so does a later call in the same folder, with the same input and number of processes, when this
    one is killed. Each iteration is told on the console, with the time that is left.

    With the dipole correction also ``qe_dipole_eA``, the dipole along z that pw.x itself finds for
    the cell, positive where it points up; its data file has it in e bohr, in full digits.
    """
    text = _in_chunks(folder, threads, chunk_s) if chunk_s else _run_parallel("pw", folder, threads)
    if "convergence has been achieved" not in text or "JOB DONE" not in text:
        raise JobError(f"the scf did not converge: {_reason(text)}")
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


def run_dielectric(folder: Path) -> np.ndarray:
    """Dielectric tensor (3, 3) of the electrons, by ph.x after the scf in `folder`."""
    (folder / "ph.in").write_text(
        f"dielectric tensor\n&inputph\n  prefix = '{PREFIX}'\n  outdir = '.'\n"
        "  epsil = .true.\n  trans = .false.\n  zue = .false.\n  tr2_ph = 1.0d-12\n/\n0 0 0\n"
    )
    text = run_program(["ph.x"], folder, "ph.in")
    found = re.search(r"Dielectric constant in cartesian axis\s+((?:\([^)]*\)\s+){3})", text)
    if found is None or "JOB DONE" not in text:
        raise JobError(f"ph.x found no dielectric tensor: {_reason(text)}")
    return np.array(re.findall(r"-?\d+\.\d+", found.group(1)), dtype=float).reshape(3, 3)


def _run_parallel(name, folder, threads, **options):
    """Run <name>.x of Quantum ESPRESSO on <name>.in, as so many processes."""
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
    watch = _Watch(folder.name, float(re.search(r"conv_thr = (\S+)", base).group(1)))
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
        if "stopped in scf loop" not in text:  # all the time went into the start
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
    """Tells the console of every new scf iteration in the output of pw.x."""

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
    """Last finished scf iteration in an output of pw.x, its accuracy in Ry, and seconds to go.

    The accuracy falls by about the same factor in every iteration; the time to go is None before
    the second iteration, and the result None before the first.
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
    """Dipole along z of a save folder's density and of the ions' charges, in e.A per cell.

    With n(G) on the axis of reciprocal space, the integral of n (z - c/2) from 0 to c is the cell's
    volume times the sum over G not 0 of n(G) / (i G): exact where n vanishes at the cell's ends.
    """
    with FortranFile(save / "charge-density.dat", "r") as file:
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


def valence_charge(pseudopotential: Path) -> float:
    """Charge of the ion that a pseudopotential file (UPF 2) describes, in e."""
    with open(pseudopotential, errors="replace") as file:
        return float(re.search(r'z_valence="\s*([^"\s]+)', file.read()).group(1))


def program_versions(folder: Path) -> str:
    """The programs of Quantum ESPRESSO that ran in `folder`, with their versions."""
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

    projections : also those on the .nnkp file's trial functions, to the .amn file.
    """
    amn = "true" if projections else "false"
    (folder / "pw2wannier90.in").write_text(
        f"&inputpp\n  outdir = '.'\n  prefix = '{PREFIX}'\n  seedname = '{wannier.SEED}'\n"
        f"  write_mmn = .true.\n  write_amn = .{amn}.\n  write_unk = .false.\n/\n"
    )
    text = _run_parallel("pw2wannier90", folder, threads)
    if "JOB DONE" not in text:
        raise JobError(f"pw2wannier90.x did not finish: {_reason(text)}")


def read_wavefunctions(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read one ``wfcN.dat`` of a save folder.

    Returns
    -------
    k : (3,) crystal units; miller : (npw, 3) integers; coefficients : (nband, npw) complex.
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
