"""Complete settings: values that the configuration leaves out come from the material."""

from collections.abc import Mapping
from typing import Any

from moirepol.dft.engine import DEFAULT as DEFAULT_ENGINE
from moirepol.errors import ConfigError
from moirepol.structure.material import load_material


def with_material(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what the material decides where the settings do not.

    Parameters
    ----------
    config
        The settings. A section of the wrong type is left as it is, for the check of types.

    Returns
    -------
    dict
        The settings with lattice constant, layer distance, and the pseudopotentials of the recipe
        and of each variant that names another DFT code.

    Raises
    ------
    ConfigError
        If the material has no pseudopotentials for a recipe's DFT code.
    """
    material = load_material()
    config = {
        "lattice_constant_A": material.lattice_constant_A,
        "layer_distance_A": material.layer_distance_A,
    } | dict(config)
    labels = config.get("labels")
    if not isinstance(labels, Mapping):
        return config
    config["labels"] = labels = dict(labels)
    if isinstance(labels.get("recipe"), Mapping):
        labels["recipe"] = _with_pseudopotentials(labels["recipe"], "labels.recipe")
    if isinstance(labels.get("variants"), Mapping):
        labels["variants"] = {
            name: _with_pseudopotentials(variant, f"labels.variants.{name}")
            if isinstance(variant, Mapping) and "engine" in variant
            else variant
            for name, variant in labels["variants"].items()
        }
    return config


def _with_pseudopotentials(recipe: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Fill in the material's pseudopotentials for the recipe's DFT code."""
    if "pseudopotentials" in recipe:
        return dict(recipe)
    known = load_material().pseudopotentials
    engine = recipe.get("engine", DEFAULT_ENGINE)
    if not isinstance(engine, str):
        return dict(recipe)
    if engine not in known:
        raise ConfigError(
            f"{key}.engine = {engine!r}: allowed is one of {', '.join(sorted(known))}, for which "
            "the material has pseudopotentials, or a recipe with pseudopotentials of its own"
        )
    return {"pseudopotentials": dict(known[engine]), **recipe}
