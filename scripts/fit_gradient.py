"""Fit the change of the dipoles with the displacement gradient to cells of direct DFT."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.model.committee import committee
from moirepol.physics.configuration import at_stackings, labelled_slides, slide_waves
from moirepol.physics.expansion import Expansion
from moirepol.physics.gradient import (
    DRAWS,
    GRADIENT,
    PRODUCTS,
    TERMS,
    fit,
    gradient_of,
    remainder,
)
from moirepol.physics.long_range import LongRange
from moirepol.physics.polarization import COMPONENTS
from moirepol.predictor import NetworkTerm
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LAYERS
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def fit_gradient(
    cells: Sequence[str],
    slides: str,
    gradient: str,
    slides_per_axis: int,
    response: Sequence[str] = (),
    polarizability: str | Sequence[str] = (),
) -> None:
    """Fit all cells together, then all but one for each cell that the others can replace.

    Parameters
    ----------
    cells
        Label sets of uniaxial cells and of small moire cells of one family, without a field.
    slides
        Labels with slides_per_axis x slides_per_axis translated bilayers, of the same recipe.
    gradient
        NetCDF to write. ``first_order`` (fit, layer, gradient, term, component) and
        ``second_order`` (fit, layer, product, term, component) are in e.angstrom, and ``coupling``
        (fit) is the interlayer coupling. Each has deviations (fit, draw, ...), with the ending
        ``_deviation``. ``left_out`` (fit) is the name of the cell that a fit leaves out, empty for
        the fit to all.
    slides_per_axis
        Number of stackings along each primitive vector.
    response, polarizability
        As in `predict_dipoles`. With them the effect of the long-range field of the cells' own
        dipoles is subtracted, and its interlayer coupling is fitted too.
    """
    frames = [frame for path in cells for frame in read_frames(path)]
    family = frames[0].family
    waves = slide_waves(*labelled_slides(read_frames(slides), family, slides_per_axis))
    if polarizability:
        term = LongRange.from_file(str(polarizability))
        networks = NetworkTerm("response", committee(response))
        frames = [_with_long_range(frame, networks, term) for frame in frames]

    def translated(tau):
        return at_stackings(*waves, tau)

    names = [frame.name for frame in frames]
    fits = [fit(frames, translated)]
    left_out = [""]
    for name in names:
        others = [frame for frame in frames if frame.name != name]
        with suppress(JobError):  # the others may be too few
            fits.append(fit(others, translated, fits[0].widths))
            left_out.append(name)

    unit, number = {"units": "e.angstrom"}, {"units": "1"}
    of_terms = "term", "component"
    variables = {
        "first_order": (
            ("layer", "gradient", *of_terms),
            unit | {"long_name": "change of a dipole per unit of the displacement gradient"},
        ),
        "second_order": (
            ("layer", "product", *of_terms),
            unit | {"long_name": "change per unit of a product of two components of the gradient"},
        ),
        "coupling": (
            (),
            number | {"long_name": "interlayer coupling of the long range, 1 for slabs"},
        ),
    }
    data: dict[str, tuple] = {}
    for name, (dims, attributes) in variables.items():
        means = np.array([getattr(each.mean, name) for each in fits])
        deviations = np.array([getattr(each.deviations, name) for each in fits])
        drawn = {"long_name": f"deviations of {name}, drawn from the covariance of the fit"}
        data[name] = ("fit", *dims), means, attributes
        data[f"{name}_deviation"] = ("fit", "draw", *dims), deviations, attributes | drawn
    ds = xr.Dataset(
        data
        | {
            "remainder": (
                ("draw", "layer", "product", *of_terms),
                remainder(family),
                unit | {"long_name": "second-order coefficients of unit width, drawn at random"},
            ),
            "coupling_error": (
                "fit",
                [each.coupling_error for each in fits],
                number | {"long_name": "standard deviation of the interlayer coupling"},
            ),
            "rms": (
                ("fit", "component"),
                np.array([each.rms for each in fits]),
                unit | {"long_name": "root mean square of the residuals"},
            ),
            "width": (
                "parameter",
                fits[0].widths,
                unit | {"long_name": "prior widths and noise of largest evidence"},
            ),
            "size": (
                ("cell", "gradient"),
                np.array([gradient_of(frame) for frame in frames]),
                number | {"long_name": "strains and twist (radian) of the cells"},
            ),
        },
        {
            "layer": list(LAYERS),
            "gradient": list(GRADIENT),
            "product": [f"{GRADIENT[i]} * {GRADIENT[j]}" for i, j in PRODUCTS],
            "term": list(TERMS),
            "component": list(COMPONENTS),
            "cell": names,
            "draw": np.arange(DRAWS),
            "left_out": ("fit", left_out),
            "parameter": [
                "second order, waves",
                "second order, constants",
                "uniform in-plane dipole of a cell",
                "noise of a label",
                "noise per third power of the twist",
                "noise per third power of the strain",
            ],
        },
    )
    settings = {"family": family, "long_range": bool(polarizability)}
    title = f"Change of the dipoles of {family} with the displacement gradient"
    write_netcdf(stamp(ds, title, settings), gradient)
    print("root mean square of the residuals (x, y, z), e.A:", fits[0].rms)
    print(f"interlayer coupling: {fits[0].mean.coupling:.3f} +- {fits[0].coupling_error:.3f}")


def _with_long_range(cell: Bilayer, response: NetworkTerm, long_range: LongRange) -> Bilayer:
    """Return a cell with what its long-range field adds to its dipoles, for `fit`."""
    expansion = Expansion(cell)
    response.contribute(expansion)
    solver = long_range.solver(cell, expansion.response, 0.0)
    without_coupling = solver.remove(cell.dipoles)
    coupled = solver.per_unit_of_coupling(cell.dipoles)
    cell = cell.copy()
    cell.set_site_array("long_range", cell.dipoles - without_coupling)
    cell.set_site_array("coupled", coupled)
    return cell


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(fit_gradient, globals().get("snakemake"))
