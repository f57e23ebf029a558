"""An error of the settings in one line: setting, value, what is allowed, what it means."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from moirepol.workflow.settings.schema import allowed, part

#: What pydantic appends to the path of an entry whose name is wrong.
KEY = "[key]"


def describe(error: ValidationError, config: Mapping[str, Any]) -> str:
    """Describe the error that is to be corrected first.

    Parameters
    ----------
    error
        The errors of all settings.
    config
        The settings as they were given, before entries took settings from others.

    Returns
    -------
    str
        One line. Unknown keys come first, because a misspelt key also lacks under its right name.
        Errors that an entry took from another one come last.
    """
    errors = error.errors(include_url=False)
    return _line(min(errors, key=lambda found: _rank(found, config)))


def _rank(found: ErrorDetails, config: Mapping[str, Any]) -> tuple[bool, bool]:
    value: Any = config
    inherited = False
    for key in found["loc"]:
        if isinstance(value, Mapping) and key not in value and "based_on" in value:
            inherited = True
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            break
    return inherited, found["type"] != "extra_forbidden"


def _line(found: ErrorDetails) -> str:
    path, kind, value = found["loc"], found["type"], found["input"]
    if path and path[-1] == KEY:
        names = part(path[:-2]).get("propertyNames", {})
        reason = _custom(found) or f"allowed is {allowed(names)}"
        return _join(f"{_dotted(path[:-2])} = {value!r}: {reason}", names)
    if kind == "extra_forbidden":
        return _unknown(path, value)
    if kind == "invalid_key":
        return f"{_dotted(path[:-1])} = {path[-1]!r}: allowed is text"
    if kind == "needed":
        needed = found["ctx"]
        path = (*path, needed["name"])
        node = part(path)
        text = f"{_dotted(path)} is missing, {needed['reason']} needs it: allowed is"
        return _join(f"{text} {allowed(node)}", node)
    node = part(path)
    if kind == "missing":
        return _join(f"{_dotted(path)} is missing: allowed is {allowed(node)}", node)
    reason = _custom(found) or f"allowed is {allowed(node)}{_hint(value, node)}"
    return _join(f"{_dotted(path)} = {_short(value)}: {reason}", node)


def _custom(found: ErrorDetails) -> str:
    """Message of a validator of this project, empty for another one."""
    return str(found["ctx"]["error"]) if found["type"] == "value_error" else ""


def _unknown(path: Sequence[str | int], value: Any) -> str:
    known = sorted(part(path[:-1]).get("properties", {}))
    near = get_close_matches(str(path[-1]), known, 1)
    guess = f", did you mean {near[0]!r}?" if near else ";"
    return (
        f"{_dotted(path[:-1])}: unknown key {path[-1]!r} with value {_short(value)}{guess} "
        f"allowed is one of {', '.join(known)}"
    )


def _dotted(path: Sequence[str | int]) -> str:
    """Path of a setting; names that are not plain are quoted, so that it is one line."""
    plain = [str(key) if re.fullmatch(r"\w+", str(key), re.ASCII) else repr(key) for key in path]
    return ".".join(plain) or "config"


def _join(text: str, node: Mapping[str, Any]) -> str:
    meaning = node.get("description")
    return f"{text}. {meaning}" if meaning else text


def _hint(value: Any, node: Mapping[str, Any]) -> str:
    """Why a number arrived as text."""
    if not isinstance(value, str) or node.get("type") not in ("number", "integer"):
        return ""
    try:
        float(value)
    except ValueError:
        return ", this is text"
    return (
        ", this is text (YAML reads 1e-6 as text, so write 1.0e-6; --config passes nested numbers "
        "as text)"
    )


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."
