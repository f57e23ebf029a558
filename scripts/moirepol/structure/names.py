"""Names of bilayers: one string defines a system completely.

The form is ``<family>_<geometry>[_<option>...]``, for example ``AA_twist-21-22``,
``AA_slide-3-5-10_strain-1.0_field+0.020``, ``AA_mismatch-9-10_d3.40``, ``AAp_twist-1-2``.

==================  ================================================================================
family              ``AA`` = {E|tau}, parallel layers; ``AAp`` = {I|tau}, antiparallel layers;
                    of another material than h-BN with its name, as ``SiC-AA``
``slide-i-j-n``     translated bilayer: upper layer shifted by tau = (i a1 + j a2) / n
``twist-m-n``       commensurate twist, 4 (m^2 + m n + n^2) atoms
``mismatch-U-L``    U x U cells of the upper layer on L x L of the lower; eta = 1 - U/L
``moire-m-n-p-q``   both: the cell is m a1 + n a2 of the lower and p a1 + q a2 of the upper layer
``strip-U-L``       uniaxial heterostrain cell: U x 1 cells of the upper layer on L x 1 of the lower
``shear-L``         simple-shear cell: L a1 of the lower layer is L a1 + a2 of the upper layer
``shift-i-j-n``     upper layer of the cell shifted by (i a1 + j a2) / n of its own primitive cell
``strain+1.0``      biaxial strain of both layers, in %
``d3.40``           layer distance in angstrom, if it is not the configured one
``relaxed``         relaxed layers: local layer distance, rumpling and in-plane displacements
``field+0.020``     electric field along +z in V/angstrom
==================  ================================================================================

`nearest` also accepts an approximate twist angle or lattice mismatch. The name is
then ``<family>_angle-2.00``, ``<family>_eta+0.0100`` or ``<family>_angle-2.00_eta+0.0100``, with
further options. It considers all cells that contain one period of the pattern. The nearest of them
has a closed form. With the supercells as complex numbers L and U (a1 = 1, a2 = exp(i pi/3)), such
cells have L - U = 1, and U / L = (1 - eta) exp(-i angle).
"""

import cmath
import math
import re
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from moirepol.structure.material import DEFAULT_MATERIAL, known_materials, load_material

NUMBER = r"[0-9]+(?:\.[0-9]+)?"
STACKINGS = ("AA", "AAp")
#: Families by name: those of the default material, then those of each other material.
FAMILIES = (
    *STACKINGS,
    *(
        f"{material}-{stacking}"
        for material in known_materials()
        if material != DEFAULT_MATERIAL
        for stacking in STACKINGS
    ),
)
#: Families as a regular expression without groups.
ANY_FAMILY = "(?:" + "|".join(FAMILIES) + ")"
FAMILY = f"(?P<family>{ANY_FAMILY})"
GEOMETRY = r"(?P<geometry>slide|twist|mismatch|moire|strip|shear)(?P<indices>(?:-[0-9]{1,6}){1,4})"
OPTIONS = (
    r"(?:_shift(?P<shift>(?:-[0-9]{1,6}){3}))?"
    rf"(?:_strain(?P<strain>[+-]{NUMBER}))?(?:_d(?P<distance>{NUMBER}))?"
    rf"(?P<relaxed>_relaxed)?(?:_field(?P<field>[+-]{NUMBER}))?"
)
GRAMMAR = re.compile(f"{FAMILY}_{GEOMETRY}{OPTIONS}")
WISH = re.compile(
    rf"{FAMILY}_(?=angle|eta)(?:angle-(?P<angle>{NUMBER}))?_?(?:eta(?P<eta>[+-]{NUMBER}))?"
    r"(?P<rest>(?:_.*)?)"
)

#: Relative difference from a requested angle or mismatch that is stated.
LARGE_DIFFERENCE = 0.01
#: Names of structures of the user's own, perhaps with a field.
OWN_NAME = re.compile(rf"(?P<structure>[a-z][a-z0-9_]*?)(?:_field(?P<field>[+-]{NUMBER}))?")


def _anonymous(grammar):
    """Grammar as a Snakemake wildcard constraint, which cannot contain named groups."""
    return re.sub(r"\?P<[a-z]+>", "?:", grammar)


#: Names in the one spelling that files are named by, as far as a pattern can tell.
PATTERN = _anonymous(
    GRAMMAR.pattern.replace(f"strain(?P<strain>[+-]{NUMBER})", r"strain[+-][0-9]+\.[0-9]{2}")
    .replace(f"d(?P<distance>{NUMBER})", r"d[0-9]+\.[0-9]{3}")
    .replace(f"field(?P<field>[+-]{NUMBER})", r"field[+-][0-9]+\.[0-9]{4}")
)
#: Other spellings, and names by twist angle or mismatch.
OTHER_NAMES = (
    rf"(?!(?:{PATTERN})(?:\.|$)){ANY_FAMILY}_"
    rf"(?:(?:angle-{NUMBER}|eta[+-]{NUMBER}|angle-{NUMBER}_eta[+-]{NUMBER})|{_anonymous(GEOMETRY)})"
    + _anonymous(OPTIONS)
)


Supercell = tuple[tuple[int, int], tuple[int, int]]


class System(BaseModel):
    """One bilayer: stacking family, geometry, shift, strain, layer distance, relaxation, field.

    Attributes
    ----------
    family
        Stacking family.
    geometry
        Geometry, see the module docstring.
    indices
        Numbers of the geometry.
    shift
        (i, j, n): shift of the upper layer by (i a1 + j a2) / n of its primitive cell.
    strain_percent
        Biaxial strain of both layers in percent.
    distance_A
        Layer distance in angstrom; None for the configured one.
    relaxed
        Whether the layers are relaxed.
    field_V_per_A
        Electric field along +z in V/angstrom.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Annotated[str, Field(pattern=f"^{ANY_FAMILY}$")]
    geometry: Literal["slide", "twist", "mismatch", "moire", "strip", "shear"]
    indices: tuple[int, ...]
    shift: tuple[int, int, int] | None = None
    strain_percent: float = 0.0
    distance_A: float | None = None
    relaxed: bool = False
    field_V_per_A: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _in_one_spelling(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Reduce fractions, and write a moiré cell as a twist or mismatch if it is one."""
        indices = tuple(values.get("indices", ()))
        if values.get("geometry") == "moire" and len(indices) == 4:
            m, n, p, q = indices
            if min(m, n) > 0 and (p, q) == (n, m) and m != n and math.gcd(m, n) == 1:
                values = values | {"geometry": "twist", "indices": (m, n)}
            elif n == q == 0 and m != p and min(m, p) > 0 and math.gcd(m, p) == 1:
                values = values | {"geometry": "mismatch", "indices": (p, m)}
        for key in ("indices", "shift"):
            slide = values.get(key) or ()
            if any(slide) and (key == "shift" or values.get("geometry") == "slide"):
                divisor = math.gcd(*slide)
                values = values | {key: tuple(index // divisor for index in slide)}
        if values.get("shift") and not any(values["shift"][:2]):
            values = values | {"shift": None}
        return values

    @model_validator(mode="after")
    def _indices_fit_the_geometry(self):
        wanted = {"slide": 3, "moire": 4, "shear": 1}.get(self.geometry, 2)
        if len(self.indices) != wanted:
            raise ValueError(f"{self.geometry} takes {wanted} numbers, got {self.indices}")
        for word, slide in (("slide", self.indices), ("shift", self.shift)):
            if slide is None or (word == "slide" and self.geometry != "slide"):
                continue
            i, j, n = slide
            if n < 1 or i >= n or j >= n:
                raise ValueError(f"{word}-i-j-n needs 0 <= i, j < n, got {slide}")
        if self.geometry == "slide":
            if self.shift:
                raise ValueError("a slide takes no further shift")
        elif self.geometry == "moire":
            lower, upper = self.indices[:2], self.indices[2:]
            if not (any(lower) and any(upper)) or lower == upper:
                raise ValueError(f"moire needs two different cells, got {self.indices}")
        elif self.geometry == "shear":
            if self.indices[0] < 2:
                raise ValueError(f"shear needs a number >= 2, got {self.indices}")
        elif min(self.indices) < 1 or self.indices[0] == self.indices[1]:
            raise ValueError(
                f"{self.geometry} needs two different numbers >= 1, got {self.indices}"
            )
        elif math.gcd(*self.indices) != 1:
            raise ValueError(f"{self.geometry} needs numbers without a common factor")
        if not -20 <= self.strain_percent <= 20:
            raise ValueError(f"strain must lie in -20 ... 20 %, got {self.strain_percent}")
        if self.distance_A is not None and not 2.0 <= self.distance_A <= 10.0:
            raise ValueError(f"layer distance must lie in 2 ... 10 A, got {self.distance_A}")
        if self.relaxed and self.distance_A is not None:
            raise ValueError(
                f"relaxation determines the layer distance, got d{self.distance_A:g} and relaxed; "
                "allowed is one of the two"
            )
        if self.relaxed and self.geometry in ("strip", "shear"):
            raise ValueError(
                f"relaxed is for translated bilayers and moire cells, got {self.geometry}"
            )
        if not -1.0 <= self.field_V_per_A <= 1.0:
            raise ValueError(f"field must lie in -1 ... 1 V/A, got {self.field_V_per_A}")
        for word, value, digits in (
            ("strain", self.strain_percent, 2),
            ("layer distance", self.distance_A or 0.0, 3),
            ("field", self.field_V_per_A, 4),
        ):
            if abs(value - round(value, digits)) > 1e-9:
                raise ValueError(f"{word} must have at most {digits} decimals, got {value:g}")
        return self

    @classmethod
    @cache
    def parse(cls, name: str) -> "System":
        """Return the system of a name.

        Parameters
        ----------
        name
            Name in any spelling of the grammar.

        Returns
        -------
        System
            The system.

        Raises
        ------
        ValueError
            In one line, if the name is outside the grammar or a number is not allowed.
        """
        match = GRAMMAR.fullmatch(name)
        if match is None:
            # A cycle of imports otherwise; needed for an error only.
            from moirepol.structure.wrong_names import wrong_part

            reason = wrong_part(name) or "an angle or a mismatch is not allowed here"
            raise ValueError(f"no system is called {name!r}: {reason}")
        indices, shift = (
            tuple(int(number) for number in (match[key] or "").split("-")[1:])
            for key in ("indices", "shift")
        )
        return cls.model_validate(
            {
                "family": match["family"],
                "geometry": match["geometry"],
                "indices": indices,
                "shift": shift or None,
                "strain_percent": float(match["strain"] or 0.0),
                "distance_A": float(match["distance"]) if match["distance"] else None,
                "relaxed": bool(match["relaxed"]),
                "field_V_per_A": float(match["field"] or 0.0),
            }
        )

    @property
    def name(self) -> str:
        """Canonical name. It omits options with their default value."""
        parts = [self.family, "-".join([self.geometry, *map(str, self.indices)])]
        if self.shift:
            parts.append("-".join(["shift", *map(str, self.shift)]))
        if self.strain_percent:
            parts.append(f"strain{self.strain_percent:+.2f}")
        if self.distance_A is not None:
            parts.append(f"d{self.distance_A:.3f}")
        if self.relaxed:
            parts.append("relaxed")
        if self.field_V_per_A:
            parts.append(f"field{self.field_V_per_A:+.4f}")
        return "_".join(parts)

    @property
    def material(self) -> str:
        """Name of the material of the layers."""
        return material_of(self.family)

    @property
    def stacking(self) -> str:
        """`AA` for parallel and `AAp` for antiparallel layers, of any material."""
        return stacking_of(self.family)

    @property
    def plain(self) -> "System":
        """The same geometry without shift, strain, layer distance, relaxation and field."""
        options = {
            "shift": None,
            "strain_percent": 0.0,
            "distance_A": None,
            "relaxed": False,
            "field_V_per_A": 0.0,
        }
        return self.model_copy(update=options)

    @property
    def is_plain_twist(self) -> bool:
        """Whether the system is a twisted bilayer without shift, strain, relaxation and field."""
        return self.geometry == "twist" and self == self.plain

    @property
    def supercells(self) -> tuple[Supercell, Supercell]:
        """Two vectors of the moire cell, in primitive vectors of the lower and the upper layer.

        The second vector is the first vector rotated by 60 degrees. In uniaxial heterostrain and
        simple-shear cells it is a2.
        """
        match self.geometry:
            case "strip":
                U, L = self.indices
                return ((L, 0), (0, 1)), ((U, 0), (0, 1))
            case "shear":
                (length,) = self.indices
                return ((length, 0), (0, 1)), ((length, 1), (0, 1))
            case "slide":
                first = (1, 0), (1, 0)
            case "mismatch":
                U, L = self.indices
                first = (L, 0), (U, 0)
            case "twist":
                m, n = self.indices
                first = (m, n), (n, m)
            case "moire":
                m, n, p, q = self.indices
                first = (m, n), (p, q)
        (m, n), (p, q) = first
        return ((m, n), (-n, m + n)), ((p, q), (-q, p + q))

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the periodic cell."""
        of_layer = len(load_material(self.material).basis)
        return sum(of_layer * _determinant(*cell) for cell in self.supercells)

    @property
    def n_periods(self) -> int:
        """Number of periods of the moire pattern in the cell.

        It is 0 for translated bilayers, uniaxial heterostrain cells and simple-shear cells, which
        do not contain all stackings.
        """
        lower, upper = self.supercells
        return _determinant(*(_minus(a, b) for a, b in zip(lower, upper, strict=True)))

    @property
    def ratio(self) -> complex:
        """Ratio U / L of the supercells as complex numbers: (1 - eta) exp(-i angle)."""
        if self.geometry == "shear":
            return 1
        lower, upper = (_complex(first) for first, _ in self.supercells)
        return upper / lower

    @property
    def twist_angle_deg(self) -> float:
        """Twist angle of the upper layer relative to the lower, counter-clockwise, in degrees."""
        return -math.degrees(cmath.phase(self.ratio))

    @property
    def eta(self) -> float:
        """Lattice mismatch eta = 1 - a_lower / a_upper, positive if the lower layer is compressed.

        In a uniaxial heterostrain cell it is the mismatch along a1.
        """
        if self.geometry == "shear":
            return 0.0
        (lower, _), (upper, _) = self.supercells
        return 1 - math.sqrt(_norm(upper) / _norm(lower))

    @property
    def layer_strains_percent(self) -> tuple[float, float]:
        """Biaxial strain of the lower and the upper layer relative to a free layer, in percent."""
        stretch = 1 + self.strain_percent / 100
        return 100 * (stretch * (1 - self.eta) - 1), 100 * (stretch - 1)

    @property
    def description(self) -> str:
        """Description of the system for readers."""
        word = "parallel" if self.stacking == "AA" else "antiparallel"
        parts = [f"{word} layers ({self.family})"]
        if self.geometry == "slide":
            i, j, n = self.indices
            parts.append(f"slid by ({i} a₁ + {j} a₂)/{n}")
        if self.twist_angle_deg:
            parts.append(f"twisted by {self.twist_angle_deg:.3f}°")
        if self.eta:
            only = " along a₁ only" if self.geometry == "strip" else ""
            parts.append(f"mismatch η = {self.eta:+.4f}{only}")
        if self.shift:
            i, j, n = self.shift
            parts.append(f"shifted by ({i} a₁ + {j} a₂)/{n}")
        if self.strain_percent:
            parts.append(f"strain {self.strain_percent:+g} %")
        if self.distance_A is not None:
            parts.append(f"layers {self.distance_A:g} Å apart")
        if self.relaxed:
            parts.append("relaxed")
        if self.field_V_per_A:
            parts.append(f"field {self.field_V_per_A:+g} V/Å")
        return ", ".join([*parts, f"{self.n_atoms} atoms"])


def material_of(name: str) -> str:
    """Return the name of the material of a family, a system or a configuration space.

    Parameters
    ----------
    name
        A family, or a name that contains one. A structure of the user's own consists of the
        default material.

    Returns
    -------
    str
        Name of the material.
    """
    found = re.match("(?:configuration_)?(?P<material>[A-Za-z0-9]+)-(?:AA|AAp)(?:_|$)", name)
    return found["material"] if found else DEFAULT_MATERIAL


def stacking_of(family: str) -> str:
    """Return `AA` for a family of parallel layers and `AAp` for one of antiparallel layers."""
    return family.rpartition("-")[2]


def split_own_name(name: str) -> tuple[str, float]:
    """Split the name of a structure of the user's own.

    Parameters
    ----------
    name
        Any text.

    Returns
    -------
    structure : str
        The name without a field; empty if no structure can have the name.
    field_V_per_A : float
        Field in V/angstrom, with the four digits of names.
    """
    match = OWN_NAME.fullmatch(name)
    return (match["structure"], round(float(match["field"] or 0), 4)) if match else ("", 0.0)


def own_structure_name(structure: str, field_V_per_A: float) -> str:
    """Return the name of a structure of the user's own in a field."""
    return f"{structure}_field{field_V_per_A:+.4f}" if field_V_per_A else structure


def describe(name: str) -> str:
    """Describe a system, a structure of the user's own or a configuration space.

    Parameters
    ----------
    name
        Name of a system or structure, or ``configuration_<family>``.

    Returns
    -------
    str
        Description for readers.

    Raises
    ------
    ValueError
        In one line, if the name is outside the grammar.
    """
    if name.startswith("configuration_"):
        return f"All stackings of {name.removeprefix('configuration_')}"
    structure, field = split_own_name(name)
    if structure:
        return f"Structure {structure}" + (f", field {field:+g} V/Å" if field else "")
    text = System.parse(name).description
    return text[0].upper() + text[1:]


def nearest(name: str, maximum_atoms: int) -> System:
    """Return the system of a name, or the cell nearest to an angle or a mismatch.

    Parameters
    ----------
    name
        Name in any spelling, or an approximate angle and mismatch such as
        ``AA_angle-2.00_eta+0.0100``, see the module docstring.
    maximum_atoms
        Largest number of atoms of a cell found from an angle or a mismatch.

    Returns
    -------
    System
        The system.

    Raises
    ------
    ValueError
        In one line, if the name is of neither kind or the cell is too large.
    """
    match = WISH.fullmatch(name)
    if match is None:
        return System.parse(name)
    angle, eta = float(match["angle"] or 0.0), float(match["eta"] or 0.0)
    if not (angle or eta) or angle > 30 or abs(eta) > 0.3:
        raise ValueError(
            f"{name}: an angle above 0 and up to 30 degrees or a mismatch of up to 0.3 is needed"
        )
    ratio = (1 - eta) * cmath.exp(-1j * math.radians(angle))
    if not eta:
        m = int((1 / math.tan(math.radians(angle) / 2) / math.sqrt(3) - 1) / 2)
        geometries = [f"twist-{k}-{k + 1}" for k in (m, m + 1) if k]
    elif not angle:
        n = int(1 / abs(eta))
        step = -1 if eta > 0 else 1
        geometries = [f"mismatch-{k + step}-{k}" for k in (n, n + 1)]
    else:
        cells = [_in_first_sector(lower) for lower in _around(1 / (1 - ratio))]
        geometries = ["-".join(["moire", *map(str, cell)]) for cell in cells]
    system = min(
        (System.parse(f"{match['family']}_{geometry}{match['rest']}") for geometry in geometries),
        key=lambda system: abs(system.ratio - ratio),
    )
    if system.n_atoms > maximum_atoms:
        raise ValueError(
            f"{name}: the nearest cell, {system.name}, has {system.n_atoms} atoms; "
            f"maps.maximum_atoms is {maximum_atoms}"
        )
    return system


def describe_difference(name: str, system: System) -> str:
    """Describe how far a system is from the twist angle or the mismatch that a name requests.

    Parameters
    ----------
    name
        Name that `nearest` accepts.
    system
        The system that it returns.

    Returns
    -------
    str
        One line; empty if the name is that of a system, or if the difference is below
        `LARGE_DIFFERENCE`. Where only the angle is requested, the line names a nearer cell of
        several periods.
    """
    match = WISH.fullmatch(name)
    if match is None:
        return ""
    angle, eta = float(match["angle"] or 0.0), float(match["eta"] or 0.0)
    words = []
    for wanted, found, quantity, unit in (
        (angle, system.twist_angle_deg, "twist angle", "°"),
        (eta, system.eta, "mismatch", ""),
    ):
        if wanted and abs(found - wanted) > LARGE_DIFFERENCE * abs(wanted):
            words.append(f"{quantity} of {found:.4g}{unit} instead of {wanted:g}{unit}")
    if not words:
        return ""
    nearer = ""
    if angle and not eta:
        cells = [
            System(family=system.family, geometry="twist", indices=(m, n))
            for n in range(2, 15)
            for m in range(1, n)
            if math.gcd(m, n) == 1
        ]
        best = min(cells, key=lambda cell: (abs(cell.twist_angle_deg - angle), cell.n_atoms))
        if abs(best.twist_angle_deg - angle) < abs(system.twist_angle_deg - angle) - 1e-9:
            nearer = (
                f"; {best.name} has {best.twist_angle_deg:.4g}° and {best.n_periods} periods, "
                "for maps and dipoles"
            )
    return f"{', '.join(words)}: the nearest cell of one period{nearer}"


def describe_request(name: str, system: str) -> str:
    """Describe what a name stands for.

    Parameters
    ----------
    name
        Name that was requested.
    system
        Canonical name of the system.

    Returns
    -------
    str
        One line with the description, and with the difference from what `name` requests.
    """
    words = f"{name}: {system}, {describe(system)}" if name != system else describe(system)
    if split_own_name(system)[0] or system.startswith("configuration_"):
        return words
    difference = describe_difference(name, System.parse(system))
    return f"{words}. {difference[0].upper()}{difference[1:]}" if difference else words


def _norm(vector):
    """Squared length of m a1 + n a2, in units of a1."""
    m, n = vector
    return m * m + m * n + n * n


def _determinant(first, second):
    return first[0] * second[1] - first[1] * second[0]


def _minus(a, b):
    return a[0] - b[0], a[1] - b[1]


def _complex(cell):
    return cell[0] + cell[1] * cmath.rect(1, math.pi / 3)


def _around(z):
    """Supercells (m, n) with first vectors around z, without 0 and 1, which leave no layer."""
    n = math.floor(z.imag / math.sin(math.pi / 3))
    m = math.floor(z.real - n / 2)
    cells = [(m + i, n + j) for i in (-1, 0, 1, 2) for j in (0, 1)]
    return [cell for cell in cells if cell not in ((0, 0), (1, 0))]


def _in_first_sector(lower):
    """Supercells (m, n, p, q) with p, q = lower - 1, rotated until no number is negative."""
    (m, n), (p, q) = lower, (lower[0] - 1, lower[1])
    for _ in range(6):
        if min(m, n, p, q) >= 0:
            return m, n, p, q
        m, n, p, q = -n, m + n, -q, p + q
    raise ValueError("no turn by 60 degrees has both cells in the first sector")
