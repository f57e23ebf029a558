"""Settings of the workflow: read, checked by the schema before any job, errors on one line."""

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from moirepol.errors import ConfigError
from moirepol.structure.material import load_material
from moirepol.workflow.configuration_checks import check_relations
from moirepol.workflow.resolution import with_material

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


def load_schema() -> dict[str, Any]:
    """Read the JSON schema of the settings.

    Returns
    -------
    dict
        The schema, `schemas/config.schema.yaml`, with the limits and elements of the material.
    """
    schema = yaml.safe_load(SCHEMA.read_text())
    material = load_material()
    low, high = material.lattice_constant_range_A
    schema["properties"]["lattice_constant_A"] |= {"minimum": low, "maximum": high}
    files = schema["$defs"]["recipe"]["properties"]["pseudopotentials"]
    files["required"] = list(material.species)
    files["properties"] = {
        element: {"$ref": "#/$defs/pseudopotential", "description": f"File for {element}."}
        for element in material.species
    }
    return schema


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out removed (null) entries and check all settings.

    Parameters
    ----------
    config
        The settings as Snakemake merges them.

    Returns
    -------
    dict
        The settings without removed entries, completed by the material.

    Raises
    ------
    ConfigError
        If the schema or another setting rules a setting out. The line gives key, value and what is
        allowed.
    """
    config = with_material(_without_removed(config))
    error = best_match(_validator().iter_errors(config))
    if error is not None:
        raise ConfigError(_describe(error))
    check_relations(config)
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
