"""Write the Wannier centres of a label as extended XYZ."""

import numpy as np
from ase import Atoms
from ase.io import write

from moirepol.errors import JobError
from moirepol.structure.frames import read_frames


def export_centres(labels: str, system: str, extxyz: str) -> None:
    """Write the atoms of a label and its Wannier centres as atoms `X`.

    Parameters
    ----------
    labels
        File of a label set.
    system
        Name of the label.
    extxyz
        File to write. Its array ``owner`` is the index of the N atom that a centre belongs to,
        and of the atom itself for atoms.

    Raises
    ------
    JobError
        If the set does not contain the label.
    """
    found = [frame for frame in read_frames(labels) if frame.name == system]
    if not found:
        raise JobError(f"{labels} contains no {system}: its calculation was rejected")
    (frame,) = found
    sites = frame.sites
    centres = frame.arrays["wannier_centre"][sites]
    owner = np.repeat(sites, centres.shape[1])
    atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=True)
    atoms += Atoms("X" * len(owner), centres.reshape(-1, 3))
    atoms.set_array("layer", np.concatenate([frame.layer, frame.layer[owner]]))
    atoms.set_array("owner", np.concatenate([np.arange(len(frame)), owner]))
    dipoles = np.zeros((len(atoms), 3))
    dipoles[sites] = frame.dipoles
    atoms.set_array("local_dipole", dipoles)
    atoms.info = {"name": system, "units": "local_dipole: e.angstrom", "charge_of_X": -2}
    write(extxyz, atoms, format="extxyz")


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_centres, globals().get("snakemake"))
