"""Meshes that a label is computed on: k points, and the grid of the density."""

import numpy as np
from ase import Atoms
from scipy.fft import next_fast_len

BOHR_A = 0.529177210903


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
