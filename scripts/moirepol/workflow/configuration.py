"""Settings of the workflow: checked before any job, errors on one line."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pydantic
import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from moirepol.structure.names import System, nearest
from moirepol.workflow.label_sets import STANDARD, frames_of, recipe_of, systems_of_sweep

SCHEMA = Path(__file__).parents[3] / "schemas" / "config.schema.yaml"
REMOVABLE = (
    ("labels", "sets"),
    ("protocols",),
    ("models",),
    ("heterostrain",),
    ("long_range",),
    ("studies",),
    ("sweeps",),
    ("predictors", "AA"),
    ("predictors", "AAp"),
)
#: The protocol of a model that names none.
PAPER = "paper"
#: Panels that show a sweep, not systems.
SWEEP_PANELS = ("fig3g", "fig3h", "fig4j")
#: Digits after the point that names of systems have room for.
DIGITS = {"strains_percent": 2, "layer_distances_A": 3, "fields_V_per_A": 4}


class ConfigError(ValueError):
    """A setting that is not allowed; the message is one line for the user."""


def load_schema() -> dict[str, Any]:
    """The JSON schema of the settings."""
    return yaml.safe_load(SCHEMA.read_text())


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with removed (null) entries left out.

    Raises ConfigError, one line with key, value and what is allowed, for a setting that the
    schema or another setting rules out.
    """
    config = _without_removed(config)
    error = best_match(_validator().iter_errors(config))
    if error is not None:
        raise ConfigError(_describe(error))
    _check_names(config)
    return config


def _whole_pattern(validator, pattern, instance, schema):
    """Like JSON Schema's `pattern`, but `$` does not stand before a line end."""
    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _is_integer(checker, value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker, value) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


#: JSON Schema, less what Python would stumble on: 3.0 as an integer, nan, names with line ends.
_Strict = validators.extend(
    Draft202012Validator,
    {"pattern": _whole_pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


@cache
def _validator() -> Draft202012Validator:
    return _Strict(load_schema())


def _without_removed(config: Mapping[str, Any]) -> dict[str, Any]:
    config = dict(config)
    for *parents, last in REMOVABLE:
        section = config
        for key in parents:
            section[key] = dict(section[key]) if isinstance(section.get(key), Mapping) else {}
            section = section[key]
        if isinstance(section.get(last), Mapping):
            section[last] = {k: v for k, v in section[last].items() if v is not None}
    return config


def _describe(error: ValidationError) -> str:
    """One line: key, value, what is allowed, and what the key means."""
    rule, schema, value = error.validator, error.schema, error.instance
    key = ".".join(map(str, error.absolute_path)) or "config"
    match rule:
        case "additionalProperties":
            unknown = sorted(set(value) - set(schema["properties"]))
            known = ", ".join(sorted(schema["properties"]))
            return f"{key}: unknown key {unknown[0]!r}; allowed: {known}"
        case "required":
            missing = sorted(set(schema["required"]) - set(value))
            return f"{key}: key {missing[0]!r} is missing"
        case "enum":
            allowed = "one of " + ", ".join(map(str, schema["enum"]))
        case "type":
            allowed = f"a value of type {schema['type']}"
            if isinstance(value, str) and schema["type"] in ("number", "integer"):
                allowed += f", this is text{_hint(value)}"
        case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
            sign = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<="}.get(rule, "<")
            allowed = f"a number {sign} {schema[rule]}"
        case "uniqueItems":
            allowed = "no entry twice"
        case "minItems" | "minProperties":
            allowed = f"at least {schema[rule]} entry"
        case "pattern":
            allowed = f"text that matches {schema['pattern']}"
        case "multipleOf":
            allowed = f"a multiple of {schema[rule]}"
        case "not":
            allowed = f"anything else than {schema['not'].get('const')}"
        case _:
            allowed = f"{rule} {schema[rule]}"
    meaning = " ".join(schema.get("description", "").split())
    return f"{key} = {_short(value)}: allowed is {allowed}" + (f". {meaning}" if meaning else "")


def _hint(text: str) -> str:
    """Why a number arrived as text."""
    try:
        float(text)
    except ValueError:
        return ""
    return " (YAML reads 1e-6 as text, so write 1.0e-6; --config passes nested numbers as text)"


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _check_names(config: Mapping[str, Any]) -> None:
    """Rules between settings that a schema cannot state."""
    for name in (STANDARD, *config["labels"]["variants"]):
        recipe = recipe_of(config, name)
        if recipe["ecutrho_Ry"] < 4 * recipe["ecutwfc_Ry"]:
            raise ConfigError(
                f"recipe {name}, ecutrho_Ry = {recipe['ecutrho_Ry']}: allowed is at least "
                f"4 x ecutwfc_Ry = {4 * recipe['ecutwfc_Ry']}"
            )
    for name, label_set in config["labels"]["sets"].items():
        _systems(f"labels.sets.{name}.systems", label_set.get("systems", []))
        for number, grid in enumerate(label_set.get("grids", [])):
            for key, digits in DIGITS.items():
                for value in grid.get(key, []):
                    if round(value, digits) != value:
                        raise ConfigError(
                            f"labels.sets.{name}.grids.{number}.{key} = {value}: allowed is a "
                            f"multiple of {10**-digits}"
                        )
        recipe = label_set.get("recipe", STANDARD)
        _known(f"labels.sets.{name}.recipe", recipe, {STANDARD, *config["labels"]["variants"]})
    for name, model in config["models"].items():
        for key in ("labels", "tests"):
            for label_set in model.get(key, []):
                _known(f"models.{name}.{key}", label_set, config["labels"]["sets"])
        for label_set in model["labels"]:
            if config["labels"]["sets"][label_set].get("use") == "validation":
                raise ConfigError(
                    f"models.{name}.labels = {label_set!r}: allowed is a set for training, this "
                    "one is held out (use: validation)"
                )
        _known(f"models.{name}.protocol", model.get("protocol", PAPER), config["protocols"])
    for family, kinds in config["predictors"].items():
        for kind, name in kinds.items():
            _predictor(config, f"predictors.{family}.{kind}", family, kind, name)
    for family, name in config["heterostrain"].items():
        _strips(f"heterostrain.{family}", name, family, config)
    for name, sweep in config["sweeps"].items():
        _check_sweep(f"sweeps.{name}", sweep, config)
    for name, figure in config["figures"].items():
        for panel, systems in figure.items():
            if not panel.startswith(name):
                raise ConfigError(f"figures.{name}.{panel}: allowed are panels of {name}")
            if panel in SWEEP_PANELS:
                if len(systems) != 1:
                    raise ConfigError(f"figures.{name}.{panel} = {systems}: allowed is one sweep")
                _known(f"figures.{name}.{panel}", systems[0], config["sweeps"])
                continue
            _systems(f"figures.{name}.{panel}", systems)
            if name != "fig1" and not systems:
                raise ConfigError(f"figures.{name}.{panel} = []: allowed is at least 1 system")
            for system in systems:
                try:
                    predictors_of(config, system)
                except ConfigError as error:
                    raise ConfigError(f"figures.{name}.{panel} = {system!r}: {error}") from None
    for name, protocol in config["protocols"].items():
        _at_most(f"protocols.{name}", protocol, "rcut_smooth_A", protocol["rcut_A"])
        _at_most(f"protocols.{name}", protocol, "axis_neurons", protocol["descriptor_neurons"][-1])
    for name, study in config["studies"].items():
        for label_set in study["labels"]:
            _known(f"studies.{name}.labels", label_set, config["labels"]["sets"])
        key = f"studies.{name}.models"
        _known(f"{key}.zero_field", study["models"]["zero_field"], config["models"])
        family = config["models"][study["models"]["zero_field"]]["family"]
        for kind, model in study["models"].items():
            _predictor(config, f"{key}.{kind}", family, kind, model)
        if "heterostrain" in study:
            _strips(f"studies.{name}.heterostrain", study["heterostrain"], family, config)
        if "long_range" in study:
            _slide(f"studies.{name}.long_range", study["long_range"], family)
            if "response" not in study["models"]:
                raise ConfigError(f"{key}: key 'response' is missing, the long range needs it")
        elif "interlayer_reach" in study.get("used_for", []):
            raise ConfigError(
                f"studies.{name}: key 'long_range' is missing, "
                "used_for: [interlayer_reach] needs it"
            )
    fitted = studies_used_for("interlayer_reach", config["studies"])
    if len(fitted) > 1:
        raise ConfigError(
            f"studies.{fitted[1]}.used_for = 'interlayer_reach': allowed is one study, "
            f"{fitted[0]} has this entry too"
        )
    _check_labels_of_studies(config["studies"])
    if "fig1f" in config["figures"]["fig1"] and "AA" not in config["predictors"]:
        raise ConfigError("figures.fig1.fig1f: predictors.AA names no zero_field model")
    for family, slide in config["long_range"].items():
        _slide(f"long_range.{family}", slide, family)


def _check_labels_of_studies(studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Two studies must not have the same label in the figure."""
    owners: dict[str, str] = {}
    for name, study in studies.items():
        if "label" in study and owners.setdefault(study["label"], name) != name:
            raise ConfigError(
                f"studies.{name}.label = {study['label']!r}: allowed is a label of its own, "
                f"{owners[study['label']]} has the same"
            )


def studies_used_for(use: str, studies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the studies whose `used_for` contains a use."""
    return [name for name, study in studies.items() if use in study.get("used_for", [])]


def _check_sweep(key: str, sweep: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """A sweep has bilayers, all of them moire cells that the models can be asked about."""
    _systems(f"{key}.systems", sweep.get("systems", []))
    names = systems_of_sweep(sweep)
    if not names:
        raise ConfigError(f"{key}: allowed is at least 1 entry of systems or twist_angles_deg")
    field = max(sweep.get("fields_V_per_A", [0]), key=abs)
    for name in names:
        system = System.parse(name)
        if not system.n_periods or system.strain_percent or system.field_V_per_A:
            raise ConfigError(
                f"{key}.systems = {name!r}: allowed is a moire cell without strain and field"
            )
        try:
            predictors_of(config, system.model_copy(update={"field_V_per_A": field}).name)
        except ConfigError as error:
            raise ConfigError(f"{key}, {name}: {error}") from None


def predictors_of(config: Mapping[str, Any], name: str) -> dict[str, str]:
    """The models, by kind, that predict a system; ConfigError where its family or field lacks one,
    or where it lies farther beyond their labels than `extrapolation` allows.

    A response model is needed in a field, and where the family's long range is added; without
    either it is the zero-field model alone.
    """
    system = System.parse(name)
    kinds = config["predictors"].get(system.family, {})
    needed = ["zero_field"]
    if system.field_V_per_A or system.family in config["long_range"]:
        needed.append("response")
    for kind in needed:
        if kind not in kinds:
            raise ConfigError(f"predictors.{system.family} names no {kind} model")
    for setting, excess, words in _excesses(config, system, kinds):
        if excess > config["extrapolation"][setting] + 1e-9:
            raise ConfigError(
                f"{words}, farther than extrapolation.{setting} = "
                f"{config['extrapolation'][setting]:g} allows; `./run results/plans/"
                f"{system.name}.yaml` proposes labels"
            )
    return kinds if system.field_V_per_A else {kind: kinds[kind] for kind in needed}


def beyond_labels(config: Mapping[str, Any], name: str) -> str:
    """In what a system lies beyond the labels of its models, in one line; empty where in none."""
    system = System.parse(name)
    found = _excesses(config, system, config["predictors"].get(system.family, {}))
    return "; ".join(words for _, _, words in found)


def _excesses(config, system, kinds):
    """(setting of `extrapolation`, excess, words) for all in which a system exceeds the labels."""
    models = {kind: name for kind, name in kinds.items() if name in config["models"]}
    checks = []
    if name := models.get("zero_field"):
        strains, distances = _labelled(config, config["models"][name])
        if system.eta and system.family in config["heterostrain"]:
            strips = config["labels"]["sets"][config["heterostrain"][system.family]]
            strains = strains + _ranges(system.family, json.dumps([strips]))[0]
        here = system.layer_strains_percent
        checks.append(("strain_percent", "strain of a layer", "%", here, strains, name))
        here = [system.distance_A or config["layer_distance_A"]]
        checks.append(("layer_distance_A", "layer distance", "Å", here, distances, name))
    if name := models.get("response"):
        field = config["models"][name]["field_V_per_A"]
        here = [system.field_V_per_A]
        checks.append(("field_V_per_A", "field", "V/Å", here, [-field, field], name))
    for setting, word, unit, here, known, name in checks:
        low, high = min(known), max(known)
        excess, value = max((max(low - value, value - high), value) for value in here)
        if excess > 1e-6:
            labelled = f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
            words = f"a {word} of {value:.4g} {unit}, the labels of model {name} have {labelled}"
            yield setting, excess, words


def _labelled(config, model):
    """Strains (percent) of layers and layer distances (A) in the labels a model learns from."""
    sets = [config["labels"]["sets"][name] for name in model["labels"]]
    strains, distances = _ranges(model["family"], json.dumps(sets))
    if not strains:
        raise ConfigError(f"the labels {', '.join(model['labels'])} hold no {model['family']}")
    return strains, [distance or config["layer_distance_A"] for distance in distances]


@cache
def _ranges(family: str, sets: str) -> tuple[list[float], list[float | None]]:
    systems = {System.parse(name) for part in json.loads(sets) for name in frames_of(part)}
    own = [system for system in systems if system.family == family]
    strains = {strain for system in own for strain in system.layer_strains_percent}
    return sorted(strains), list({system.distance_A for system in own})


def parse_name(name: str, maximum_atoms: int | None = None) -> System:
    """The system of a name, or, given `maximum_atoms`, the one nearest to a wish (`nearest`).

    ConfigError, one line, for a name that is neither.
    """
    try:
        return System.parse(name) if maximum_atoms is None else nearest(name, maximum_atoms)
    except pydantic.ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(reason) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _systems(key: str, names: list[str]) -> None:
    """Every name must be a system's, in the one spelling that files are named by."""
    for name in names:
        try:
            canonical = parse_name(name).name
        except ConfigError as error:
            raise ConfigError(f"{key} = {name!r}: allowed is a system's name, {error}") from None
        if name != canonical:
            raise ConfigError(f"{key} = {name!r}: allowed is {canonical!r}")


def _slide(key: str, name: str, family: str) -> None:
    """The name must be that of a slide of the family without a field."""
    _systems(key, [name])
    system = System.parse(name)
    if (system.family, system.geometry, system.field_V_per_A) != (family, "slide", 0):
        raise ConfigError(f"{key} = {name!r}: allowed is a slide of {family} without a field")


def _strips(key: str, name: str, family: str, config: Mapping[str, Any]) -> None:
    """The name must be that of a set of the family's strips, without a field and not held out."""
    _known(key, name, config["labels"]["sets"])
    label_set = config["labels"]["sets"][name]
    systems = [System.parse(frame) for frame in frames_of(label_set)]
    if label_set.get("use") == "validation" or any(
        (system.family, system.geometry, system.field_V_per_A) != (family, "strip", 0)
        for system in systems
    ):
        raise ConfigError(
            f"{key} = {name!r}: allowed is a set of strips of {family}, without a field and not "
            "held out"
        )


def _predictor(config: Mapping[str, Any], key: str, family: str, kind: str, name: str) -> None:
    """The name must be that of a model of this kind and family."""
    _known(key, name, config["models"])
    model = config["models"][name]
    if (model["family"], model["kind"]) != (family, kind):
        raise ConfigError(
            f"{key} = {name!r}: a {model['kind']} model of {model['family']}, "
            f"wanted is a {kind} model of {family}"
        )


def _at_most(section: str, settings: Mapping[str, Any], key: str, limit: float) -> None:
    if settings[key] > limit:
        raise ConfigError(f"{section}.{key} = {settings[key]}: allowed is a number <= {limit}")


def _known(key: str, value: str, names: Iterable[str]) -> None:
    if value not in names:
        raise ConfigError(f"{key} = {value!r}: allowed is one of {', '.join(sorted(names))}")
