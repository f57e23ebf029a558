"""Structures of the user's own: the setting `structures`, and files that are named by its keys.

``structures: {mine: relaxed.extxyz}`` makes ``mine`` the name of a bilayer. The same bilayer in a
field is ``mine_field+0.0200``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moirepol.errors import ConfigError
from moirepol.structure.names import NUMBER, own_structure_name, split_own_name

if TYPE_CHECKING:
    from moirepol.structure.recognition import Recognized

#: Largest distance in angstrom of an atom from the smooth lattice of its layer. It is a tenth of a
#: bond, the criterion of Lindemann for a crystal.
LARGEST_ROUGHNESS_A = 0.145
#: Corrugation in angstrom that counts as zero.
SMOOTH_A = 1e-3
#: Roughness in angstrom that is stated: the error was not calibrated on rough layers.
STATED_ROUGHNESS_A = 2e-3


@dataclass(frozen=True)
class OwnStructure:
    """A bilayer in a file of the user's.

    Attributes
    ----------
    name
        Its name, with the field.
    path
        The file.
    field_V_per_A
        Electric field from the lower to the upper layer in V/angstrom.
    recognized
        What the file contains.
    """

    name: str
    path: str
    field_V_per_A: float
    recognized: "Recognized"

    @property
    def family(self) -> str:
        """Stacking family."""
        return self.recognized.bilayer.family

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.recognized.bilayer)

    @property
    def n_periods(self) -> int:
        """Number of periods of the pattern in the cell, 0 if it lacks stackings."""
        return self.recognized.n_periods

    @property
    def eta(self) -> float:
        """Lattice mismatch of the mean lattices, 0 if it is below the tolerance."""
        lower, upper = self.recognized.bilayer.areas
        eta = 1 - (lower / upper) ** 0.5
        return eta if abs(eta) > 1e-6 else 0.0

    @property
    def layer_strains_percent(self) -> tuple[float, float]:
        """Smallest and largest local biaxial strain of a layer in percent of the free layer."""
        return self.recognized.area_strains_percent

    @property
    def distances_A(self) -> tuple[float, float]:
        """Smallest and largest local layer distance in angstrom, in steps of `SMOOTH_A`."""
        low, high = self.recognized.distances_A
        return round(low, 3), round(high, 3)


def names_pattern(config: Mapping[str, Any]) -> str:
    """Return the regular expression of the names of own structures, empty if there are none."""
    names = "|".join(config["structures"])
    return rf"(?:{names})(?:_field[+-][0-9]+\.[0-9]{{4}})?" if names else ""


def other_names_pattern(config: Mapping[str, Any]) -> str:
    """Return the regular expression of other spellings of these names, empty if there are none."""
    names = "|".join(config["structures"])
    canonical = names_pattern(config)
    return rf"(?!(?:{canonical})(?:\.|$))(?:{names})_field[+-]{NUMBER}" if names else ""


def canonical_name(config: Mapping[str, Any], name: str) -> str | None:
    """Return the name of an own structure in the spelling of files; None for other systems."""
    structure, field = split_own_name(name)
    return own_structure_name(structure, field) if structure in config["structures"] else None


def find(config: Mapping[str, Any], name: str) -> OwnStructure | None:
    """Find the own structure of a name.

    Parameters
    ----------
    config
        The settings.
    name
        Name of a bilayer.

    Returns
    -------
    OwnStructure or None
        None if the name is not that of an own structure.

    Raises
    ------
    ConfigError
        In one line, if the file is missing or contains no bilayer of the material.
    """
    structure, field = split_own_name(name)
    if structure not in config["structures"]:
        return None
    path = Path(config["structures"][structure])
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    try:
        recognized = _read(str(path), changed, structure, config["lattice_constant_A"])
    except ValueError as error:
        raise ConfigError(f"structures.{structure} = '{path}': {error}") from None
    return OwnStructure(own_structure_name(structure, field), str(path), field, recognized)


@cache
def _read(path: str, changed: int, name: str, lattice_constant_A: float) -> "Recognized":
    # Only runs with own structures need the time of this import.
    from moirepol.structure.recognition import read_structure, recognize

    return check_smooth(recognize(read_structure(path), name, lattice_constant_A))


def check_smooth(found: "Recognized") -> "Recognized":
    """Return a recognized bilayer if each atom is close to the smooth lattice of its layer.

    Raises
    ------
    ValueError
        In one line, if an atom is not.
    """
    rough, atom = found.roughness_A
    if rough > LARGEST_ROUGHNESS_A:
        raise ValueError(
            f"atom {atom} is {rough:.2f} Å away from the smooth lattice of its layer: "
            f"allowed are up to {LARGEST_ROUGHNESS_A} Å"
        )
    return found


def require_map(own: OwnStructure, one_period: bool = False) -> None:
    """Check that the cell of an own structure contains all stackings, or exactly one period.

    Raises
    ------
    ConfigError
        In one line, if it does not.
    """
    if own.n_periods == 0:
        raise ConfigError(f"{own.name}: its cell does not contain all stackings and has no map")
    if one_period and own.n_periods > 1:
        raise ConfigError(
            f"{own.name}: its cell contains {own.n_periods} periods of the pattern; a charge needs "
            "one"
        )
