"""Meshes that a label is computed on: k points, and the grid of the density."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from scipy.fft import next_fast_len

BOHR_A = 0.529177210903


def mesh_size(atoms: Atoms, lattice_constant_A: float, mesh_4_atom_cell: int) -> tuple[int, int]:
    """Return the divisions of a mesh as dense as an n x n mesh of the 4-atom cell.

    Parameters
    ----------
    atoms
        A bilayer.
    lattice_constant_A
        Lattice constant of the 4-atom cell in angstrom.
    mesh_4_atom_cell
        The n of the 4-atom cell.

    Returns
    -------
    tuple of int
        Divisions along the two in-plane cell vectors.
    """
    return divisions(atoms.cell.lengths()[:2] / lattice_constant_A, mesh_4_atom_cell)


def divisions(lengths: Sequence[float], mesh_4_atom_cell: int) -> tuple[int, int]:
    """Return the divisions of a mesh for two cell vectors, in units of the lattice constant."""
    first, second = (max(1, round(mesh_4_atom_cell / length)) for length in lengths)
    return first, second


def uniform_mesh(size: tuple[int, int]) -> np.ndarray:
    """Return a Gamma-centred mesh of k points in the plane.

    Parameters
    ----------
    size
        Divisions along the two in-plane reciprocal vectors.

    Returns
    -------
    ndarray, shape (n_k, 3)
        k points in crystal units in [0, 1), the second index fastest.
    """
    n1, n2 = size
    return np.array([[i / n1, j / n2, 0.0] for i in range(n1) for j in range(n2)])


def grid_on_atoms(atoms: Atoms, ecutrho_Ry: float) -> tuple[int, int, int] | None:
    """Return the divisions of a density grid that has every atom on one of its columns.

    Exchange and correlation are summed on this grid. The sum depends slightly on where an atom
    lies between grid points: by 2e-5 e.A in the dipoles of a translated layer at 350 Ry.

    Parameters
    ----------
    atoms
        A bilayer.
    ecutrho_Ry
        Cut-off energy of the density in Ry.

    Returns
    -------
    tuple of int or None
        Divisions along the three cell vectors. None if no grid does it that is at most 35 %
        finer in the plane than the smallest grid for the cut-off, as in most twisted cells.
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
