"""The JSON schema of the settings, and what it allows in words."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from moirepol.workflow.settings import Settings
from moirepol.workflow.settings.base import ABSENT, Inheriting, Section

#: Keys of JSON schema for limits of a number, as they are written.
LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


class _Generator(GenerateJsonSchema):
    """Pydantic's schema without titles, with one form for all sections of named entries."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is ABSENT:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        found = super().dict_schema(schema)
        if "patternProperties" in found:
            (found["additionalProperties"],) = found.pop("patternProperties").values()
            names = self.generate_inner(schema["keys_schema"]).copy()
            names.pop("type", None)
            found["propertyNames"] = names
        return found

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        section: type[Section] = schema["cls"]
        found["description"] = " ".join((section.__doc__ or "").split())
        conditions = [
            {
                "if": {"properties": {key: {"const": value}}, "required": [key]},
                "then": {"required": list(needed)},
            }
            for (key, value), needed in section.needs.items()
        ]
        if issubclass(section, Inheriting):
            # Another entry may have what this one lacks. The check has them all in one.
            whole = {"required": found.pop("required", [])}
            if conditions:
                whole["allOf"] = conditions
            found |= {"if": {"not": {"required": ["based_on"]}}, "then": whole}
            if section.model_fields["based_on"].default is not ABSENT:
                del found["if"], found["then"]
        elif conditions:
            found["allOf"] = conditions
        return found


@cache
def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of the settings as they are written in a file.

    Returns
    -------
    dict
        The schema (draft 2020-12). `x-unit` is the unit of a number, `x-allowed` describes a
        pattern, `x-otherwise` what applies without a setting. Another caller must not change it.
    """
    schema = Settings.model_json_schema(schema_generator=_Generator)
    return {"$schema": _Generator.schema_dialect} | schema | {"title": "Settings of moirepol"}


def resolve(node: Mapping[str, Any]) -> dict[str, Any]:
    """Replace a reference by the part of the schema that it names; other keys are kept.

    Parameters
    ----------
    node
        A part of the schema.

    Returns
    -------
    dict
        The part without a reference at its top.
    """
    found = dict(node)
    while "$ref" in found:
        name = found.pop("$ref").rpartition("/")[2]
        found = settings_schema()["$defs"][name] | found
    return found


def part(path: Iterable[str | int]) -> dict[str, Any]:
    """Return the part of the schema for one setting or section.

    Parameters
    ----------
    path
        Keys and numbers of entries of lists.

    Returns
    -------
    dict
        The part, resolved; empty for a path that the schema does not have.
    """
    node = resolve(settings_schema())
    for key in path:
        if isinstance(key, int):
            below = node.get("items", {})
        else:
            below = node.get("properties", {}).get(key, node.get("additionalProperties"))
        node = resolve(below) if isinstance(below, Mapping) else {}
    return node


def allowed(node: Mapping[str, Any], with_unit: bool = True) -> str:
    """Describe the values that a part of the schema allows.

    Parameters
    ----------
    node
        A part of the schema, resolved.
    with_unit
        Whether limits of numbers have their unit.

    Returns
    -------
    str
        Words that follow "allowed is".
    """
    if "x-allowed" in node:
        return node["x-allowed"]
    choices = node.get("enum", [node["const"]] if "const" in node else [])
    if choices:
        return "one of " + ", ".join(map(str, choices))
    match node.get("type"):
        case "integer" | "number":
            return _number(node) + (f" {node['x-unit']}" if with_unit and "x-unit" in node else "")
        case "boolean":
            return "true or false"
        case "array":
            return _list(node, with_unit)
        case "object" if "properties" in node:
            return "a section with " + ", ".join(sorted(node["properties"]))
        case "object":
            least = node.get("minProperties", 0)
            return "a section" + (f" with at least {least} entry" if least else "")
        case _:
            return f"text that matches {node['pattern']}" if "pattern" in node else "text"


def _number(node: Mapping[str, Any]) -> str:
    words = "an integer" if node["type"] == "integer" else "a number"
    if "multipleOf" in node:
        words += f" that is a multiple of {node['multipleOf']},"
    if {"minimum", "maximum"} <= set(node):
        words += f" from {_plain(node['minimum'])} to {_plain(node['maximum'])}"
    else:
        limits = [f"{sign} {_plain(node[key])}" for key, sign in LIMITS.items() if key in node]
        words += f" {' and '.join(limits)}" if limits else ""
    return words


def _plain(value: float) -> str:
    return f"{value:.12g}"


def _list(node: Mapping[str, Any], with_unit: bool) -> str:
    least, most = node.get("minItems", 0), node.get("maxItems")
    words = "a list"
    if least == most:
        words += f" of {least} entries"
    elif least:
        words += f" of at least {least} entry"
    words += ", none twice" if node.get("uniqueItems") else ""
    items = resolve(node["items"])
    return words if items.get("type") == "object" else f"{words}, each {allowed(items, with_unit)}"
