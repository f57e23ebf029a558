"""Monolayer materials: everything that depends on which atoms a layer is made of.

A material is one file, ``moirepol/materials/<name>.yaml``. The code outside that folder contains no
element and no atomic number.
"""

from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

import yaml
from ase.data import chemical_symbols
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

FOLDER = Path(__file__).parents[1] / "materials"
#: The material of a bilayer that names none.
DEFAULT_MATERIAL = "hBN"
#: Electrons in each Wannier function, without spin polarization.
ELECTRONS_PER_FUNCTION = 2
#: Functions of a whole shell.
SHELLS = {"p": 3, "d": 5}

Part = Annotated[float, BeforeValidator(lambda value: float(Fraction(str(value))))]
Element = Annotated[str, Field(description="chemical symbol")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BasisAtom(_Section):
    """One atom of the monolayer's primitive cell."""

    species: Element
    fraction: Annotated[tuple[Part, Part], Field(description="place, in fractions of a1 and a2")]
    height_A: Annotated[float, Field(description="height above the middle of the layer, angstrom")]


class Bonded(_Section):
    """The neighbours whose ionic charge belongs to a dipole site, in equal shares."""

    species: Element
    number: Annotated[int, Field(ge=1, description="bonds of each site")]
    maximum_length_A: Annotated[float, Field(gt=0, description="longest bond, angstrom")]
    sites: Annotated[
        int | None,
        Field(ge=1, description="sites bonded to each neighbour, if not `number`", default=None),
    ]

    @property
    def sharers(self) -> int:
        """Sites that share one neighbour."""
        return self.sites or self.number


class Place(_Section):
    """A place of the primitive cell without an atom, in the middle plane of the layer."""

    fraction: Annotated[tuple[Part, Part], Field(description="place, in fractions of a1 and a2")]


class TrialFunction(_Section):
    """Trial functions that Wannier functions start from: one orbital, or all of a shell."""

    orbital: Annotated[
        Literal["s", "pz", "p", "dz2", "d"],
        Field(description="angular part; p and d are all three or five functions"),
    ]
    centre: Annotated[
        Literal["site", "bond", "neighbour"] | Place,
        Field(
            description="where its centre is: on the dipole site, on one of its bonds, on every "
            "bonded neighbour, or at a place without an atom"
        ),
    ]
    sigma_A: Annotated[
        float | None,
        Field(gt=0, description="width of the Gaussian, if not that of the recipe", default=None),
    ]

    @property
    def size(self) -> int:
        """Number of functions at one centre."""
        return SHELLS.get(self.orbital, 1)


class DipoleSite(_Section):
    """The place that carries a dipole, with the ions and functions that belong to it."""

    species: Element
    bonded: Bonded
    functions: Annotated[tuple[TrialFunction, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_function_a_bond_first(self) -> "DipoleSite":
        on_bonds = [function.centre == "bond" for function in self.functions]
        if sorted(on_bonds, reverse=True) != on_bonds or sum(on_bonds) > self.bonded.number:
            raise ValueError("functions: allowed is at most one a bond, those on bonds first")
        if self.bonded.number % self.bonded.sharers:
            raise ValueError(
                f"bonded.sites = {self.bonded.sites}: allowed is a divisor of "
                f"number = {self.bonded.number}"
            )
        return self

    @property
    def neighbours_per_site(self) -> int:
        """Bonded neighbours of a primitive cell for each of its sites."""
        return self.bonded.number // self.bonded.sharers


class Audit(_Section):
    """Limits beyond which a label is rejected."""

    centre_distance_A: Annotated[
        float, Field(gt=0, description="of a centre from the place that it belongs to")
    ] = 0.75
    spread_A2: Annotated[float, Field(gt=0, description="of a Wannier function")] = 3.0
    symmetry_residual_eA: Annotated[
        float, Field(gt=0, description="of a dipole component from its symmetry copies")
    ] = 2e-5


class Published(_Section):
    """A published polarization of two parallel layers."""

    P_perp_pC_per_m: Annotated[float, Field(description="as published")]
    source: Annotated[
        str, Field(min_length=1, description="where it stands, and how it is defined")
    ]


class Material(_Section):
    """A monolayer material. Units are in the names; see the YAML file of h-BN."""

    name: str
    title: str
    lattice_constant_A: Annotated[float, Field(gt=0, description="of the free monolayer")]
    lattice_constant_range_A: Annotated[
        tuple[float, float], Field(description="smallest and largest that a setting may choose")
    ]
    layer_distance_A: Annotated[float, Field(gt=0, description="of a flat bilayer")]
    bending_rigidity_eV: Annotated[float, Field(gt=0, description="of the monolayer")]
    point_group: Annotated[Literal["-6m2"], Field(description="of the monolayer")]
    valence_electrons: Annotated[
        dict[Element, int], Field(description="electrons of each pseudopotential")
    ]
    pseudopotentials: Annotated[
        dict[str, dict[Element, str]],
        Field(description="file of each element, by DFT code, for recipes that name none"),
    ]
    basis: Annotated[tuple[BasisAtom, ...], Field(min_length=1)]
    dipole_site: DipoleSite
    audit: Audit = Audit()
    published: Published | None = None

    @model_validator(mode="after")
    def _lattice_constant_in_range(self) -> "Material":
        low, high = self.lattice_constant_range_A
        if not 0 < low <= self.lattice_constant_A <= high:
            raise ValueError(
                f"lattice_constant_range_A = {[low, high]}: allowed are positive limits around "
                f"lattice_constant_A = {self.lattice_constant_A}"
            )
        return self

    @model_validator(mode="after")
    def _electrons_balance(self) -> "Material":
        named = {atom.species for atom in self.basis}
        if named != set(self.valence_electrons):
            raise ValueError("valence_electrons: allowed are exactly the species of the basis")
        for engine, files in self.pseudopotentials.items():
            if named != set(files):
                raise ValueError(
                    f"pseudopotentials.{engine}: allowed are exactly the species of the basis"
                )
        unknown = named - set(chemical_symbols)
        if unknown:
            raise ValueError(f"species {min(unknown)!r}: allowed are chemical symbols")
        site = self.dipole_site
        sites = sum(atom.species == site.species for atom in self.basis)
        electrons = sum(self.valence_electrons[atom.species] for atom in self.basis)
        functions = ELECTRONS_PER_FUNCTION * self.functions_per_site * sites
        if electrons != functions:
            raise ValueError(
                f"the basis has {electrons} valence electrons, the functions of its "
                f"{sites} dipole sites hold {functions}; allowed is the same number"
            )
        return self

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols, in the order of the basis; the order of types in a network."""
        return tuple(dict.fromkeys(atom.species for atom in self.basis))

    @cached_property
    def site_type(self) -> int:
        """Index of the dipole site's species in `species`."""
        return self.species.index(self.dipole_site.species)

    @cached_property
    def site_number(self) -> int:
        """Atomic number of the dipole site's species."""
        return chemical_symbols.index(self.dipole_site.species)

    @property
    def functions_per_site(self) -> int:
        """Wannier functions of a primitive cell for each of its dipole sites."""
        site = self.dipole_site
        return sum(
            function.size * (site.neighbours_per_site if function.centre == "neighbour" else 1)
            for function in site.functions
        )

    @property
    def charge_per_bond(self) -> float:
        """Ionic charge in e that each bonded neighbour contributes to the dipole of a site."""
        bonded = self.dipole_site.bonded
        return self.valence_electrons[bonded.species] / bonded.sharers

    def occupied_bands(self, symbols: list[str]) -> int:
        """Return the number of occupied bands of a cell with atoms of these chemical symbols."""
        electrons = sum(self.valence_electrons[symbol] for symbol in symbols)
        return electrons // ELECTRONS_PER_FUNCTION


def known_materials() -> list[str]:
    """Return the names of all materials.

    Returns
    -------
    list of str
        Names of the files in `FOLDER`, without their ending.
    """
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


@cache
def load_material(name: str = DEFAULT_MATERIAL) -> Material:
    """Read a material.

    Parameters
    ----------
    name
        Name of a file in `FOLDER`, without its ending.

    Returns
    -------
    Material
        The material, checked.

    Raises
    ------
    ValueError
        In one line, if there is no such material or its file breaks a rule.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"material = {name!r}: allowed is one of {', '.join(known_materials())}")
    try:
        return Material(name=name, **yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        found = error.errors()[0]
        key = ".".join(map(str, found["loc"]))
        reason = found["msg"].removeprefix("Value error, ")
        raise ValueError(f"{path.name}: {key}{': ' if key else ''}{reason}") from None
