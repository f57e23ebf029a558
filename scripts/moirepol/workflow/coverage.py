"""Models that predict a system, and the distance of the system from their labels."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pydantic

from moirepol.errors import ConfigError
from moirepol.structure.names import System, material_of, nearest
from moirepol.workflow import own_structures
from moirepol.workflow.label_sets import frames_of, lengths_of


def bilayer_of(config: Mapping[str, Any], name: str) -> System | own_structures.OwnStructure:
    """Return the structure of the user's own, or the system, of a name."""
    return own_structures.find(config, name) or System.parse(name)


def predictors_of(
    config: Mapping[str, Any], bilayer: str | System | own_structures.OwnStructure
) -> dict[str, str]:
    """Find the models that predict a system.

    A response model is needed in a field, and if the family's long-range electrostatics is added;
    without either it is the zero-field model alone.

    Parameters
    ----------
    config
        The settings.
    bilayer
        The bilayer or its name.

    Returns
    -------
    dict
        Names of the models by kind.

    Raises
    ------
    ConfigError
        If the system's family or field lacks a model, or if the system lies farther beyond the
        labels of the models than `extrapolation` allows.
    """
    system = bilayer_of(config, bilayer) if isinstance(bilayer, str) else bilayer
    kinds = config["predictors"].get(system.family, {})
    needed = ["zero_field"]
    relaxed = isinstance(system, System) and system.relaxed
    if relaxed and system.family not in config["heights"]:
        raise ConfigError(f"heights.{system.family}: no labels of relaxed bilayers")
    if system.field_V_per_A or system.family in config["long_range"]:
        needed.append("response")
    for kind in needed:
        if kind not in kinds:
            raise ConfigError(f"predictors.{system.family} names no {kind} model")
    for setting, excess, words in _excesses(config, system, kinds):
        if excess > config["extrapolation"][setting] + 1e-9:
            hint = ""
            if setting == "layer_distance_A" and system.family in config["heights"]:
                hint = f"; label sets in heights.{system.family}.distance extend the labels"
            elif isinstance(system, System):
                hint = f"; `./run results/plans/{system.name}.yaml` proposes labels"
            raise ConfigError(
                f"{words}, farther than extrapolation.{setting} = "
                f"{config['extrapolation'][setting]:g} allows{hint}"
            )
    return kinds if system.field_V_per_A else {kind: kinds[kind] for kind in needed}


def beyond_labels(
    config: Mapping[str, Any], bilayer: str | System | own_structures.OwnStructure
) -> str:
    """Describe the quantities in which a system lies beyond the labels of its models.

    Parameters
    ----------
    config
        The settings.
    bilayer
        The bilayer or its name.

    Returns
    -------
    str
        One line, empty if the labels cover the system.
    """
    system = bilayer_of(config, bilayer) if isinstance(bilayer, str) else bilayer
    found = _excesses(config, system, config["predictors"].get(system.family, {}))
    words = [words for _, _, words in found]
    if kept := kept_at_distance(config, system):
        words.append(kept)
    rough = 0.0 if isinstance(system, System) else system.recognized.roughness_A[0]
    if rough > own_structures.STATED_ROUGHNESS_A:
        words.append(
            f"atoms up to {rough:.2g} Å away from the smooth lattices of the layers: the dipoles "
            "contain this by the Born charges, the error does not"
        )
    return "; ".join(words)


def kept_at_distance(
    config: Mapping[str, Any], bilayer: str | System | own_structures.OwnStructure
) -> str:
    """State what a prediction at another layer distance takes from the configured distance.

    Parameters
    ----------
    config
        The settings.
    bilayer
        The bilayer or its name.

    Returns
    -------
    str
        One line, empty at the configured distance, and for relaxed and translated bilayers.
    """
    system = bilayer_of(config, bilayer) if isinstance(bilayer, str) else bilayer
    usual = lengths_of(config, material_of(system.family))["layer_distance_A"]
    translated = isinstance(system, System) and system.geometry == "slide"
    if translated or all(abs(d - usual) < 1e-3 for d in _distances(config, system)):
        return ""
    parts = {"long_range": "the polarizability", "gradient": "the effect of twist and strain"}
    kept = [words for key, words in parts.items() if system.family in config[key]]
    verb = "is that" if len(kept) == 1 else "are those"
    return f"{' and '.join(kept)} {verb} of {usual:g} Å" if kept else ""


def _excesses(config, system, kinds):
    """Yield (setting of `extrapolation`, excess, words) for each excess of a system."""
    models = {kind: name for kind, name in kinds.items() if name in config["models"]}
    checks = []
    if name := models.get("zero_field"):
        strains, distances = _labelled(config, config["models"][name])
        if system.family in config["heights"]:
            # The networks are evaluated at the configured distance (moirepol.physics.heights).
            others = config["heights"][system.family]["distance"]
            sets = [config["labels"]["sets"][other] for other in others]
            usual = lengths_of(config, material_of(system.family))["layer_distance_A"]
            distances = [usual, *_ranges(system.family, json.dumps(sets))[1]]
        if system.eta:
            names = config["gradient"].get(system.family, [])
            uniaxial = [config["labels"]["sets"][name] for name in names]
            strains = strains + _ranges(system.family, json.dumps(uniaxial))[0]
        here = system.layer_strains_percent
        checks.append(("strain_percent", "strain of a layer", "%", here, strains, name))
        here = _distances(config, system)
        checks.append(("layer_distance_A", "layer distance", "Å", here, distances, name))
    if name := models.get("response"):
        field = config["models"][name]["field_V_per_A"]
        here = [system.field_V_per_A]
        checks.append(("field_V_per_A", "field", "V/Å", here, [-field, field], name))
        if system.family in config["long_range"] and system.family not in config["heights"]:
            here, distances = (
                _distances(config, system),
                _labelled(config, config["models"][name])[1],
            )
            checks.append(("layer_distance_A", "layer distance", "Å", here, distances, name))
    for setting, word, unit, here, known, name in checks:
        low, high = min(known), max(known)
        excess, value = max((max(low - value, value - high), value) for value in here)
        if excess > 1e-6:
            labelled = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            words = f"a {word} of {value:.4g} {unit}, the labels of model {name} have {labelled}"
            yield setting, excess, words


def _distances(config, system):
    """Layer distances (A) of a system or of a structure of the user's own."""
    if isinstance(system, System):
        return [system.distance_A or lengths_of(config, system.material)["layer_distance_A"]]
    return system.distances_A


def _labelled(config, model):
    """Strains (percent) of layers and layer distances (A) in the labels of a model."""
    sets = [config["labels"]["sets"][name] for name in model["labels"]]
    strains, distances = _ranges(model["family"], json.dumps(sets))
    if not strains:
        raise ConfigError(f"the labels {', '.join(model['labels'])} contain no {model['family']}")
    standard = lengths_of(config, material_of(model["family"]))["layer_distance_A"]
    return strains, [distance or standard for distance in distances]


@cache
def _ranges(family: str, sets: str) -> tuple[list[float], list[float | None]]:
    """Strains (percent) and layer distances (A) of a family in label sets, given as JSON."""
    systems = {System.parse(name) for part in json.loads(sets) for name in frames_of(part)}
    own = [system for system in systems if system.family == family]
    strains = {strain for system in own for strain in system.layer_strains_percent}
    return sorted(strains), list({system.distance_A for system in own})


def parse_name(name: str, maximum_atoms: int | None = None) -> System:
    """Parse the name of a system.

    Parameters
    ----------
    name
        A system's name or, with `maximum_atoms`, also the twist angle or mismatch that its cell
        comes nearest to (`moirepol.structure.names.nearest`).
    maximum_atoms
        Largest cell that is allowed, in atoms. None allows names of systems only, of any size.

    Returns
    -------
    System
        The system.

    Raises
    ------
    ConfigError
        If the name is not one of these.
    """
    try:
        return System.parse(name) if maximum_atoms is None else nearest(name, maximum_atoms)
    except pydantic.ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(reason) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def system_of(name: str, maximum_atoms: int | None = None) -> System:
    """Parse the name of a system that is requested as a file.

    Parameters
    ----------
    name, maximum_atoms
        As `parse_name`.

    Returns
    -------
    System
        The system.

    Raises
    ------
    ConfigError
        As `parse_name`. The message begins with the name.
    """
    try:
        return parse_name(name, maximum_atoms)
    except ConfigError as error:
        reason = str(error).removeprefix(f"{name}: ")
        raise ConfigError(f"{name}: {reason}") from None
