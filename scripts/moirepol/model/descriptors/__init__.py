"""Networks by the type of their descriptor, one module each.

A module of this package is named like deepmd-kit's type of the descriptor. It contains a class
`Network` with the interface of `se_e2_a.Network`, and a function `descriptor_section`.
"""

from importlib import import_module
from typing import Any

#: The descriptor of a protocol that names none.
DEFAULT = "se_e2_a"


def descriptor_module(name: str) -> Any:
    """Return the module of a type of descriptor.

    Parameters
    ----------
    name
        deepmd-kit's name of the type.

    Returns
    -------
    module
        A module of this package.

    Raises
    ------
    ValueError
        If this package has no module of that name.
    """
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError:
        raise ValueError(f"descriptor {name!r}: allowed are the modules of {__name__}") from None


def network_of(model: dict[str, Any], site_type: int) -> Any:
    """Return the network of a serialized model of deepmd-kit.

    Parameters
    ----------
    model
        deepmd-kit's nested dictionary.
    site_type
        Index of the type that carries dipoles.

    Returns
    -------
    Network
        The network of the model's type of descriptor.
    """
    return descriptor_module(model["descriptor"]["type"]).Network(model, site_type)
