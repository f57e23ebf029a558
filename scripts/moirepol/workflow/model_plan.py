"""Which models a result needs, and the files of their committees."""

from collections.abc import Mapping
from typing import Any

from moirepol.errors import ConfigError
from moirepol.structure.names import System
from moirepol.workflow import own_structures
from moirepol.workflow.coverage import predictors_of, system_of
from moirepol.workflow.label_sets import frames_of, lengths_of

#: The protocol of a model that names none.
PAPER = "paper"


def members(config: Mapping[str, Any], model: str, ending: str = "dp") -> list[str]:
    """Return one file for each member of a model's committee.

    Parameters
    ----------
    config
        The settings.
    model
        Name of the model.
    ending
        Ending of the files, without the point.

    Returns
    -------
    list of str
        Files in the order of the model's seeds.
    """
    seeds = config["models"][model]["seeds"]
    return [f"results/models/{model}/{seed}.{ending}" for seed in seeds]


def protocol_of(config: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the settings of a model's training.

    Parameters
    ----------
    config
        The settings.
    model
        Name of the model.

    Returns
    -------
    dict
        The protocol, that of the paper if the model names none.
    """
    return config["protocols"][config["models"][model].get("protocol", PAPER)]


def label_files(config: Mapping[str, Any], model: str, key: str = "labels") -> list[str]:
    """Return the files of the label sets that a model names.

    Parameters
    ----------
    config
        The settings.
    model
        Name of the model.
    key
        The model's list of sets; `labels` are those that it is trained on.

    Returns
    -------
    list of str
        Files of label sets.
    """
    return [f"results/labels/{name}.nc" for name in config["models"][model].get(key, [])]


def members_for(config: Mapping[str, Any], kind: str, name: str) -> list[str]:
    """Return the members of the model that predicts one kind of dipoles for a system.

    Parameters
    ----------
    config
        The settings.
    kind
        Kind of the model.
    name
        The system's name.

    Returns
    -------
    list of str
        Files of members, none if the system needs no model of this kind.

    Raises
    ------
    ConfigError
        If the name is not spelled as in file names, or if the models do not cover the system.
    """
    canonical = own_structures.canonical_name(config, name) or system_of(name).name
    if name != canonical:
        raise ConfigError(f"{name}: files are named by the one spelling {canonical}")
    if own_structures.canonical_name(config, name) is None:
        system = system_of(name)
        if system.distance_A == lengths_of(config, system.material)["layer_distance_A"]:
            plain = system.model_copy(update={"distance_A": None}).name
            raise ConfigError(f"{name}: this is the configured layer distance; the name is {plain}")
    try:
        model = predictors_of(config, name).get(kind)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    return members(config, model) if model else []


def in_strongest_field(config: Mapping[str, Any], sweep: str, name: str) -> str:
    """Return the name of a sweep's bilayer in the strongest of the sweep's fields.

    Parameters
    ----------
    config
        The settings.
    sweep
        Name of the sweep.
    name
        Name of the bilayer without a field.

    Returns
    -------
    str
        Name of the bilayer in the field.
    """
    field = max(config["sweeps"][sweep].get("fields_V_per_A", [0]), key=abs)
    return System.parse(name).model_copy(update={"field_V_per_A": field}).name


def family_of(config: Mapping[str, Any], name: str) -> str:
    """Return the stacking family of a system or of a structure of the user's own.

    Parameters
    ----------
    config
        The settings.
    name
        Name of the bilayer.

    Returns
    -------
    str
        Stacking family.

    Raises
    ------
    ConfigError
        If the name is no system's, or if the structure is not recognized.
    """
    own = own_structures.find(config, name)
    return own.family if own else system_of(name).family


def structure_file(config: Mapping[str, Any], name: str) -> str | list[str]:
    """Return the file of a structure of the user's own; empty for a system.

    Parameters
    ----------
    config
        The settings.
    name
        Name of the bilayer.

    Returns
    -------
    str or list
        The file, or an empty list.
    """
    own = own_structures.find(config, name)
    return own.path if own else []


def heights_file(
    config: Mapping[str, Any], system: System | own_structures.OwnStructure
) -> str | list[str]:
    """Return the file of the change of the dipoles with the heights of the atoms.

    Parameters
    ----------
    config
        The settings.
    system
        The bilayer.

    Returns
    -------
    str or list
        The file; an empty list if the heights are those of the models' labels, or without labels.
    """
    flat = isinstance(system, System) and not system.relaxed and system.distance_A is None
    if flat or system.family not in config["heights"]:
        return []
    return f"results/heights/{system.family}.nc"


def heights_of(config: Mapping[str, Any], name: str) -> str | list[str]:
    """Return `heights_file` for the name of a bilayer."""
    return heights_file(config, own_structures.find(config, name) or System.parse(name))


def relaxed_cells(config: Mapping[str, Any], family: str) -> list[str]:
    """Return the relaxed cells that the error of relaxation is calibrated on.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.

    Returns
    -------
    list of str
        Names, in the order of the label set; empty without such a set.
    """
    name = config["heights"].get(family, {}).get("validation")
    return list(frames_of(config["labels"]["sets"][name])) if name else []


def errors_file(config: Mapping[str, Any], family: str, relaxed: bool) -> str:
    """Return the file of the calibrated error of a family.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.
    relaxed
        Whether the error of relaxation is needed.

    Returns
    -------
    str
        The file; that of rigid bilayers if no relaxed cell is labelled.
    """
    option = "_relaxed" if relaxed and relaxed_cells(config, family) else ""
    return f"results/errors/{family}{option}.nc"


def response_model(config: Mapping[str, Any], family: str) -> str | None:
    """Return the response model that the long-range electrostatics of a family needs.

    Parameters
    ----------
    config
        The settings.
    family
        Stacking family.

    Returns
    -------
    str or None
        Name of the model, None if the predictions of the family have no long range.

    Raises
    ------
    ConfigError
        If the family has a long range, but no response model.
    """
    if family not in config["long_range"]:
        return None
    response = config["predictors"].get(family, {}).get("response")
    if response is None:
        raise ConfigError(f"predictors.{family} names no response model")
    return response


def planned_models(config: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """Return the models that predict a system, for a plan of labels.

    Parameters
    ----------
    config
        The settings.
    name
        The system's name.

    Returns
    -------
    dict
        Settings of the models by name, the zero-field model first.

    Raises
    ------
    ConfigError
        If the name is no system's, if its family has no zero-field model, or if single labels
        cannot extend its domain.
    """
    if own_structures.canonical_name(config, name):
        raise ConfigError(f"{name}: plans are for systems by name, not for structures of your own")
    system = system_of(name)
    kinds = config["predictors"].get(system.family, {})
    if "zero_field" not in kinds:
        raise ConfigError(f"{name}: predictors.{system.family} names no zero_field model")
    if system.distance_A and system.family in config["heights"]:
        raise ConfigError(
            f"{name}: a plan does not extend the layer distance of {system.family}; label sets in "
            f"heights.{system.family}.distance do"
        )
    if not system.field_V_per_A:
        response = ["response"] if system.family in config["long_range"] else []
        kinds = {kind: kinds[kind] for kind in ("zero_field", *response) if kind in kinds}
    names = sorted(kinds.values(), key=lambda model: model != kinds["zero_field"])
    return {model: config["models"][model] for model in names}
