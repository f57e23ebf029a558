"""Write the dipoles of a bilayer as extended XYZ, which ASE and OVITO read."""

from collections.abc import Sequence

from ase.io import write

from moirepol.export import exported
from moirepol.structure.frames import read_frames
from moirepol.structure.recognition import recognize_file


def export_dipoles(
    dipoles: str,
    extxyz: str,
    lattice_constant_A: float,
    structure: str | Sequence[str] = (),
) -> None:
    """Write positions, layers, dipoles, their errors and on-site shifts.

    Parameters
    ----------
    dipoles
        File of `predict_dipoles`.
    extxyz
        File to write.
    lattice_constant_A
        Lattice constant of the free layer in angstrom.
    structure
        File of a structure of the user's own. The export then has its cell, positions and axes.
    """
    (bilayer,) = read_frames(dipoles)
    if structure:
        own = recognize_file(structure, bilayer.name, lattice_constant_A)
        atoms = exported(bilayer, own.structure, own.rotation)
    else:
        atoms = exported(bilayer, bilayer)
    write(extxyz, atoms, format="extxyz")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_dipoles, globals().get("snakemake"))
