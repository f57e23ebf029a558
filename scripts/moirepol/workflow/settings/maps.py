"""Settings of maps and sweeps."""

from typing import Annotated

from pydantic import Field

from moirepol.workflow.settings.base import (
    ABSENT,
    ElectricField,
    Family,
    Section,
    SomeDistinct,
    Strain,
    SystemName,
    setting,
)

Points = Annotated[
    int, Field(ge=12, le=4002, multiple_of=6, json_schema_extra={"x-unit": "points"})
]
TwistAngle = Annotated[float, Field(ge=0.5, le=25, json_schema_extra={"x-unit": "°"})]


class Maps(Section):
    """Polarization maps of moiré cells."""

    maximum_atoms: int = setting(
        "Largest number of atoms of a cell in results/dipoles. The limit applies to names with a "
        "twist angle or a mismatch, which select a cell. Maps have no limit.",
        "atoms",
        ge=28,
        le=10_000_000,
    )
    points_per_period: int = setting(
        "Points along each vector of the moiré pattern at which dipoles are evaluated for a map.",
        default=36,
        ge=6,
        le=600,
    )
    grid_points: Points = setting("Points of a map's periodic grid along each cell vector.")
    zero_tolerance: float = setting(
        "Fraction of a map's largest |P| that counts as zero in its topological charge.",
        ge=0,
        le=0.1,
    )
    charge_grids: SomeDistinct[Points] = setting(
        "Points along each cell vector of the grids on which the topological charge is computed."
    )


class Sweep(Section):
    """All combinations of bilayers, strains and electric fields, results/sweeps/<name>.nc."""

    systems: SomeDistinct[SystemName] = setting(
        "Moiré bilayers by name, without strain and field. A name with a twist angle or a "
        "mismatch, such as AA_angle-2.0, selects the closest cell.",
        default=ABSENT,
        otherwise="none",
    )
    twist_angles_deg: SomeDistinct[TwistAngle] = setting(
        "Twist angles. Each selects the closest cell twist-m-n with n = m + 1.",
        default=ABSENT,
        otherwise="none",
    )
    family: Family = setting("Stacking family of the twist angles.", default="AA")
    strains_percent: SomeDistinct[Strain] = setting("Biaxial strains of both layers.", default=[0])
    fields_V_per_A: SomeDistinct[ElectricField] = setting("Electric fields along +z.", default=[0])
