"""Settings of labels: recipes, label sets and their checks."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, create_model, model_validator

from moirepol.dft.engine import DEFAULT as DEFAULT_ENGINE
from moirepol.structure.material import load_material
from moirepol.workflow.label_sets import STANDARD
from moirepol.workflow.settings.base import (
    ABSENT,
    ElectricField,
    Family,
    Inheriting,
    LayerDistance,
    Name,
    Section,
    Some,
    Strain,
    SystemName,
    setting,
)

PseudopotentialFile = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.(UPF|upf|gz)$",
        json_schema_extra={"x-allowed": "a file name, without folder, that ends in .UPF or .gz"},
    ),
]

_files: dict[str, Any] = {
    element: (PseudopotentialFile, setting(f"File for {element}."))
    for element in load_material().species
}
Pseudopotentials = create_model(
    "Pseudopotentials", __base__=Section, __doc__="A file for each element.", **_files
)


class Recipe(Section):
    """Settings of every first-principles label."""

    # Digests of labels are computed from recipes as they are written.
    filled: ClassVar[bool] = False

    engine: Literal["espresso", "gpaw"] = setting(
        "The DFT code, a module of moirepol.dft. A label set of the default material is a "
        "comparison if its code differs from that of labels.recipe. A label set of another "
        "material is a comparison if its code differs from the first code in the file of the "
        "material. A comparison is computed only if a command names it.",
        default=DEFAULT_ENGINE,
    )
    pseudopotentials: Pseudopotentials = setting(  # type: ignore[valid-type]
        "Pseudopotential (UPF) or PAW data set of GPAW (gz) of each element.",
        default=ABSENT,
        otherwise="those of the material for the engine",
    )
    ecutwfc_Ry: float = setting("Plane-wave cut-off of the wave functions.", "Ry", ge=20, le=200)
    ecutrho_Ry: float = setting(
        "Plane-wave cut-off of the density, at least four times that of the wave functions. For "
        "gpaw it is the cut-off of the finer grid.",
        "Ry",
        ge=80,
        le=2000,
    )
    mesh_4_atom_cell: int = setting(
        "Number n of the Gamma-centred n x n x 1 k mesh of the 4-atom cell. The mesh of larger "
        "cells has the same density.",
        ge=1,
        le=48,
    )
    cell_height_A: float = setting(
        "Height of the periodic cell, vacuum included.", "Å", ge=12, le=100
    )
    conv_thr_Ry_per_atom: float = setting(
        "Estimated energy error per atom at which the scf ends.", "Ry", gt=0, le=1e-4
    )
    mixing_beta: float = setting("Fraction of the new density in the scf mixing.", gt=0, le=1)
    electrostatics: Literal["2D", "dipole"] = setting(
        "Out-of-plane boundary condition of zero-field labels. 2D = truncated Coulomb interaction. "
        "dipole = dipole correction. A label in a field always has the dipole correction."
    )
    bond_fraction: float = setting(
        "Distance of the centre of an s trial function from its dipole site, as a fraction of the "
        "bond length. The centre lies on the bond.",
        gt=0,
        lt=1,
    )
    projection_sigma_A: float = setting(
        "Width (sigma) of the Gaussian trial functions.", "Å", ge=0.1, le=2
    )
    dispersion: Literal["D3-BJ"] = setting(
        "Dispersion correction in the relaxation of bilayers. D3-BJ = DFT-D3 with Becke-Johnson "
        "damping. The correction changes the positions of the atoms. It does not change the "
        "density at fixed positions.",
        default=ABSENT,
        otherwise="none; relaxed bilayers cannot be labelled",
    )
    origin_shift_A: float = setting(
        "Distance by which all atoms are moved along x and along y. The dipoles change only by the "
        "error of the grid of the density.",
        "Å",
        ge=0,
        le=10,
        default=ABSENT,
        otherwise="0",
    )


class Variant(Recipe, Inheriting):
    """A recipe that is based on another one."""

    based_on: Name = setting(
        "The other recipe. It gives all settings that the variant does not name. If the variant "
        "has another engine, the pseudopotentials are those of the material.",
        default=STANDARD,
    )


class Grid(Section):
    """Untwisted bilayers on a regular grid of stackings: all combinations of the lists."""

    family: Family = setting("Stacking family.")
    slides_per_axis: int = setting(
        "Number n of stackings along each primitive vector: tau = (i a1 + j a2) / n.", ge=1, le=100
    )
    strains_percent: Some[Strain] = setting("Biaxial strains of both layers.", default=[0])
    fields_V_per_A: Some[ElectricField] = setting("Electric fields along +z.", default=[0])
    layer_distances_A: Some[LayerDistance] = setting(
        "Layer distances.", default=ABSENT, otherwise="[layer_distance_A]"
    )
    relaxed: bool = setting("Whether the heights of the atoms are relaxed.", default=False)


class LabelSet(Section):
    """Labelled systems of one NetCDF file: grids of stackings, named systems, or both."""

    use: Literal["training", "validation"] = setting(
        "training = models may be trained on the set. validation = the set is held out of every "
        "training.",
        default="training",
    )
    recipe: Name = setting("Name of the recipe.", default=STANDARD)
    grids: Some[Grid] = setting(
        "Regular grids of stackings. Equivalent stackings are labelled once.",
        default=ABSENT,
        otherwise="none",
    )
    systems: Some[SystemName] = setting("Systems by name.", default=ABSENT, otherwise="none")

    @model_validator(mode="after")
    def _not_empty(self) -> "LabelSet":
        if not {"grids", "systems"} & self.model_fields_set:
            raise ValueError("allowed is at least 1 entry of grids or systems")
        return self


class Checks(Section):
    """Labels that are computed twice: symmetry copies of a label, or the same label again."""

    limit_eA: float = setting(
        "Largest difference of a dipole component between both computations.", "e·Å", gt=0
    )
    seed: int = setting("Selects the frame of a set that `recheck` computes again.", ge=0)
    maximum_atoms: int = setting("Largest frame that `recheck` computes again.", "atoms", ge=4)


def _not_standard(name: str) -> str:
    if name == STANDARD:
        raise ValueError(f"allowed is any name but {STANDARD}, which is labels.recipe")
    return name


VariantName = Annotated[Name, AfterValidator(_not_standard)]


class Labels(Section):
    """Dipoles from first principles."""

    source: Literal["shipped", "complete", "compute"] = setting(
        "Source of the labels. shipped = the labels in resources/labels, and a missing label is an "
        "error. complete = the labels in resources/labels, and missing labels are computed. "
        "compute = all labels are computed."
    )
    recipe: Recipe = setting("Settings of every first-principles label.")
    variants: dict[VariantName, Variant] = setting("Other recipes, by name.")
    sets: dict[Name, LabelSet] = setting("Label sets, by name.", min_length=1)
    checks: Checks = setting("Labels that are computed twice.")
