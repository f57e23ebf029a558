"""Targets of the command line that nothing can make: what is wrong, and what is allowed."""

import difflib
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from moirepol.errors import ConfigError
from moirepol.workflow.coverage import parse_name
from moirepol.workflow.figure_plan import numbered_figures

#: Folders with one file for each bilayer.
BY_SYSTEM = tuple(
    f"results/{stage}"
    for stage in ("dipoles", "maps", "charge", "potentials", "exports", "views", "plans")
)
#: Number of entries above which a message lists the similar ones only.
MANY = 8
#: Targets that a message lists if none is similar to the given one.
ENTRIES = {"all", "claims", "labels", "accuracy", "audit", "sweeps"}
ENTRIES |= {f"fig{number}" for number in range(1, 6)}


def check_targets(
    config: Mapping[str, Any],
    targets: Iterable[str],
    rules: Sequence[str],
    patterns: Sequence[str],
    is_made: Callable[[str], bool],
) -> None:
    """Check that each target is a rule, or a file that a rule makes.

    Parameters
    ----------
    config
        The settings.
    targets
        Names of rules and files.
    rules
        Names of all rules.
    patterns
        Output files of all rules, with wildcards in braces.
    is_made
        Function that returns whether a rule makes a file or the file exists.

    Raises
    ------
    ConfigError
        If not. The line gives the part that is wrong and what is allowed.
    """
    for target in targets:
        if target in rules:
            continue
        reason = _wrong_entry(config, target)
        if not reason and PurePosixPath(target).is_absolute():
            reason = "a target is a path relative to the working directory, as results/claims.csv"
        elif not reason and not is_made(target):
            reason = _unmade(target, rules, patterns)
        if reason:
            raise ConfigError(f"{target}: {reason}")


def _wrong_entry(config, target):
    """Name an entry of the settings that does not exist, or a label that cannot."""
    for folder, key, entries in _entries(config):
        found = re.fullmatch(f"{folder}/([^/.]+)(?:[/.].*)?", target)
        if found and found[1] not in entries:
            return f"{key} has no entry {found[1]!r}; {_choice(found[1], entries)}"
    if found := re.fullmatch(r"results/labels/[^/]+/([^/]+)\.nc", target):
        return _wrong_name(found[1])
    return ""


def _entries(config):
    """Folders of results with a file or a folder for each entry of a section."""
    labels = config["labels"]
    yield "results/models", "models", config["models"]
    yield "results/sweeps", "sweeps", config["sweeps"]
    whole = dict.fromkeys(numbered_figures(config))
    yield "results/figures", "figures", {**config["figures"], **whole}
    yield "results/studies", "studies", config["studies"]
    yield "results/audit", "labels.sets", labels["sets"]
    yield "results/labels(?=/[^/]+$)", "labels.sets", labels["sets"]
    yield "results/labels(?=/[^/]+/)", "labels.variants", {"standard": None, **labels["variants"]}


def _unmade(target, rules, patterns):
    """Reason why no rule makes a file: its name, its ending or its folder."""
    path = PurePosixPath(target)
    if len(path.parts) == 1:
        return f"no such target; {_choice(target, rules, set(rules) & ENTRIES)}"
    names = [
        pattern.name for pattern in map(PurePosixPath, patterns) if pattern.parent == path.parent
    ]
    endings = sorted({name.rpartition("}")[2] for name in names} - {""}, key=len, reverse=True)
    ending = next((one for one in endings if path.name.endswith(one)), None)
    if path.parent.as_posix() in BY_SYSTEM and ending:
        return _wrong_name(path.name.removesuffix(ending)) or "no rule makes this file"
    if path.parent.as_posix() == "results/studies" and ending:
        return "a label set of this study is not shipped; `./run ship_labels` ships computed labels"
    if endings and not ending:
        return f"the ending is wrong; {_choice('', [one.removeprefix('.') for one in endings])}"
    return "no rule makes this file; `./run --list` prints the targets"


def _choice(given, entries, shown=None):
    """Entries similar to a given one if there are many, otherwise all, or those to be shown."""
    if len(entries) > MANY and (near := difflib.get_close_matches(given, entries, 3)):
        return f"similar is {', '.join(near)}"
    return f"allowed is {', '.join(sorted(shown or entries))}"


def _wrong_name(name):
    try:
        parse_name(name, maximum_atoms=sys.maxsize)
    except ConfigError as error:
        return str(error).removeprefix(f"{name}: ").removeprefix(f"no system is called {name!r}: ")
    return ""
