"""The audit of a label: its limits, and its dipoles against the symmetry of the structure."""

from typing import Any

import numpy as np

from moirepol.errors import RejectedLabel
from moirepol.structure.bilayer import Bilayer

#: Limits of the audit, in addition to the convergence of the scf and the limits of the material.
MAXIMUM_SINGULAR_VALUE = 1 + 1e-6
MINIMUM_SINGULAR_VALUE = 0.3
MINIMUM_PROJECTION = 0.05
AUDIT_UNITS = {
    "energy_eV": "eV",
    "scf_accuracy_Ry": "13.605693 eV",  # a rydberg: UDUNITS has no name for it
    "centre_distance_A": "angstrom",
    "spread_A2": "angstrom2",
    "wannier90_difference_A": "angstrom",
    "symmetry_residual_eA": "e.angstrom",
    "order_difference_eA": "e.angstrom",
    "qe_dipole_eA": "e.angstrom",
    "density_dipole_eA": "e.angstrom",
    "wall_s": "s",
    "core_s": "s",
    "relaxed_energy_eV": "eV",
    "rigid_energy_eV": "eV",
    "relaxed_force_eV_per_A": "eV/angstrom",
}


def check(frame: Bilayer) -> None:
    """Raise an error if a label is rejected.

    Parameters
    ----------
    frame
        A labelled bilayer.

    Raises
    ------
    RejectedLabel
        If it is rejected, with the value and the limit.
    """
    if found := fault(frame):
        raise RejectedLabel(f"{frame.name}: {found}")


def fault(frame: Bilayer) -> str:
    """Return why a label is rejected.

    Parameters
    ----------
    frame
        A labelled bilayer.

    Returns
    -------
    str
        The value and the limit; empty if the label is not rejected.
    """
    limits = (
        ("centre_distance_A", "<=", frame.material.audit.centre_distance_A),
        ("largest_singular_value", "<=", MAXIMUM_SINGULAR_VALUE),
        ("smallest_singular_value", ">=", MINIMUM_SINGULAR_VALUE),
        ("smallest_projection", ">=", MINIMUM_PROJECTION),
        ("spread_A2", "<=", frame.material.audit.spread_A2),
        ("symmetry_residual_eA", "<=", frame.material.audit.symmetry_residual_eA),
        ("wannier90_difference_A", "<=", 1e-4),
    )
    for name, relation, limit in limits:
        value = frame.info[name]
        if not (value <= limit if relation == "<=" else value >= limit):
            return f"{name} is {value:.6g}, must be {relation} {limit:g}"
    return "" if np.isfinite(total_dipole(frame)).all() else "a dipole is not a number"


def total_dipole(frame: Bilayer) -> np.ndarray:
    """Return the dipole of a cell, the sum over its N atoms.

    Parameters
    ----------
    frame
        A labelled bilayer.

    Returns
    -------
    ndarray, shape (3,)
        Dipole in e.A.
    """
    return frame.dipoles.sum(axis=0)


def symmetry_residual(frame: Bilayer) -> float:
    """Return the largest violation of a symmetry of structure and field by the dipoles.

    Parameters
    ----------
    frame
        A labelled bilayer.

    Returns
    -------
    float
        Largest component in e.A of the difference between a dipole and its image.
    """
    import spglib  # slow to import, and a finished label does not need it

    cell = np.asarray(frame.cell)
    structure: Any = (cell, frame.get_scaled_positions(), frame.numbers)
    found: Any = spglib.get_symmetry(structure, symprec=1e-4)
    fractions, dipole = frame.get_scaled_positions()[frame.is_site], frame.dipoles
    worst = 0.0
    for rotation, translation in zip(found["rotations"], found["translations"], strict=True):
        q = cell.T @ rotation @ np.linalg.inv(cell.T)
        if frame.field_V_per_A and q[2, 2] < 0:
            continue
        images = fractions @ rotation.T + translation
        apart = images[:, None] - fractions[None]
        target = np.abs(apart - np.rint(apart)).max(axis=-1).argmin(axis=1)
        worst = max(worst, float(np.abs(dipole[target] - dipole @ q.T).max()))
    return worst
