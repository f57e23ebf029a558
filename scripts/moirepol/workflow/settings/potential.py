"""Settings of the electrostatic potential above a bilayer."""

from typing import Annotated, Literal

from pydantic import Field

from moirepol.workflow.settings.base import Section, SomeDistinct, setting

Height = Annotated[float, Field(gt=0, le=10_000, json_schema_extra={"x-unit": "Å"})]


class Slab(Section):
    """A homogeneous dielectric slab. h-BN: permittivity about 6.9 in-plane, 3.8 out-of-plane."""

    thickness_A: float = setting("Thickness.", "Å", ge=0, le=1e7)
    in_plane: float = setting("Relative permittivity in-plane.", ge=1, le=1e5)
    out_of_plane: float = setting("Relative permittivity out-of-plane.", ge=1, le=1e5)


class Volume(Section):
    """Grid of the volume results/exports/<system>_potential.cube."""

    lowest_A: Height = setting("Height of the lowest plane, measured as heights_A.")
    highest_A: Height = setting("Height of the highest plane, measured as heights_A.")
    planes: int = setting("Number of planes.", ge=2, le=1000)
    grid_points: int = setting("Points along each cell vector.", "points", ge=6, le=1000)


class Potential(Section):
    """Potential above a bilayer, results/potentials/<system>.nc."""

    heights_A: SomeDistinct[Height] = setting(
        "Heights above the atoms of the uppermost bilayer, or above the surface of its cover."
    )
    substrate: Literal["none", "grounded"] = setting(
        "Medium below the spacer. none = vacuum. grounded = a metal at the potential 0. It doubles "
        "the potential of a wide domain.",
        default="none",
    )
    spacer: list[Slab] = setting(
        "Dielectric slabs between the substrate and the lowest bilayer, the lowest first.",
        default=[],
    )
    cover: list[Slab] = setting(
        "Dielectric slabs on the uppermost bilayer, the lowest first.", default=[]
    )
    interfaces: int = setting(
        "Number of equal bilayers in a stack.", "bilayers", default=1, ge=1, le=20
    )
    between: list[Slab] = setting(
        "Dielectric slabs between neighbouring bilayers of a stack, the lowest first.", default=[]
    )
    volume: Volume = setting("Grid in space for programs that show volumes.")
