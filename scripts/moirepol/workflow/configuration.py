"""Settings of the workflow: completed and checked before any job, errors on one line."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from moirepol.errors import ConfigError
from moirepol.workflow.configuration_checks import check_relations
from moirepol.workflow.resolution import complete
from moirepol.workflow.settings import Settings

#: Sections of named entries, from which null takes an entry away.
REMOVABLE = (
    ("labels", "sets"),
    ("protocols",),
    ("models",),
    ("gradient",),
    ("long_range",),
    ("heights",),
    ("figures",),
    ("studies",),
    ("sweeps",),
    ("structures",),
    ("predictors", "AA"),
    ("predictors", "AAp"),
)


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the settings and check all of them.

    Parameters
    ----------
    config
        The settings as Snakemake merges them.

    Returns
    -------
    dict
        The settings without removed (null) entries, completed by `moirepol.workflow.resolution`.
        Given values are not converted, because digests of labels are computed from them.

    Raises
    ------
    ConfigError
        If its type, its limits or another setting exclude a setting. The line gives key, value and
        what is allowed.
    """
    given = _without_removed(config)
    completed = complete(given)
    try:
        Settings.model_validate(completed)
    except ValidationError as error:
        # Slow to import, and needed for an error only.
        from moirepol.workflow.settings.messages import describe

        raise ConfigError(describe(error, given)) from None
    check_relations(completed)
    return completed


def _without_removed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the settings without null entries in the sections of named entries."""
    config = dict(config)
    for path in REMOVABLE:
        section: Any = config
        for key in path[:-1]:
            if not isinstance(section.get(key), Mapping):
                break
            section[key] = section = dict(section[key])
        else:
            if isinstance(section.get(path[-1]), Mapping):
                entries = section[path[-1]].items()
                section[path[-1]] = {name: value for name, value in entries if value is not None}
    return config
