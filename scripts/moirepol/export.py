"""Predicted dipoles as plain atoms for other programs."""

import numpy as np
from ase import Atoms

from moirepol.physics.onsite import FORMULA, onsite_shifts
from moirepol.structure.bilayer import Bilayer


def exported(bilayer: Bilayer, atoms: Atoms, rotation: np.ndarray | None = None) -> Atoms:
    """Return plain atoms with the arrays of the export.

    ASE keeps arrays of other names than those of calculators, such as `dipole`. Atoms without a
    dipole have the dipole 0: the sum over all atoms is the dipole of the cell.

    Parameters
    ----------
    bilayer
        Bilayer with dipoles in e.angstrom.
    atoms
        Atoms in the same order.
    rotation
        Rotation (3, 3) of column vectors from the atoms to the bilayer; by default none.

    Returns
    -------
    Atoms
        Copy with the arrays ``layer``, ``local_dipole``, ``local_dipole_error`` in e.angstrom and
        ``onsite_shift`` in eV.
    """
    rotation = np.eye(3) if rotation is None else rotation
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    plain.set_array("layer", bilayer.layer)
    plain.set_array("local_dipole", np.nan_to_num(bilayer.arrays["dipole"]) @ rotation)
    variance = np.nan_to_num(bilayer.arrays["dipole_error"]) ** 2
    plain.set_array("local_dipole_error", np.sqrt(variance @ rotation**2))
    plain.set_array("onsite_shift", onsite_shifts(bilayer))
    plain.info = {
        "name": bilayer.name,
        "field_V_per_A": bilayer.field_V_per_A,
        "units": "local_dipole: e.angstrom, onsite_shift: eV",
        "onsite_shift_formula": FORMULA,
    }
    return plain
