"""Frames of label sets and bilayers of sweeps, the settings of labels, and which labels ship."""

import csv
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moirepol.dft.engine import DEFAULT as DEFAULT_ENGINE
from moirepol.errors import ConfigError
from moirepol.structure.material import DEFAULT_MATERIAL, load_material
from moirepol.structure.names import System, material_of, nearest
from moirepol.structure.symmetry import distinct_slides

if TYPE_CHECKING:  # slow to import, and a plan does not need it
    import xarray as xr

INDEX = "index.csv"
CHECKSUMS = "SHA256SUMS"
STANDARD = "standard"
REJECTED = ".rejected"
#: Settings that are lengths of a bilayer.
LENGTHS = ("lattice_constant_A", "layer_distance_A")


def recipe_of(config: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """Return the settings of a recipe.

    Parameters
    ----------
    config
        The settings of the workflow.
    recipe
        Name of the recipe.

    Returns
    -------
    dict
        All settings of the recipe.
    """
    labels = config["labels"]
    return labels["recipe"] if recipe == STANDARD else labels["variants"][recipe]


def changes_of(config: Mapping[str, Any], recipe: str) -> dict[str, Any]:
    """Return the settings in which a recipe differs from the standard recipe.

    Parameters
    ----------
    config
        The settings of the workflow.
    recipe
        Name of the recipe.

    Returns
    -------
    dict
        The settings of the recipe that the standard recipe lacks or has with another value.
    """
    standard = recipe_of(config, STANDARD)
    return {
        key: value
        for key, value in recipe_of(config, recipe).items()
        if key not in standard or standard[key] != value
    }


def frames_of(label_set: Mapping[str, Any]) -> list[str]:
    """Return the names of the frames of a label set.

    Parameters
    ----------
    label_set
        An entry of `labels.sets`.

    Returns
    -------
    list of str
        Each stacking of the grids that no symmetry maps to an earlier one, then the named systems.
    """
    names = []
    for grid in label_set.get("grids", []):
        family = grid["family"]
        for distance in grid.get("layer_distances_A", [None]):
            for field in grid.get("fields_V_per_A", [0.0]):
                for strain in grid.get("strains_percent", [0.0]):
                    n = grid["slides_per_axis"]
                    for i, j in distinct_slides(n, family, field):
                        system = System(
                            family=family,
                            geometry="slide",
                            indices=(i, j, n),
                            strain_percent=strain,
                            distance_A=distance,
                            relaxed=grid.get("relaxed", False),
                            field_V_per_A=field,
                        )
                        names.append(system.name)
    names += [System.parse(name).name for name in label_set.get("systems", [])]
    return list(dict.fromkeys(names))


def material_of_set(label_set: Mapping[str, Any]) -> str:
    """Return the material of the bilayers of a label set.

    Parameters
    ----------
    label_set
        An entry of `labels.sets`.

    Returns
    -------
    str
        Name of the material.

    Raises
    ------
    ConfigError
        If the set contains several materials.
    """
    families = [grid["family"] for grid in label_set.get("grids", [])]
    found = sorted({material_of(name) for name in [*families, *label_set.get("systems", [])]})
    if len(found) > 1:
        raise ConfigError(f"a label set of {' and '.join(found)}: allowed is one material")
    return found[0]


def systems_of_sweep(sweep: Mapping[str, Any]) -> list[str]:
    """Return the names of the bilayers of a sweep.

    Parameters
    ----------
    sweep
        An entry of `sweeps`.

    Returns
    -------
    list of str
        The named systems, then the twisted bilayers nearest to the twist angles. A named system
        may be a twist angle or a mismatch. Strain and field are not applied.
    """
    family = sweep.get("family", "AA")
    twists = [
        nearest(f"{family}_angle-{angle}", maximum_atoms=sys.maxsize).name
        for angle in sweep.get("twist_angles_deg", [])
    ]
    named = [nearest(name, maximum_atoms=sys.maxsize).name for name in sweep.get("systems", [])]
    return list(dict.fromkeys([*named, *twists]))


def geometries_of_sweep(sweep: Mapping[str, Any]) -> list[str]:
    """Return the names of the bilayers of a sweep in each strain.

    Parameters
    ----------
    sweep
        An entry of `sweeps`.

    Returns
    -------
    list of str
        All strains of the first bilayer, then those of the second, and so on.
    """
    return [
        System.parse(name).model_copy(update={"strain_percent": strain}).name
        for name in systems_of_sweep(sweep)
        for strain in sweep.get("strains_percent", [0.0])
    ]


def lengths_of(config: Mapping[str, Any], material: str) -> dict[str, float]:
    """Return the lengths that bilayers of a material are built with.

    Parameters
    ----------
    config
        The settings of the workflow.
    material
        Name of the material.

    Returns
    -------
    dict
        `lattice_constant_A` and `layer_distance_A`: the settings for the default material, for
        another one the values of its file.
    """
    if material == DEFAULT_MATERIAL:
        return {key: config[key] for key in LENGTHS}
    return {key: getattr(load_material(material), key) for key in LENGTHS}


def settings_of(
    config: Mapping[str, Any], recipe: str, material: str = DEFAULT_MATERIAL
) -> dict[str, Any]:
    """Return all settings that a label depends on, besides the name of its system.

    Parameters
    ----------
    config
        The settings of the workflow.
    recipe
        Name of the recipe.
    material
        Name of the material. The pseudopotentials of another than the default one are those of its
        file.

    Returns
    -------
    dict
        `recipe`, `lattice_constant_A` and `layer_distance_A`.

    Raises
    ------
    ConfigError
        If the material has no pseudopotentials for the DFT code of the recipe.
    """
    found = recipe_of(config, recipe)
    if material != DEFAULT_MATERIAL:
        engine = found.get("engine", DEFAULT_ENGINE)
        known = load_material(material).pseudopotentials
        if engine not in known:
            raise ConfigError(
                f"recipe {recipe}, engine = {engine!r}: {material} has pseudopotentials for "
                f"{', '.join(known)} alone"
            )
        found = found | {"pseudopotentials": dict(known[engine])}
    return {"recipe": found, **lengths_of(config, material)}


def settings_from(ds: "xr.Dataset") -> dict[str, Any]:
    """Return the settings that a file of labels was made with.

    Parameters
    ----------
    ds
        The file.

    Returns
    -------
    dict
        As `settings_of`.
    """
    return json.loads(ds.attrs["settings"])


def digest(settings: Mapping[str, Any]) -> str:
    """Return a short digest of settings. Labels of one digest belong together.

    Parameters
    ----------
    settings
        As `settings_of`.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shipped_frames(folder: str | Path) -> set[tuple[str, str, str]]:
    """Return which labels ship.

    Parameters
    ----------
    folder
        The folder of shipped label sets, with its index.

    Returns
    -------
    set of tuple
        (label set, frame, digest of the settings) of each label. Empty without an index.
    """
    index = Path(folder) / INDEX
    if not index.is_file():
        return set()
    with open(index, encoding="utf-8", newline="") as file:
        return {(row["set"], row["frame"], row["digest"]) for row in csv.DictReader(file)}
