"""One label, from a name to its file: scratch folder, interruption, rejection, provenance."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moirepol.dft import labels
from moirepol.dft.audit import AUDIT_UNITS
from moirepol.dft.engine import engine_of
from moirepol.dft.programs import CHECKPOINT
from moirepol.errors import JobError, RejectedLabel, full_disk
from moirepol.physics.relaxation import relaxed_from_files
from moirepol.structure.building import build
from moirepol.structure.frames import read_frames, to_dataset
from moirepol.workflow.digest import code_digest
from moirepol.workflow.label_sets import REJECTED, digest
from moirepol.workflow.locks import alone_in
from moirepol.workflow.provenance import sha256, stamp, write_netcdf


def label_frame(
    frame: str,
    settings: Mapping[str, Any],
    scratch: str | Path,
    label: str | Path,
    threads: int = 1,
    relaxed: str | Sequence[str] = (),
    stackings: str | Sequence[str] = (),
    monolayer: str | Sequence[str] = (),
    relaxation: str | Sequence[str] = (),
) -> None:
    """Label one bilayer: compute the dipole of each N atom from first principles.

    Parameters
    ----------
    frame
        Name of the system.
    settings
        `moirepol.workflow.label_sets.settings_of` of the recipe.
    scratch
        Folder for the programs' files. It is emptied before and removed afterwards, except for the
        state from which an interrupted scf of a large cell continues. One job at a time works in
        it.
    label
        NetCDF file to write, one frame. Attribute `code_digest` is the digest of the script
        `label_frame` and of the modules that it uses. The reason for a rejected label is kept
        beside it, in ``<frame>.rejected``. A failure of a program is no
        rejection.
    threads
        MPI processes.
    relaxed
        For a relaxed translated bilayer in a field: a file that contains it without the field. The
        field does not move its atoms.
    stackings, monolayer, relaxation
        For a relaxed moire: the files of `moirepol.physics.relaxation.relaxed_from_files`. The
        label is that of the predicted structure, with forces.

    Raises
    ------
    JobError
        If a program is missing or fails, or if the label fails its audit.
    """
    recipe = settings["recipe"]
    engine = engine_of(recipe)
    engine.require_programs()
    atoms = build(
        frame, settings["lattice_constant_A"], settings["layer_distance_A"], recipe["cell_height_A"]
    )
    if relaxation:
        atoms = relaxed_from_files(atoms, str(stackings), str(monolayer), relaxation)
    if relaxed:
        atoms.positions = _zero_field_frame(atoms, relaxed).positions
    shift = recipe.get("origin_shift_A", 0.0)
    atoms.positions[:, :2] += shift
    with alone_in(scratch):
        rejected = Path(label).parent / f"{frame}{REJECTED}"
        labelled = _label(atoms, settings, Path(scratch), rejected, threads)
    labelled.positions[:, :2] -= shift
    ds = stamp(to_dataset([labelled], units=AUDIT_UNITS), f"DFT label of {frame}", settings)
    ds.attrs["settings_digest"] = digest(settings)
    ds.attrs["code_digest"] = code_digest("label_frame")
    ds.attrs["pseudopotentials_sha256"] = " ".join(
        f"{path.name}:{sha256(path)}"
        for path in engine.find_pseudopotentials(recipe["pseudopotentials"]).values()
    )
    write_netcdf(ds, label)


def _zero_field_frame(atoms, file):
    name = atoms.system.model_copy(update={"field_V_per_A": 0.0}).name
    found = [frame for frame in read_frames(file) if frame.name == name]
    if not found:
        raise JobError(f"{atoms.name}: {file} does not contain {name}")
    return found[0]


def _label(atoms, settings, scratch, rejected, threads):
    clear_scratch(scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    rejected.unlink(missing_ok=True)
    recipe, a = settings["recipe"], settings["lattice_constant_A"]
    try:
        predicted = atoms.is_deformed
        if atoms.system.relaxed and not predicted and not atoms.field_V_per_A:
            atoms = labels.relaxed(atoms, recipe, a, scratch / "relaxation", threads)
        labelled = labels.label(
            atoms, recipe, a, scratch, threads, **({"forces": True} if predicted else {})
        )
    except JobError as error:
        for out in sorted(scratch.rglob("*.out")) + sorted(scratch.glob("*.werr")):
            print(
                f"--- end of {out.name} ---",
                *out.read_text(errors="replace").splitlines()[-40:],
                sep="\n",
            )
        no_room = full_disk(scratch)
        if no_room or not isinstance(error, RejectedLabel):
            clear_scratch(scratch)
            raise JobError(f"{no_room}{str(error).removeprefix(no_room)}") from error
        shutil.rmtree(scratch, ignore_errors=True)
        rejected.parent.mkdir(parents=True, exist_ok=True)
        rejected.write_text(f"{error}\n")
        raise
    except BaseException:
        clear_scratch(scratch)
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    return labelled


def clear_scratch(scratch: Path) -> None:
    """Remove a folder, except for the state from which an interrupted scf continues."""
    for path in scratch.glob("*"):
        if path.is_dir() and path.name != CHECKPOINT:
            shutil.rmtree(path)
        elif not path.is_dir():
            path.unlink()
    if scratch.is_dir() and not any(scratch.iterdir()):
        scratch.rmdir()
