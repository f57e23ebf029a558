"""Settings with one of them changed."""

import copy


def put(config, path, value):
    """A copy of the settings with one of them replaced."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    section = config
    for key in parents:
        section = section[key]
    section[last] = value
    return config
