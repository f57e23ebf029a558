"""Draw the pattern of a moire cell by the model and by direct DFT, and the difference."""

import numpy as np
import xarray as xr

from moirepol.physics.polarization import layer_fields, map_dataset
from moirepol.plotting import (
    DIPOLE,
    LIGHT,
    UNIT,
    draw_arrows,
    draw_cell,
    draw_field,
    new_figure,
    save,
    window,
)
from moirepol.structure.frames import dipole_errors, read_frames
from moirepol.workflow.provenance import stamp, write_netcdf

GRID = 96
ARROWS_PER_CELL = 6
MODEL, SHORT, DIRECT, DIFFERENCE = "model", "short range", "direct DFT", "difference"
SYMBOLS = (r"P_\perp", r"|P_\parallel|")
ARRAYS = {MODEL: "dipole", SHORT: "dipole_short_range"}


def plot_comparison(dipoles: str, labels: list[str], data: str, pdf: str, png: str):
    """Draw P_perp and P_par of the prediction and of direct DFT, and their difference.

    The difference has its own scale. The mean absolute error is that of the dipole components of
    all N atoms.

    Parameters
    ----------
    dipoles
        Prediction of one moire cell.
    labels
        Label set that contains this cell. Without one, the prediction is drawn alone.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    (predicted,) = read_frames(dipoles)
    name = predicted.name
    label = next(
        (frame for path in labels for frame in read_frames(path) if frame.name == name),
        None,
    )
    sources = {
        source: (predicted, array) for source, array in ARRAYS.items() if array in predicted.arrays
    }
    if label is not None:
        sources[DIRECT] = label, "dipole"
    cell = predicted.cell.array[:2, :2]
    fields = {
        source: layer_fields(frame, GRID, array) for source, (frame, array) in sources.items()
    }
    maps = [map_dataset(field, cell, predicted.stacking_points()) for field in fields.values()]
    shown = xr.concat(maps, xr.DataArray(list(fields), dims="source", name="source"))
    if label is not None:
        errors = [
            np.abs(dipole_errors(predicted, label, array)).mean(axis=0)
            for source, array in ARRAYS.items()
            if source in sources
        ]
        shown["error"] = ("compared", "component"), np.array(errors), {"units": "e.angstrom"}
        shown["error"].attrs["long_name"] = "mean absolute error over all N atoms"
        shown = shown.assign_coords(compared=[source for source in ARRAYS if source in sources])
    write_netcdf(stamp(shown, f"{name}: model and direct first principles"), data)

    drawn = [source for source in (MODEL, DIRECT) if source in sources]
    P = {source: UNIT * shown["P"].sel(source=source).values for source in drawn}
    if label is not None:
        P[DIFFERENCE] = P[MODEL] - P[DIRECT]
    xlim, ylim = window(cell, margin=0.08)
    height = 0.9 * np.ptp(ylim) / np.ptp(xlim)
    figure, axes = new_figure(
        2 * height + 1.7, nrows=2, ncols=len(P), sharex=True, sharey=True, squeeze=False
    )
    one = shown.isel(source=0)
    for group in (drawn, [DIFFERENCE]) if label is not None else (drawn,):
        columns = [list(P).index(source) for source in group]
        perp = max(np.abs(P[source][2]).max() for source in group)
        par = max(np.linalg.norm(P[source][:2], axis=0).max() for source in group)
        for column, source in zip(columns, group, strict=True):
            top, bottom = axes[:, column]
            for ax in (top, bottom):
                ax.set(xlim=xlim, ylim=ylim, aspect="equal")
            draw_field(top, one, P[source][2], None, limits=(-perp, perp))
            in_plane = P[source][:2]
            draw_field(bottom, one, np.linalg.norm(in_plane, axis=0), None, LIGHT, (0, par))
            draw_arrows(bottom, one, in_plane, ARROWS_PER_CELL, longest=par)
            for ax in (top, bottom):
                draw_cell(ax, one, names="GNM", fontsize=6)
            top.set_title(source)
            bottom.set_xlabel(r"$x$ ($\AA$)")
        for row, symbol in enumerate(SYMBOLS):
            image = axes[row, columns[0]].images[0]
            style = {"location": "bottom", "aspect": 12 * len(columns), "pad": 0.02}
            words = rf"${symbol}$ ({DIPOLE})"
            figure.colorbar(image, ax=list(axes[row, columns]), label=words, **style)
    for ax in axes[:, 0]:
        ax.set_ylabel(r"$y$ ($\AA$)")
    if label is not None:
        errors = [
            f"{source} {UNIT * shown['error'].sel(compared=source).mean().item():.2f}"
            for source in shown["compared"].values
        ]
        figure.suptitle(f"mean absolute error: {', '.join(errors)} {DIPOLE}", fontsize=7)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_comparison, globals().get("snakemake"))
