"""What a label asks of a DFT code: the interface that every engine has.

An engine is one module of this package, named by `engine` in a recipe. It is handed the file
formats of Wannier90, so a code that has an interface to Wannier90 needs little more than its input.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms

#: What computes a recipe without `engine`; not written into it, for that would change its digest.
DEFAULT = "espresso"


class Engine(Protocol):
    """A module that runs one DFT code. A JobError is the user's one line of what is wrong."""

    def require_programs(self) -> None:
        """JobError where a program that a label needs is missing or too old."""

    def find_pseudopotentials(self, files: dict[str, str]) -> dict[str, Path]:
        """The file of each element, from the names in the recipe."""

    def calculate(
        self,
        atoms: Atoms,
        kpoints: np.ndarray,
        sites: np.ndarray,
        recipe: Mapping[str, Any],
        folder: Path,
        threads: int = 1,
    ) -> tuple[np.ndarray, dict[str, float | str]]:
        """The occupied Bloch functions of a bilayer in the field ``info['field_V_per_A']``.

        kpoints : (nk, 3) in crystal units, a full uniform mesh. sites : (nN, 4, 3) in A.
        folder : holds ``wannier.nnkp``; the overlaps of the neighbours that it lists, full ones,
        augmentation included, go to ``wannier.mmn``. All else in it is the engine's own.

        Returns the projections (nk, nband, 4 nN) on the functions of
        `moirepol.dft.wannier.projections`, in the bands of the overlaps, and what the audit keeps:
        ``energy_eV``, ``scf_iterations``,
        ``density_dipole_eA`` (along z, of the density and the ions), ``programs`` (versions).
        """


def engine_of(recipe: Mapping[str, Any]) -> Engine:
    """The engine of a recipe."""
    return import_module(f"moirepol.dft.{recipe.get('engine', DEFAULT)}")
