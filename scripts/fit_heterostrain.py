"""Fit the change of the dipoles with the relative strain of the layers."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.model.committee import committee
from moirepol.physics.configuration import at_stackings, labelled_slides, slide_waves
from moirepol.physics.expansion import Expansion
from moirepol.physics.heterostrain import TERMS, fit
from moirepol.physics.long_range import LongRange
from moirepol.physics.polarization import COMPONENTS, LAYERS
from moirepol.predictor import NetworkTerm
from moirepol.structure.bilayer import UPPER, Bilayer
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def fit_heterostrain(
    strips,
    slides,
    heterostrain,
    slides_per_axis,
    response: Sequence[str] = (),
    polarizability=(),
    reach_A: Sequence[float] = (0.0, 0.0),
) -> None:
    """Fit the first and the second order in the relative strain, once for every shift.

    Each fit omits the uniaxial cells with one shift. The standard deviation over the fits is their
    error. If the other cells are too few, there is one fit to all of them.

    Parameters
    ----------
    strips
        Label set of uniaxial heterostrain cells of one family, without a field.
    slides
        Label set with slides_per_axis x slides_per_axis untwisted bilayers of the same recipe.
    heterostrain
        NetCDF file to write: ``first_order`` and ``second_order`` (fit, layer, term, component) and
        the residuals ``rms`` (fit, layer, component), all in e.A, and ``left_out`` (fit, strip).
    slides_per_axis
        Number of stackings along each primitive vector.
    response, polarizability, reach_A
        As in `predict_dipoles`. With them, the long-range field of the cells' own dipoles is
        subtracted from the labels before the fit.
    """
    frames = read_frames(strips)
    family = frames[0].family
    waves = slide_waves(*labelled_slides(read_frames(slides), family, slides_per_axis))
    if polarizability:
        long_range = LongRange.from_file(polarizability, reach_A)
        answering = NetworkTerm("response", committee(response))
        frames = [_short_range(frame, answering, long_range) for frame in frames]

    def fitted(left_out):
        used = [f for f, out in zip(frames, left_out, strict=True) if not out]
        return fit(used, lambda tau: at_stackings(*waves, tau))

    places = np.array([_place(frame) for frame in frames])
    choices, found = [], []
    for place in np.unique(places):
        try:
            found.append(fitted(places == place))
            choices.append(places == place)
        except JobError:
            continue
    if not found:
        choices = [np.zeros(len(frames), dtype=bool)]
        found = [fitted(choices[0])]
    orders, rms = (np.array(values) for values in zip(*found, strict=True))

    dims = ("fit", "layer", "term", "component")
    words = {"units": "e.angstrom", "long_name": "change of a dipole"}
    ds = xr.Dataset(
        {
            "first_order": (dims, orders[:, 0], words | {"comment": "per unit of strain"}),
            "second_order": (dims, orders[:, 1], words | {"comment": "per unit of strain squared"}),
            "rms": (
                ("fit", "layer", "component"),
                rms,
                {"units": "e.angstrom", "long_name": "root mean square of the residuals"},
            ),
            "left_out": (("fit", "strip"), np.array(choices).astype("int8")),
        },
        {
            "layer": list(LAYERS),
            "term": list(TERMS),
            "component": list(COMPONENTS),
            "strip": [frame.name for frame in frames],
        },
    )
    ds["left_out"].attrs.update(units="1", long_name="1 if the fit omits the cell")
    settings = {"family": family, "long_range": bool(polarizability), "reach_A": list(reach_A)}
    title = f"Change of the dipoles of {family} with the relative strain of the layers"
    write_netcdf(stamp(ds, title, settings), heterostrain)
    print("residuals of the fits (x, y, z), e.A:", np.sqrt((rms**2).mean(axis=(0, 1))))


def _place(strip: Bilayer) -> float:
    """Return the shift of the upper layer of a uniaxial cell along a2, in fractions of a2."""
    lower, upper = strip.origins
    across = (upper - lower) @ np.linalg.inv(strip.lattices[UPPER])
    return round(float(across[1]) % 1.0, 6)


def _short_range(strip: Bilayer, response: NetworkTerm, long_range: LongRange) -> Bilayer:
    """Return a uniaxial cell with the effect of the pattern's field subtracted."""
    expansion = Expansion(strip, local_stackings=True)
    response.contribute(expansion)
    strip = strip.copy()
    solver = long_range.solver(strip, expansion.response)
    strip.set_site_array("dipole", solver.remove(strip.dipoles))
    return strip


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(fit_heterostrain, globals().get("snakemake"))
