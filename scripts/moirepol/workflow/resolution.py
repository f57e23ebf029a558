"""Complete settings: defaults, entries that are based on others, files of the material."""

from collections.abc import Mapping
from typing import Any

from moirepol.dft.engine import DEFAULT as DEFAULT_ENGINE
from moirepol.errors import ConfigError
from moirepol.structure.material import load_material
from moirepol.workflow.label_sets import STANDARD
from moirepol.workflow.settings import Settings
from moirepol.workflow.settings.base import with_defaults


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings their default, or the value of another entry or of the material.

    Parameters
    ----------
    config
        The settings. Parts of a wrong type are left as they are, for the check of types.

    Returns
    -------
    dict
        The settings with defaults, whole protocols, models and variants, and pseudopotentials.
        Completed settings stay what they are.

    Raises
    ------
    ConfigError
        If `based_on` names no entry or closes a cycle, or if the material has no pseudopotentials
        for a recipe's DFT code.
    """
    config = with_defaults(Settings, config)
    for section in ("protocols", "models"):
        if isinstance(config.get(section), Mapping):
            config[section] = inherit(config[section], section)
    if isinstance(config.get("labels"), Mapping):
        config["labels"] = _with_whole_recipes(config["labels"])
    return config


def inherit(
    entries: Mapping[str, Any], section: str, roots: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Give the entries of a section the settings of the entries that they are based on.

    Parameters
    ----------
    entries
        Named entries. One with `based_on` contains only what differs from the named entry.
    section
        Key of the section, for messages.
    roots
        Further entries that others may be based on. The first is the base of an entry that names
        none.

    Returns
    -------
    dict
        The entries in their order, without `based_on`. Settings are in the order of the base.

    Raises
    ------
    ConfigError
        If `based_on` names no entry or closes a cycle.
    """
    roots = roots or {}
    known = {**entries, **roots}
    default = next(iter(roots), None)

    def whole(name: str, chain: tuple[str, ...]) -> Any:
        entry = known[name]
        if name in roots or not isinstance(entry, Mapping):
            return entry
        base = entry.get("based_on", default)
        own = {key: value for key, value in entry.items() if key != "based_on"}
        if base is None and "based_on" not in entry:
            return own
        key = f"{section}.{name}.based_on = {base!r}"
        if not isinstance(base, str) or base not in known:
            others = ", ".join(sorted(map(str, set(known) - {name})))
            raise ConfigError(_one_line(f"{key}: allowed is one of {others}"))
        chain = (*chain, name)
        if base in chain:
            cycle = " -> ".join((*chain, base))
            reason = f"allowed is an entry that is not based on {name}; this is a cycle, {cycle}"
            raise ConfigError(_one_line(f"{key}: {reason}"))
        above = whole(base, chain)
        return _merge(above, own) if isinstance(above, Mapping) else own

    return {name: whole(name, ()) for name in entries}


def _one_line(text: str) -> str:
    """Names are not checked yet and may contain line ends."""
    return " ".join(text.split())


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Put an entry's own settings on top of its base; files of one DFT code fit no other."""
    if "engine" in own and own["engine"] != base.get("engine", DEFAULT_ENGINE):
        base = {key: value for key, value in base.items() if key != "pseudopotentials"}
    return {**base, **own}


def _with_whole_recipes(labels: Mapping[str, Any]) -> dict[str, Any]:
    labels = dict(labels)
    recipe, variants = labels.get("recipe"), labels.get("variants")
    if isinstance(recipe, Mapping):
        labels["recipe"] = _with_pseudopotentials(recipe, "labels.recipe")
        if isinstance(variants, Mapping):
            key = "labels.variants"
            labels["variants"] = {
                name: _with_pseudopotentials(variant, f"{key}.{name}")
                if isinstance(variant, Mapping)
                else variant
                for name, variant in inherit(variants, key, {STANDARD: recipe}).items()
            }
    return labels


def _with_pseudopotentials(recipe: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Fill in the material's pseudopotentials for the recipe's DFT code; they come first."""
    if "pseudopotentials" in recipe:
        return {"pseudopotentials": recipe["pseudopotentials"], **recipe}
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
