"""Bilayers by name: one string says everything that makes a system.

``<family>_<geometry>[_<option>...]``, for example ``AA_twist-21-22``,
``AA_slide-3-5-10_strain-1.0_field+0.020``, ``AA_mismatch-9-10_d3.40``, ``AAp_twist-1-2``.

=============  ======================================================================
family         ``AA`` = {E|tau}, parallel layers; ``AAp`` = {I|tau}, antiparallel layers
``slide-i-j-n``    upper layer shifted by tau = (i a1 + j a2) / n
``twist-m-n``      commensurate twist, 4 (m^2 + m n + n^2) atoms
``mismatch-U-L``   U x U cells of the upper layer on L x L of the lower; eta = 1 - U/L
``strain+1.0``     biaxial strain of both layers, in %
``d3.40``          layer distance in A, where it is not the configured one
``field+0.020``    electric field along +z in V/A
=============  ======================================================================
"""

import math
import re
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

NUMBER = r"[0-9]+(?:\.[0-9]+)?"
GRAMMAR = re.compile(
    r"(?P<family>AA|AAp)_(?P<geometry>slide|twist|mismatch)(?P<indices>(?:-[0-9]{1,6}){2,3})"
    rf"(?:_strain(?P<strain>[+-]{NUMBER}))?(?:_d(?P<distance>{NUMBER}))?"
    rf"(?:_field(?P<field>[+-]{NUMBER}))?"
)
#: The same grammar as a Snakemake wildcard constraint (no named groups).
PATTERN = re.sub(r"\?P<[a-z]+>", "?:", GRAMMAR.pattern)


class System(BaseModel):
    """One bilayer: stacking family, geometry, strain, layer distance and field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["AA", "AAp"]
    geometry: Literal["slide", "twist", "mismatch"]
    indices: tuple[int, ...]
    strain_percent: float = 0.0
    distance_A: float | None = None
    field_V_per_A: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _slide_in_lowest_terms(cls, values):
        indices = values.get("indices", ())
        if values.get("geometry") == "slide" and any(indices):
            divisor = math.gcd(*indices)
            values = values | {"indices": tuple(index // divisor for index in indices)}
        return values

    @model_validator(mode="after")
    def _indices_fit_the_geometry(self):
        wanted = 3 if self.geometry == "slide" else 2
        if len(self.indices) != wanted:
            raise ValueError(f"{self.geometry} takes {wanted} numbers, got {self.indices}")
        if self.geometry == "slide":
            i, j, n = self.indices
            if n < 1 or i >= n or j >= n:
                raise ValueError(f"slide-i-j-n needs 0 <= i, j < n, got {self.indices}")
        elif min(self.indices) < 1 or self.indices[0] == self.indices[1]:
            raise ValueError(
                f"{self.geometry} needs two different numbers >= 1, got {self.indices}"
            )
        elif math.gcd(*self.indices) != 1:
            raise ValueError(f"{self.geometry} needs numbers without a common factor")
        if not -20 <= self.strain_percent <= 20:
            raise ValueError(f"strain must lie in -20 ... 20 %, got {self.strain_percent}")
        if self.distance_A is not None and not 2.0 <= self.distance_A <= 6.0:
            raise ValueError(f"layer distance must lie in 2 ... 6 A, got {self.distance_A}")
        if not -1.0 <= self.field_V_per_A <= 1.0:
            raise ValueError(f"field must lie in -1 ... 1 V/A, got {self.field_V_per_A}")
        return self

    @classmethod
    @cache
    def parse(cls, name: str) -> "System":
        """The system of this name; ValueError, in one line, for a name outside the grammar."""
        match = GRAMMAR.fullmatch(name)
        if match is None:
            raise ValueError(
                f"no system is called {name!r}: expected e.g. AA_twist-21-22, "
                "AA_slide-3-5-10_strain-1.0_field+0.020 or AA_mismatch-9-10_d3.40"
            )
        indices = tuple(int(number) for number in match["indices"].split("-")[1:])
        return cls(
            family=match["family"],
            geometry=match["geometry"],
            indices=indices,
            strain_percent=float(match["strain"] or 0.0),
            distance_A=float(match["distance"]) if match["distance"] else None,
            field_V_per_A=float(match["field"] or 0.0),
        )

    @property
    def name(self) -> str:
        """The canonical name: options that hold their default value are left out."""
        parts = [self.family, "-".join([self.geometry, *map(str, self.indices)])]
        if self.strain_percent:
            parts.append(f"strain{self.strain_percent:+.2f}")
        if self.distance_A is not None:
            parts.append(f"d{self.distance_A:.3f}")
        if self.field_V_per_A:
            parts.append(f"field{self.field_V_per_A:+.4f}")
        return "_".join(parts)

    @property
    def n_atoms(self) -> int:
        """Atoms of the periodic cell."""
        if self.geometry == "slide":
            return 4
        m, n = self.indices
        return 2 * (m * m + n * n) if self.geometry == "mismatch" else 4 * (m * m + m * n + n * n)

    @property
    def twist_angle_deg(self) -> float:
        """Twist angle in degrees (0 for slides and mismatched layers)."""
        if self.geometry != "twist":
            return 0.0
        m, n = self.indices
        return math.degrees(math.acos((m * m + 4 * m * n + n * n) / (2 * (m * m + m * n + n * n))))

    @property
    def eta(self) -> float:
        """Lattice mismatch eta = 1 - U/L, > 0 where the lower layer is compressed."""
        return 1 - self.indices[0] / self.indices[1] if self.geometry == "mismatch" else 0.0
