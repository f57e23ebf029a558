"""Files of labels that the rules read and make: shipped, computed, or both.

A set ships as ``<shipped folder>/<set>.nc``. The workflow makes ``results/labels/<set>.nc`` from
the shipped set and from single frames ``results/labels/<recipe>/<frame>.nc``.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from moirepol.dft.engine import DEFAULT as DEFAULT_ENGINE
from moirepol.errors import ConfigError
from moirepol.structure.material import DEFAULT_MATERIAL, load_material
from moirepol.structure.names import System, material_of
from moirepol.workflow.label_sets import (
    STANDARD,
    digest,
    frames_of,
    material_of_set,
    recipe_of,
    settings_of,
)
from moirepol.workflow.provenance import read_netcdf

#: (set, frame, digest of the settings) of every shipped label, see `label_sets.shipped_frames`.
Shipped = set[tuple[str, str, str]]


def set_recipe(config: Mapping[str, Any], name: str) -> str:
    """Return the name of the recipe of a label set.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.

    Returns
    -------
    str
        Name of its recipe, `standard` if the set names none.
    """
    return config["labels"]["sets"][name].get("recipe", STANDARD)


def set_settings(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return all settings that the labels of a set depend on.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.

    Returns
    -------
    dict
        As `label_sets.settings_of`.
    """
    material = material_of_set(config["labels"]["sets"][name])
    return settings_of(config, set_recipe(config, name), material)


def frames(config: Mapping[str, Any], name: str) -> list[str]:
    """Return the names of the frames of a label set.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.

    Returns
    -------
    list of str
        Names of systems, in the order of the set.
    """
    return list(_frames(json.dumps(config["labels"]["sets"][name])))


@cache
def _frames(label_set: str) -> tuple[str, ...]:
    return tuple(frames_of(json.loads(label_set)))


def shipping(config: Mapping[str, Any], name: str, shipped: Shipped) -> list[bool]:
    """Return for each frame of a label set whether it ships with the present settings.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.
    shipped
        All shipped labels.

    Returns
    -------
    list of bool
        One entry for each frame.
    """
    wanted = digest(set_settings(config, name))
    return [(name, frame, wanted) in shipped for frame in frames(config, name)]


def is_ready(config: Mapping[str, Any], name: str, shipped: Shipped) -> bool:
    """Return whether a label set needs no first-principles run beyond those requested.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.
    shipped
        All shipped labels.

    Returns
    -------
    bool
        True if all frames ship, or if `labels.source` is `compute`.
    """
    return config["labels"]["source"] == "compute" or all(shipping(config, name, shipped))


def missing_frames(config: Mapping[str, Any], name: str, shipped: Shipped) -> list[str]:
    """Return the frames of a label set that must be computed.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.
    shipped
        All shipped labels.

    Returns
    -------
    list of str
        The frames that do not ship; all frames if `labels.source` is `compute`.

    Raises
    ------
    ConfigError
        If frames are missing and `labels.source` is `shipped`.
    """
    names = frames(config, name)
    if config["labels"]["source"] == "compute":
        return names
    ships = shipping(config, name, shipped)
    missing = [frame for frame, known in zip(names, ships, strict=True) if not known]
    if missing and config["labels"]["source"] == "shipped":
        raise ConfigError(
            f"labels.source = 'shipped': set {name} has {len(missing)} frames that do not ship "
            f"with these settings, the first is {missing[0]}; use 'complete' to compute them"
        )
    return missing


def label_inputs(
    config: Mapping[str, Any], name: str, missing: list[str], folder: str
) -> dict[str, str | list[str]]:
    """Return the files that a label set is collected from.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.
    missing
        Its frames that must be computed.
    folder
        The folder of shipped labels.

    Returns
    -------
    dict
        `computed`, one file for each missing frame, and, if it is needed, `shipped`.
    """
    recipe = set_recipe(config, name)
    files: dict[str, str | list[str]] = {
        "computed": [f"results/labels/{recipe}/{frame}.nc" for frame in missing]
    }
    if len(missing) < len(frames(config, name)):
        files["shipped"] = f"{folder}/{name}.nc"
    return files


def relaxed_structure(
    config: Mapping[str, Any], recipe: str, frame: str, shipped: Shipped, folder: str
) -> list[str]:
    """Return the file with the structure of a relaxed bilayer that is labelled in a field.

    Parameters
    ----------
    config
        The settings.
    recipe
        Name of the recipe.
    frame
        Name of the bilayer.
    shipped
        All shipped labels.
    folder
        The folder of shipped labels.

    Returns
    -------
    list of str
        One file: a shipped label set, or the label without a field. None for other bilayers.
    """
    system = System.parse(frame)
    if not (system.relaxed and system.field_V_per_A):
        return []
    wanted = system.model_copy(update={"field_V_per_A": 0.0}).name
    of_settings = digest(settings_of(config, recipe, system.material))
    sets = [name for name, known, of in shipped if known == wanted and of == of_settings]
    if sets and config["labels"]["source"] != "compute":
        return [f"{folder}/{min(sets)}.nc"]
    return [f"results/labels/{recipe}/{wanted}.nc"]


def audited_file(config: Mapping[str, Any], name: str, folder: str) -> str:
    """Return the file of a label set that is audited.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.
    folder
        The folder of shipped labels.

    Returns
    -------
    str
        The shipped file, which may lack frames, if there is one and `labels.source` is not
        `compute`; otherwise the file of the whole set.
    """
    shipped = f"{folder}/{name}.nc"
    if config["labels"]["source"] != "compute" and Path(shipped).is_file():
        return shipped
    return f"results/labels/{name}.nc"


def own_sets(config: Mapping[str, Any]) -> list[str]:
    """Return the label sets by the first DFT code of their material; the others are comparisons.

    Parameters
    ----------
    config
        The settings.

    Returns
    -------
    list of str
        Names of label sets.
    """
    found = []
    for name, label_set in config["labels"]["sets"].items():
        standard = config["labels"]["recipe"].get("engine", DEFAULT_ENGINE)
        material = material_of_set(label_set)
        if material != DEFAULT_MATERIAL:
            standard = next(iter(load_material(material).pseudopotentials))
        if recipe_of(config, set_recipe(config, name)).get("engine", DEFAULT_ENGINE) == standard:
            found.append(name)
    return found


def audited_sets(config: Mapping[str, Any], folder: str) -> list[str]:
    """Return the label sets that are audited.

    Parameters
    ----------
    config
        The settings.
    folder
        The folder of shipped labels.

    Returns
    -------
    list of str
        The sets that ship at least in part; `own_sets` if `labels.source` is `compute`.
    """
    if config["labels"]["source"] == "compute":
        return own_sets(config)
    sets = config["labels"]["sets"]
    return [name for name in sets if audited_file(config, name, folder).startswith(folder)]


def is_recheckable(config: Mapping[str, Any], name: str) -> bool:
    """Return whether a frame of a label set can be labelled again for a check.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.

    Returns
    -------
    bool
        True for an own set with a frame of at most `labels.checks.maximum_atoms` atoms.
    """
    maximum = config["labels"]["checks"]["maximum_atoms"]
    return name in own_sets(config) and any(
        System.parse(frame).n_atoms <= maximum for frame in frames(config, name)
    )


def labels_with(config: Mapping[str, Any], name: str) -> str:
    """Return the file of the first label set that contains a bilayer.

    Parameters
    ----------
    config
        The settings.
    name
        Name of the bilayer.

    Returns
    -------
    str
        The file.

    Raises
    ------
    ConfigError
        If no label set contains the bilayer.
    """
    sets = config["labels"]["sets"]
    for label_set in sets:
        if name in frames(config, label_set):
            return f"results/labels/{label_set}.nc"
    raise ConfigError(
        f"{name}: no label set contains it, so there are no Wannier centres; "
        f"allowed are bilayers of labels.sets ({', '.join(sets)})"
    )


def direct_labels(
    config: Mapping[str, Any], folder: str, *geometries: str, material: str = DEFAULT_MATERIAL
) -> list[str]:
    """Return the files of audited label sets with rigid cells of some geometries.

    Parameters
    ----------
    config
        The settings.
    folder
        The folder of shipped labels.
    *geometries
        Geometries of `moirepol.structure.names.System`.
    material
        Material of the cells.

    Returns
    -------
    list of str
        Files of label sets.
    """
    return [
        audited_file(config, name, folder)
        for name in audited_sets(config, folder)
        if name in own_sets(config)
        and material_of_set(config["labels"]["sets"][name]) == material
        and any(
            system.geometry in geometries and not system.relaxed
            for system in map(System.parse, frames(config, name))
        )
    ]


def label_of_system(config: Mapping[str, Any], folder: str, system: str) -> list[str]:
    """Return the file of the first audited label set that contains a system.

    Parameters
    ----------
    config
        The settings.
    folder
        The folder of shipped labels.
    system
        The system's name.

    Returns
    -------
    list of str
        One file, or none.
    """
    sets = audited_sets(config, folder)
    found = [audited_file(config, name, folder) for name in sets if system in frames(config, name)]
    return found[:1]


def validation_file(config: Mapping[str, Any], name: str, shipped: Shipped, folder: str) -> str:
    """Return the file of a label set that models are validated by.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.
    shipped
        All shipped labels.
    folder
        The folder of shipped labels.

    Returns
    -------
    str
        The file of the whole set if it is ready, otherwise the shipped part.
    """
    ready = is_ready(config, name, shipped)
    return f"results/labels/{name}.nc" if ready else f"{folder}/{name}.nc"


def polarizability_file(config: Mapping[str, Any], slide: str, folder: str) -> str:
    """Return the file of the polarizability of an untwisted bilayer.

    Parameters
    ----------
    config
        The settings.
    slide
        Name of the bilayer.
    folder
        The folder of shipped polarizabilities.

    Returns
    -------
    str
        The shipped file if it was made with the present settings and `labels.source` is not
        `compute`; otherwise a file to compute.
    """
    recipe = family_recipe(config, System.parse(slide).family)
    return _shipped_or_computed(
        config, recipe, material_of(slide), f"{slide}.nc", folder, "in_plane"
    )


def monolayer_file(config: Mapping[str, Any], material: str, folder: str) -> str:
    """Return the file of the constants of a monolayer.

    Parameters
    ----------
    config
        The settings.
    material
        Name of the material.
    folder
        The folder of shipped constants.

    Returns
    -------
    str
        As `polarizability_file`.
    """
    return _shipped_or_computed(
        config, STANDARD, material, f"{material}.nc", folder, "bulk_modulus"
    )


def _shipped_or_computed(config, recipe, material, name, folder, variable):
    shipped = Path(folder) / name
    if config["labels"]["source"] != "compute" and shipped.is_file():
        wanted = digest(settings_of(config, recipe, material))
        if _settings_digest(str(shipped), variable) == wanted:
            return str(shipped)
    return f"results/{Path(folder).name}/{name}"


@cache
def _settings_digest(file: str, variable: str) -> str:
    """Digest of the settings of a file, which does not change while Snakemake plans the jobs."""
    return read_netcdf(file, variable).attrs["settings_digest"]


def family_recipe(config: Mapping[str, Any], family: str) -> str:
    """Return the recipe of the labels that the predictions of a family use.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.

    Returns
    -------
    str
        Recipe of the labels of its zero-field model; of its first label set without such a model,
        `standard` without labels.
    """
    model = config["predictors"].get(family, {}).get("zero_field")
    own = config["models"][model]["labels"] if model in config["models"] else []
    sets = [name for name in config["labels"]["sets"] if family in families_in(config, name)]
    return set_recipe(config, next(iter([*own, *sets]))) if own or sets else STANDARD


def families_in(config: Mapping[str, Any], name: str) -> set[str]:
    """Return the stacking families of a label set.

    Parameters
    ----------
    config
        The settings.
    name
        The label set.

    Returns
    -------
    set of str
        The families.
    """
    return {System.parse(frame).family for frame in frames(config, name)}


def sets_with_stacking(
    config: Mapping[str, Any], family: str, stacking: tuple[int, ...], shipped: Shipped
) -> list[str]:
    """Return the ready label sets with flat, unstrained layers at one stacking.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family. The labels are by its recipe.
    stacking
        Indices of the stacking in a name, (i, j, n).
    shipped
        All shipped labels.

    Returns
    -------
    list of str
        Label sets at any layer distance and in any field, in the order of the settings.
    """
    recipe = family_recipe(config, family)
    wanted = System(family=family, geometry="slide", indices=stacking)
    anywhere = {"distance_A": None, "field_V_per_A": 0.0}
    return [
        name
        for name in config["labels"]["sets"]
        if set_recipe(config, name) == recipe
        and is_ready(config, name, shipped)
        and any(
            System.parse(frame).model_copy(update=anywhere) == wanted
            for frame in frames(config, name)
        )
    ]


def is_mapped(config: Mapping[str, Any], family: str, shipped: Shipped) -> bool:
    """Return whether the configuration space of a family needs no further label.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.
    shipped
        All shipped labels.

    Returns
    -------
    bool
        True if the label set of `finest_slides` is ready.
    """
    try:
        file, _ = finest_slides(config, family)
    except ConfigError:
        return False
    return is_ready(config, Path(file).stem, shipped)


#: Settings of a recipe that a label converges with.
CONVERGING = ("ecutwfc_Ry", "ecutrho_Ry", "mesh_4_atom_cell", "cell_height_A")


def finer_recipes(config: Mapping[str, Any], family: str) -> dict[str, dict[str, Any]]:
    """Return the recipes that differ from that of a family in one larger cut-off, mesh or height.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.

    Returns
    -------
    dict
        Name -> the changed setting with its value.
    """
    own = recipe_of(config, family_recipe(config, family))
    found = {}
    for name in config["labels"]["variants"]:
        other = recipe_of(config, name)
        keys = [key for key in {**own, **other} if own.get(key) != other.get(key)]
        if len(keys) == 1 and keys[0] in CONVERGING and other[keys[0]] > own[keys[0]]:
            found[name] = {keys[0]: other[keys[0]]}
    return found


def finest_slides(
    config: Mapping[str, Any], family: str, recipe: str | None = None
) -> tuple[str, int]:
    """Find the label set with the finest grid of unstrained stackings of a family without a field.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.
    recipe
        Name of the recipe of the labels; None for `family_recipe`.

    Returns
    -------
    tuple
        The file of the label set, and the stackings along each axis.

    Raises
    ------
    ConfigError
        If no label set has such a grid.
    """
    recipe = recipe or family_recipe(config, family)
    found = [
        (grid["slides_per_axis"], name)
        for name, label_set in config["labels"]["sets"].items()
        for grid in label_set.get("grids", [])
        if grid["family"] == family
        and 0 in grid.get("strains_percent", [0])
        and 0 in grid.get("fields_V_per_A", [0])
        and "layer_distances_A" not in grid
        and set_recipe(config, name) == recipe
    ]
    if not found:
        raise ConfigError(f"labels.sets: no grid of plain {family} slides by recipe {recipe}")
    slides, name = max(found)
    return f"results/labels/{name}.nc", slides


def page_slides(config: Mapping[str, Any], family: str, slides: Iterable[str]) -> list[str]:
    """Return the stackings that the page of a material shows.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.
    slides
        Stackings, without the family.

    Returns
    -------
    list of str
        Names of the systems.

    Raises
    ------
    ConfigError
        If the label set of `finest_slides` lacks one of them.
    """
    name = Path(finest_slides(config, family)[0]).stem
    asked = [f"{family}_{slide}" for slide in slides]
    if missing := [frame for frame in asked if frame not in frames(config, name)]:
        raise ConfigError(
            f"labels.sets.{name}: the page of a material needs the stackings {', '.join(asked)}; "
            f"add {', '.join(missing)} to systems"
        )
    return asked


def slides_beside(config: Mapping[str, Any], name: str) -> tuple[str, int]:
    """Find the finest grid of stackings of the family and recipe of another label set.

    Parameters
    ----------
    config
        The settings.
    name
        A label set of one family.

    Returns
    -------
    tuple
        As `finest_slides`.

    Raises
    ------
    ConfigError
        If no label set has such a grid.
    """
    family = System.parse(frames(config, name)[0]).family
    return finest_slides(config, family, set_recipe(config, name))


def stackings_of_heights(config: Mapping[str, Any], family: str) -> int:
    """Return the stackings along each primitive vector of the label sets of `heights`.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.

    Returns
    -------
    int
        The n of the grids.

    Raises
    ------
    ConfigError
        If the grids differ.
    """
    heights = config["heights"][family]
    names = [*heights["distance"], *heights["relaxed"]]
    grids = {
        grid["slides_per_axis"]
        for name in names
        for grid in config["labels"]["sets"][name].get("grids", [])
    }
    if len(grids) != 1:
        raise ConfigError(
            f"heights.{family}: slides_per_axis of the label sets is {sorted(grids)}, "
            "allowed is one number"
        )
    return grids.pop()


def trained_eta(config: Mapping[str, Any], family: str) -> list[float]:
    """Return the lattice mismatches among the labels that a family's predictions use.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.

    Returns
    -------
    list of float
        Sorted mismatches eta: 0, and those of the uniaxial heterostrain cells.
    """
    names = [frame for name in config["gradient"].get(family, []) for frame in frames(config, name)]
    return sorted({0.0, *(System.parse(frame).eta for frame in names)})
