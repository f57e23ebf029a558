"""Settings with one of them changed."""

import copy
from typing import Any

import yaml

from moirepol.workflow.configuration import check_config
from support import ROOT


def shipped_config() -> dict[str, Any]:
    """The settings of config.yaml as the rules see them."""
    return check_config(yaml.safe_load((ROOT / "config.yaml").read_text()))


def put(config, path, value):
    """A copy of the settings with one of them replaced."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    section = config
    for key in parents:
        section = section[key]
    section[last] = value
    return config
