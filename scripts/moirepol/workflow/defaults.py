"""The shipped settings, the user's settings on top of them, and what the user's settings change."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from moirepol.errors import ConfigError

#: Settings that change no result: which files are allowed, proposals, and limits of checks.
WITHOUT_RESULT = frozenset({"extrapolation", "plans", "maps.maximum_atoms", "labels.checks"})
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read a file of settings.

    Parameters
    ----------
    path
        YAML or JSON file.

    Returns
    -------
    dict
        The settings; empty for an empty file.

    Raises
    ------
    ConfigError
        If the file cannot be read, is no valid YAML, or contains no named settings. The line names
        the file and, if it is known, the line of the file.
    """
    try:
        with open(path, encoding="utf-8") as file:
            settings = yaml.load(file, Loader=LOADER)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read, {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{path}{place}: no valid YAML, {problem}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: no settings, but one {type(settings).__name__}")
    return settings


def merged(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings on top of others. Sections are merged, all other values are replaced.

    Parameters
    ----------
    shipped, own
        Settings; those of `own` have priority.

    Returns
    -------
    dict
        New settings.
    """
    result = dict(shipped)
    for key, value in own.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = merged(below, value)
        result[key] = value
    return result


def changed_settings(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Return the settings that change results of the shipped settings.

    A new entry of a section (a label set, a model, a sweep, a panel) changes none of them.

    Parameters
    ----------
    shipped, own
        Complete settings (`moirepol.workflow.configuration.check_config`).

    Returns
    -------
    list of str
        Keys with points, such as `maps.grid_points`.
    """
    return list(_changes(shipped, own, ""))


def _changes(shipped: Any, own: Any, prefix: str) -> Iterator[str]:
    for key, value in shipped.items():
        name = f"{prefix}{key}"
        if name in WITHOUT_RESULT or (key in own and own[key] == value):
            continue
        if isinstance(value, Mapping) and isinstance(own.get(key), Mapping):
            yield from _changes(value, own[key], f"{name}.")
        else:
            yield name


def require_own_folder(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Reject settings that would replace the results of the shipped settings.

    Parameters
    ----------
    shipped, own
        Complete settings.

    Raises
    ------
    ConfigError
        If a setting changes results. The line states how to choose a folder for them.
    """
    if changed := changed_settings(shipped, own):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise ConfigError(
            f"{changed[0]}{more} would replace the results of config.yaml in this folder; add "
            "`--directory NAME` for a folder of their own (`--directory .` replaces them)"
        )
