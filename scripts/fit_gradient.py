"""Fit the first order of the dipoles in the displacement gradient to uniaxial cells."""

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
    second_order_deviations,
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
        Label sets of uniaxial cells of one family, without a field.
    slides
        Labels with slides_per_axis x slides_per_axis translated bilayers, of the same recipe.
    gradient
        NetCDF to write: ``first_order`` (fit, layer, gradient, term, component) and ``deviation``
        (fit, draw, layer, gradient, term, component) in e.angstrom, ``left_out`` (fit), the name of
        the cell that a fit leaves out, empty for the fit to all, and ``coupling`` (fit), the
        interlayer coupling.
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

    dims = ("layer", "gradient", "term", "component")
    unit = {"units": "e.angstrom"}
    ds = xr.Dataset(
        {
            "first_order": (
                ("fit", *dims),
                np.array([each.first_order for each in fits]),
                unit | {"long_name": "change of a dipole per unit of the displacement gradient"},
            ),
            "deviation": (
                ("fit", "draw", *dims),
                np.array([each.deviations for each in fits]),
                unit | {"long_name": "deviations drawn from the covariance of the fit"},
            ),
            "second_order_deviation": (
                ("draw", "layer", "product", "term", "component"),
                second_order_deviations(family),
                unit | {"long_name": "second-order coefficients of unit width, drawn at random"},
            ),
            "coupling": (
                "fit",
                [each.coupling for each in fits],
                {"units": "1", "long_name": "interlayer coupling of the long range, 1 for slabs"},
            ),
            "coupling_error": (
                "fit",
                [each.coupling_error for each in fits],
                {"units": "1", "long_name": "standard deviation of the interlayer coupling"},
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
                {"units": "1", "long_name": "strains and twist (radian) of the cells"},
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
                "noise",
            ],
        },
    )
    settings = {"family": family, "long_range": bool(polarizability)}
    title = f"First order of the dipoles of {family} in the displacement gradient"
    write_netcdf(stamp(ds, title, settings), gradient)
    print("root mean square of the residuals (x, y, z), e.A:", fits[0].rms)
    print(f"interlayer coupling: {fits[0].coupling:.3f} +- {fits[0].coupling_error:.3f}")


def _with_long_range(cell: Bilayer, response: NetworkTerm, long_range: LongRange) -> Bilayer:
    """Return a cell with what its long-range field adds to its dipoles, for `fit`."""
    expansion = Expansion(cell)
    response.contribute(expansion)
    short = [
        long_range.solver(cell, expansion.response, coupling).remove(cell.dipoles)
        for coupling in (0.0, 1.0)
    ]
    cell = cell.copy()
    cell.set_site_array("long_range", cell.dipoles - short[0])
    cell.set_site_array("coupled", short[0] - short[1])
    return cell


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(fit_gradient, globals().get("snakemake"))
