"""The page ``docs/settings.md``: a table of every section of the settings."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from moirepol.workflow.settings.schema import allowed, resolve, settings_schema

HEAD = """# Settings

All settings are in `config.yaml`. Keys of another file replace them (`./run --configfile my.yaml`).
The value null removes an entry. This is possible in `labels.sets`, `protocols`, `models`,
`gradient`, `long_range`, `heights`, `figures`, `studies`, `sweeps` and in a family of `predictors`.

An entry of `protocols`, `models` or `labels.variants` may be based on another one: `based_on:
<name>`. The other entry then gives all settings that the entry does not name. The entry can
therefore omit settings that are marked as required.

`python scripts/describe_settings.py` makes this page and `schemas/config.schema.json` from
`scripts/moirepol/workflow/settings/`.
"""
COLUMNS = "| setting | unit | allowed | default | description |\n| --- | --- | --- | --- | --- |\n"
OF_THE_BASE = "that of the other entry"


def settings_page() -> str:
    """Return the page of settings.

    Returns
    -------
    str
        Markdown.
    """
    return HEAD + "".join(_sections("", settings_schema(), {}))


def _sections(path: str, node: Mapping[str, Any], seen: dict[str, str]) -> Iterator[str]:
    """Yield the table of a section, then those of the sections in it."""
    node = resolve(node)
    yield f"\n## {f'`{path}`' if path else 'Top level'}\n\n{node['description']}\n\n{COLUMNS}"
    whole = node.get("then", {})
    required = {*node.get("required", []), *whole.get("required", [])}
    needs = _needs([*node.get("allOf", []), *whole.get("allOf", [])])
    inherits = "default" in node["properties"].get("based_on", {})
    inner = []
    for name, setting in node["properties"].items():
        setting = resolve(setting)
        default = _default(setting, name in required, needs.get(name))
        if inherits and name != "based_on":
            default = OF_THE_BASE
        unit = setting.get("x-unit") or resolve(setting.get("items", {})).get("x-unit", "")
        cells = (f"`{name}`", unit, _escape(_allowed(setting)), default)
        yield f"| {' | '.join(cells)} | {_escape(setting['description'])} |\n"
        below = f"{path}.{name}" if path else name
        if "properties" in setting:
            inner.append((below, setting))
        for entries, place in (
            (setting.get("additionalProperties"), f"{below}.<{_names(setting)}>"),
            (setting.get("items"), f"{below}[]"),
        ):
            if isinstance(entries, Mapping) and "properties" in resolve(entries):
                inner.append((place, dict(entries)))
    for below, section in inner:
        key = str(resolve(section)["properties"])
        if key in seen:
            yield f"\n## `{below}`\n\nThe settings of `{seen[key]}`.\n"
        else:
            seen[key] = below
            yield from _sections(below, section, seen)


def _names(setting: Mapping[str, Any]) -> str:
    """Names of the entries of a section."""
    return " or ".join(setting.get("propertyNames", {}).get("enum", ["name"]))


def _allowed(setting: Mapping[str, Any]) -> str:
    if "items" in setting and "properties" in resolve(setting["items"]):
        return "list of sections"
    if setting.get("type") != "object":
        return allowed(setting, with_unit=False)
    if "properties" in setting:
        return "section"
    entries = resolve(setting["additionalProperties"])
    what = "a section" if "properties" in entries else allowed(entries, with_unit=False)
    return f"for each {_names(setting)}: {what}"


def _default(setting: Mapping[str, Any], required: bool, needed: str | None) -> str:
    if "default" in setting:
        value = setting["default"]
        return f"`{value if isinstance(value, str) else json.dumps(value)}`"
    if needed:
        return f"required with {needed}"
    return setting.get("x-otherwise", "required" if required else "")


def _needs(conditions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Values of other settings that require a setting, by its name."""
    found: dict[str, list[str]] = {}
    for condition in conditions:
        ((key, value),) = condition["if"]["properties"].items()
        for name in condition["then"]["required"]:
            found.setdefault(name, []).append(f"`{key}: {value['const']}`")
    return {name: " or ".join(reasons) for name, reasons in found.items()}


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<").replace(">", "\\>")
