"""The workflow's predictions as Python objects, by the functions behind its rules."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr
import yaml
from ase import Atoms

from moirepol.errors import JobError
from moirepol.export import exported
from moirepol.physics.charge import charge_of_map
from moirepol.physics.monolayer import Monolayer
from moirepol.physics.polarization import map_of_bilayer
from moirepol.physics.relaxation import Relaxation, relaxed
from moirepol.physics.stackings import Stackings
from moirepol.predictor import Predictor
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build, sample
from moirepol.structure.names import System, material_of, nearest
from moirepol.structure.recognition import recognize
from moirepol.workflow import model_plan
from moirepol.workflow.configuration import check_config
from moirepol.workflow.coverage import beyond_labels, predictors_of
from moirepol.workflow.label_plan import monolayer_file, polarizability_file
from moirepol.workflow.label_sets import lengths_of
from moirepol.workflow.own_structures import OwnStructure, check_smooth

#: Name of a structure that has none.
UNNAMED = "structure"


def load(folder: str | Path = ".") -> "Models":
    """Load the trained models of a project.

    Parameters
    ----------
    folder
        The folder of the project, in which `./run` has trained the models.

    Returns
    -------
    Models
        The models.

    Raises
    ------
    ValueError
        In one line, if the folder is no project.
    """
    folder = Path(folder).resolve()
    settings = folder / "config.yaml"
    if not settings.is_file():
        raise ValueError(f"{folder} contains no config.yaml; allowed is the folder of a project")
    return Models(folder, check_config(yaml.safe_load(settings.read_text(encoding="utf-8"))))


@dataclass(frozen=True)
class Models:
    """Trained models of a project, which predict any bilayer.

    Every method takes a bilayer: a name such as ``AA_angle-2.0``, or `ase.Atoms` of a structure of
    the user's own. Lengths are in angstrom, dipoles in e.angstrom, fields in V/angstrom.

    Attributes
    ----------
    folder
        Folder of the project.
    config
        Its settings.
    """

    folder: Path
    config: dict[str, Any]

    def dipoles(self, bilayer: str | Atoms, field: float | None = None) -> Atoms:
        """Predict the dipole of every N atom.

        Parameters
        ----------
        bilayer
            Name or structure.
        field
            Electric field along z in V/angstrom; by default that of the name, or 0.

        Returns
        -------
        Atoms
            The structure with the arrays ``layer``, ``local_dipole``, ``local_dipole_error`` in
            e.angstrom and ``onsite_shift`` in eV. A structure of the user's own keeps its cell,
            axes and order. ``info["beyond_labels"]`` states where the prediction is less certain.

        Raises
        ------
        ValueError
            In one line, if the bilayer cannot be predicted.
        """
        known = self._known(bilayer, field, self.config["maps"]["maximum_atoms"])
        predictor = self._predictor(known)
        with _one_line():
            if isinstance(known, System):
                rigid = build(known, *self._lengths(known))
                predicted = predictor.dipoles(self._relaxed(known, rigid, self._relaxation(known)))
                plain = exported(predicted, predicted)
            else:
                own = known.recognized
                predicted = predictor.dipoles(own.bilayer, known.field_V_per_A)
                plain = exported(predicted, own.structure, own.rotation)
        if beyond := self._beyond(known, predictor, predicted):
            plain.info["beyond_labels"] = beyond
        if predictor.lacks:
            plain.info["not_included"] = predictor.lacks
        return plain

    def map(self, bilayer: str | Atoms, field: float | None = None) -> xr.Dataset:
        """Predict the polarization on a grid of the moire cell.

        Parameters
        ----------
        bilayer, field
            As in `dipoles`.

        Returns
        -------
        xr.Dataset
            The map, as of ``results/maps``: P (component, i, j) in e.angstrom per pair of N atoms.

        Raises
        ------
        ValueError
            In one line, if the bilayer cannot be predicted, or if its cell lacks stackings.
        """
        known = self._known(bilayer, field)
        points = self.config["maps"]["points_per_period"]
        grid_points = self.config["maps"]["grid_points"]
        if known.n_periods == 0:
            raise ValueError(f"{known.name} does not contain all stackings and has no map")
        predictor = self._predictor(known)
        if isinstance(known, System):
            relaxation = self._relaxation(known)
            points = max(points, relaxation.points if relaxation else 0)
            rigid = sample(known, *self._lengths(known), points)
            sampled = self._relaxed(known, rigid, relaxation)
        else:
            sampled = known.recognized.sample(points)
        with _one_line():
            predicted = predictor.dipoles(sampled, known.field_V_per_A)
        ds = map_of_bilayer(predicted, max(grid_points, points))
        if beyond := self._beyond(known, predictor, sampled):
            ds.attrs["beyond_labels"] = beyond
        if predictor.lacks:
            ds.attrs["not_included"] = predictor.lacks
        return ds

    def charge(self, bilayer: str | Atoms, field: float | None = None) -> xr.Dataset:
        """Compute the topological charge of the polarization.

        Parameters
        ----------
        bilayer, field
            As in `dipoles`.

        Returns
        -------
        xr.Dataset
            The charges, as of ``results/charge``: Q (grid, scheme, region) and charge_density.

        Raises
        ------
        ValueError
            In one line, if the bilayer cannot be predicted, or if its cell does not contain
            exactly one period of the pattern.
        """
        known = self._known(bilayer, field)
        if known.n_periods != 1:
            raise ValueError(
                f"{known.name}: its cell contains {known.n_periods} periods of the pattern; a "
                "charge needs one"
            )
        maps = self.config["maps"]
        ds = self.map(bilayer, field)
        with _one_line():
            return charge_of_map(ds, maps["charge_grids"], maps["zero_tolerance"])

    def _lengths(self, system: System) -> tuple[float, float]:
        found = lengths_of(self.config, system.material)
        return found["lattice_constant_A"], found["layer_distance_A"]

    def _known(
        self, bilayer: str | Atoms, field: float | None, maximum_atoms: int = sys.maxsize
    ) -> System | OwnStructure:
        """Find the system of a name, or recognize the structure in atoms."""
        if isinstance(bilayer, str):
            system = nearest(bilayer, maximum_atoms)
            changed = {} if field is None else {"field_V_per_A": float(field)}
            return system.model_copy(update=changed)
        found = recognize(bilayer, UNNAMED, self.config["lattice_constant_A"])
        return OwnStructure(UNNAMED, "", float(field or 0.0), check_smooth(found))

    def _predictor(self, known: System | OwnStructure) -> Predictor:
        """Predictor of a bilayer in its range."""
        predictors_of(self.config, known)  # is an error outside of the range
        family = known.family
        is_relaxed = isinstance(known, OwnStructure) or known.relaxed
        heights = model_plan.heights_file(self.config, known)
        key = family, bool(heights), is_relaxed
        if key not in self._predictors:
            wanted = self.config["predictors"][family]
            files: dict[str, Any] = {
                kind: self._trained(model_plan.members(self.config, model))
                for kind, model in wanted.items()
            }
            if slide := self.config["long_range"].get(family):
                shipped = self.folder / "resources" / "polarizability"
                path = polarizability_file(self.config, slide, str(shipped))
                files["polarizability"] = self._trained([path])[0]
            if family in self.config["gradient"]:
                files["gradient"] = self._trained([f"results/gradient/{family}.nc"])[0]
            errors = self.folder / model_plan.errors_file(self.config, family, is_relaxed)
            if errors.is_file():
                files["errors"] = str(errors)
            if heights:
                files["heights"] = self._trained([str(heights)])[0]
            if is_relaxed:
                files["monolayer"] = self._monolayer(family)
            with _one_line():
                self._predictors[key] = Predictor.from_files(**files)
        return self._predictors[key]

    def _monolayer(self, family: str) -> str:
        shipped = self.folder / "resources" / "monolayer"
        return self._trained([monolayer_file(self.config, material_of(family), str(shipped))])[0]

    def _stackings(self, family: str) -> str:
        return self._trained([f"results/stackings/{family}.nc"])[0]

    def _relaxation(self, known: System) -> Relaxation | None:
        """Relaxed fields of a moire: those of the workflow, or computed here."""
        if not known.relaxed or not known.n_periods:
            return None
        path = self.folder / "results" / "relaxation" / f"{known.name}.nc"
        with _one_line():
            if path.is_file():
                return Relaxation.from_file(path)
            from moirepol.physics import continuum  # its library is slow to import

            rigid = sample(known, *self._lengths(known), 1)
            mesh = self.config["relaxation"]
            points = continuum.points_of_mesh(rigid, mesh["mesh_spacing_A"], mesh["mesh_points"])
            stackings = Stackings.from_file(self._stackings(known.family))
            constants = Monolayer.from_file(self._monolayer(known.family))
            return continuum.relax(rigid, stackings, constants, points)[0]

    def _relaxed(self, known: System, rigid: Bilayer, relaxation: Relaxation | None) -> Bilayer:
        if not known.relaxed:
            return rigid
        with _one_line():
            stackings = Stackings.from_file(self._stackings(known.family))
            return relaxed(
                rigid, stackings, Monolayer.from_file(self._monolayer(known.family)), relaxation
            )

    @cached_property
    def _predictors(self) -> dict[tuple[str, bool, bool], Predictor]:
        return {}

    def _trained(self, paths: list[str]) -> list[str]:
        """Paths in the folder of the project, all of which must exist."""
        found = [self.folder / path for path in paths]
        for path in found:
            if not path.is_file():
                raise ValueError(
                    f"{path.relative_to(self.folder)} is missing in {self.folder}: no models are "
                    "trained there; `./run` trains them"
                )
        return [str(path) for path in found]

    def _beyond(self, known: System | OwnStructure, predictor: Predictor, bilayer: Bilayer) -> str:
        # The displacements of a structure belong to its atoms, not to the points of its map.
        whole = known.recognized.bilayer if isinstance(known, OwnStructure) else bilayer
        reasons = beyond_labels(self.config, known), predictor.beyond(whole)
        return "; ".join(filter(None, reasons))


@contextmanager
def _one_line() -> Iterator[None]:
    """Raise a `ValueError` of one line instead of a `JobError`."""
    try:
        yield
    except JobError as error:
        raise ValueError(str(error)) from None
