"""Inputs of the rules that predict one bilayer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from moirepol.console import say
from moirepol.physics.relaxation import Relaxation, relaxed_from_files
from moirepol.predictor import Predictor
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build, sample

if TYPE_CHECKING:
    from moirepol.structure.recognition import Recognized

#: Path of a file; an empty list if the rule has no such input.
File = str | Sequence[str]


@dataclass(frozen=True)
class Prediction:
    """A bilayer, and the files that its dipoles are predicted from.

    The fields are inputs and params of a rule (`moirepol.workflow.job`).

    Attributes
    ----------
    system
        Name of the bilayer, its field included.
    zero_field, response, curvature
        Files of the members of each model.
    lattice_constant_A, layer_distance_A
        Settings in angstrom.
    polarizability
        File of `compute_polarizability`. With it the long-range field of the dipoles is added.
    gradient
        File of `fit_gradient`. With it the effect of the displacement gradient is added.
    errors
        File of `calibrate_errors`. With it the error contains the omitted orders.
    heights
        File of `fit_heights`. With it the layer distance may differ from the configured one.
    stackings, monolayer, relaxation
        Files of `fit_stackings`, `compute_monolayer` and, for a moire, `relax_bilayer`. With them
        the layers are relaxed.
    structure
        File of a structure of the user's own, if the name is that of a structure.
    beyond
        In what the system lies beyond the labels of the models.
    """

    system: str
    zero_field: Sequence[str]
    lattice_constant_A: float
    layer_distance_A: float
    response: Sequence[str] = ()
    curvature: Sequence[str] = ()
    polarizability: File = ()
    gradient: File = ()
    errors: File = ()
    heights: File = ()
    stackings: File = ()
    monolayer: File = ()
    relaxation: File = ()
    structure: File = ()
    beyond: str = ""

    @cached_property
    def predictor(self) -> Predictor:
        """Predictor with the terms of the files."""
        files = self.polarizability, self.gradient, self.errors, self.heights, self.monolayer
        return Predictor.from_files(
            self.zero_field, self.response, self.curvature, *map(_path, files)
        )

    @cached_property
    def own(self) -> "Recognized | None":
        """The structure of the user's own; None for a system."""
        if not self.structure:
            return None
        from moirepol.structure.recognition import recognize_file  # slow to import

        found = recognize_file(str(self.structure), self.system, self.lattice_constant_A)
        say(f"{self.system}: {found.description}")
        return found

    def atoms(self) -> Bilayer:
        """Return the bilayer with all atoms."""
        if self.own:
            return self._relaxed(self.own.bilayer)
        return self._relaxed(build(self.system, self.lattice_constant_A, self.layer_distance_A))

    def sampled(self, points_per_period: int) -> Bilayer:
        """Return the bilayer on a grid of local stackings, without atoms.

        Parameters
        ----------
        points_per_period
            Points along each vector of the moire pattern.

        Returns
        -------
        Bilayer
            The sampled bilayer.
        """
        if self.own:
            return self._relaxed(self.own.sample(points_per_period))
        lengths = self.lattice_constant_A, self.layer_distance_A
        return self._relaxed(sample(self.system, *lengths, points_per_period))

    def points_of(self, points_per_period: int) -> int:
        """Return the points of a grid that is at least as fine as the mesh of the relaxation."""
        if not self.relaxation:
            return points_per_period
        return max(points_per_period, Relaxation.from_file(str(self.relaxation)).points)

    def _relaxed(self, rigid: Bilayer) -> Bilayer:
        if not self.stackings:
            return rigid
        files = str(self.stackings), str(self.monolayer)
        return relaxed_from_files(rigid, *files, self.relaxation)


def _path(file: File) -> str | None:
    return str(file) if file else None
