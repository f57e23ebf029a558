"""The interface of a DFT code that computes labels.

An engine is one module of this package, named by `engine` in a recipe. It reads and
writes files of Wannier90. A code with an interface to Wannier90 needs little more than its input.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from moirepol.dft.trial_functions import TrialFunctions
from moirepol.structure.bilayer import Bilayer

#: The code of a recipe without `engine`. Such a recipe stays as it is, because its digest is fixed.
DEFAULT = "espresso"


class Engine(Protocol):
    """A module that runs one DFT code. It reports failures as a JobError of one line."""

    def require_programs(self) -> None:
        """Raise a JobError if a program that a label needs is missing or too old."""

    def find_pseudopotentials(self, files: dict[str, str]) -> dict[str, Path]:
        """Find the file of each element from the names in the recipe."""

    def calculate(
        self,
        atoms: Bilayer,
        kpoints: np.ndarray,
        functions: TrialFunctions,
        recipe: Mapping[str, Any],
        folder: Path,
        threads: int = 1,
        forces: bool = False,
    ) -> tuple[np.ndarray, dict[str, float | str]]:
        """Compute the occupied Bloch functions of a bilayer in its field.

        Parameters
        ----------
        atoms
            The bilayer.
        kpoints
            A full uniform mesh (nk, 3) in crystal units.
        functions
            The trial functions.
        recipe
            The settings ``labels.recipe``.
        folder
            Working folder. It contains ``wannier.nnkp``. The engine writes the overlaps of the
            neighbours listed there to ``wannier.mmn``, augmentation included.
        threads
            MPI processes.
        forces
            Whether to compute forces, too. Forces and energy then contain the recipe's dispersion
            correction, if there is one.

        Returns
        -------
        tuple
            Projections (nk, nband, functions) of
            `moirepol.dft.wannier.projections`, for the same bands as the overlaps. Then the audit:
            ``energy_eV``, ``scf_iterations``, ``density_dipole_eA`` (out-of-plane dipole of the
            density and the ions), ``programs`` (versions).
        """

    def band_energies(
        self,
        atoms: Bilayer,
        mesh: tuple[int, int],
        path: np.ndarray,
        bands: int,
        recipe: Mapping[str, Any],
        folder: Path,
    ) -> np.ndarray:
        """Compute band energies along a path.

        Parameters
        ----------
        atoms
            The bilayer.
        mesh
            Divisions of the Gamma-centred mesh of the density.
        path
            k points (nk, 3) in crystal units.
        bands
            Number of bands, empty ones included.
        recipe
            The settings ``labels.recipe``.
        folder
            Working folder.

        Returns
        -------
        ndarray
            Energies (nk, bands) in eV.
        """

    def relax_heights(
        self,
        atoms: Bilayer,
        kpoints: np.ndarray,
        recipe: Mapping[str, Any],
        folder: Path,
        threads: int = 1,
    ) -> tuple[np.ndarray, dict[str, float | str]]:
        """Relax the heights of all atoms with the recipe's dispersion correction.

        Parameters
        ----------
        atoms
            A translated bilayer. Its in-plane places, and so its stacking, do not change.
        kpoints
            A full uniform mesh (nk, 3) in crystal units.
        recipe
            The settings ``labels.recipe``, with ``dispersion``.
        folder
            Working folder.
        threads
            MPI processes.

        Returns
        -------
        tuple
            Positions (n, 3) in angstrom. Then the audit: ``relaxed_energy_eV`` and
            ``rigid_energy_eV`` (with dispersion, after and before the relaxation),
            ``relaxed_force_eV_per_A`` (total force at the end), ``relaxation_steps``.
        """


def engine_name(recipe: Mapping[str, Any]) -> str:
    """Return the name of the engine of a recipe."""
    return recipe.get("engine", DEFAULT)


def engine_of(recipe: Mapping[str, Any]) -> Engine:
    """Return the engine of a recipe."""
    engine: Any = import_module(f"moirepol.dft.{engine_name(recipe)}")
    return engine
