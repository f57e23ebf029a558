"""Files of `fit_gradient` in memory."""

import numpy as np
import xarray as xr

from moirepol.physics import gradient as dg

SHAPES = {
    order: (2, number, len(dg.TERMS), 3)
    for order, number in (("first_order", len(dg.GRADIENT)), ("second_order", len(dg.PRODUCTS)))
}


def gradient_file(coupling=1.0, cells=(), draws=1, **given):
    """One fit to all cells: `given` values, and 0 for each other order and deviation."""
    variables = {"coupling": ("fit", [coupling]), "left_out": ("fit", [""])}
    for order, shape in SHAPES.items():
        name = f"{order}_deviation"
        values = given.get(order, np.zeros(shape))
        deviations = given.get(name, np.zeros((draws, *shape)))
        variables[order] = ("fit", "l", f"{order}_product", *"tc"), values[None]
        variables[name] = ("fit", "draw", "l", f"{order}_product", *"tc"), deviations[None]
    deviations = given.get("coupling_deviation", np.zeros(draws))
    variables["coupling_deviation"] = ("fit", "draw"), np.asarray(deviations)[None]
    return xr.Dataset(variables, {"cell": list(cells)})
