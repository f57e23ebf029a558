"""Common style and parts of the figures: maps of periodic fields in a journal column."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.quiver import Quiver

from moirepol.structure.conventions import LAYERS

matplotlib.rcdefaults()  # whatever the user's matplotlibrc contains

#: Box ((left, right), (bottom, top)) in angstrom.
Box = tuple[tuple[float, float], tuple[float, float]]

COLUMN_INCHES = 3.4
#: Length of the longest arrow of an in-plane field, in distances of the arrows.
LONGEST_ARROW = 0.95
UNIT = 1e3
DIPOLE = r"$10^{-3}\,e\,\mathrm{\AA}$"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "lines.linewidth": 1.0,
    "mathtext.default": "regular",
    # The report shows a picture pixel by pixel and cuts one that is higher than the window.
    "savefig.dpi": 220,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}
# Colours of |P_par|. They are light, because black arrows are drawn on top.
LIGHT = ListedColormap(matplotlib.colormaps["YlGnBu"](np.linspace(0, 0.6, 256)))
LAYER_COLORS = ("tab:blue", "tab:red")
# q falls as 1/r around a zero of P at G. The colours span this share of the nodes, on a scale that
# is logarithmic beyond the median.
SHARE_OF_CHARGE = 0.999
# P_perp of AA is negative at N and positive at M.
POINT_COLORS = {"G": "black", "N": "tab:blue", "M": "tab:red"}
HALO: list[effects.AbstractPathEffect] = [effects.withStroke(linewidth=1.6, foreground="white")]


def new_figure(
    height_inches: float,
    mosaic: Any = None,
    width_inches: float = COLUMN_INCHES,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """Make a figure in the common style.

    Parameters
    ----------
    height_inches
        Height of the figure in inches.
    mosaic
        Layout of named axes, as of `matplotlib.pyplot.subplot_mosaic`; a grid by default.
    width_inches
        Width of the figure in inches; by default that of one journal column.
    **subplots
        Further arguments of `matplotlib.pyplot.subplots` or `subplot_mosaic`.

    Returns
    -------
    figure : Figure
        The figure.
    axes : Axes, or ndarray or dict of Axes
        Its axes, as of these functions.
    """
    matplotlib.rcParams.update(STYLE)
    size = (width_inches, height_inches)
    if mosaic is not None:
        return plt.subplot_mosaic(mosaic, figsize=size, **subplots)
    return plt.subplots(figsize=size, **subplots)


def save(figure: Figure, pdf: str | Path, png: str | Path) -> None:
    """Write a figure as PDF and PNG, and close it.

    The files contain no dates, so that the same data give the same files.

    Parameters
    ----------
    figure
        The figure.
    pdf
        PDF file to write.
    png
        PNG file to write.
    """
    for _ in range(2):  # the room for labels depends on the size of axes of a fixed aspect
        figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is final: no further layout in each file
    figure.savefig(pdf, metadata={"CreationDate": None, "ModDate": None})
    figure.savefig(png, metadata={"Software": None})
    plt.close(figure)


def map_figure(ds: xr.Dataset, keys: int = 0) -> tuple[Figure, Axes]:
    """Make a figure for a map of a cell and of a part of its periodic surroundings.

    Parameters
    ----------
    ds
        Map with the variable ``cell`` and the attribute ``space``.
    keys
        Number of lines for keys above the axes.

    Returns
    -------
    figure : Figure
        The figure.
    ax : Axes
        Its axes, in angstrom.
    """
    (left, right), (bottom, top) = window(ds["cell"].values)
    width = 0.74 * COLUMN_INCHES
    height = min(width * (top - bottom) / (right - left), 3.0)
    figure, ax = new_figure(height + 0.45 + 0.18 * keys)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    symbol = r"\tau" if ds.attrs["space"] == "configuration" else ""
    for axis, name in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        axis.set_label_text(rf"${symbol}_{name}$ ($\AA$)" if symbol else rf"${name}$ ($\AA$)")
    return figure, ax


def window(cell: np.ndarray, margin: float = 0.11) -> Box:
    """Return a box around a cell that is never higher than wide.

    Parameters
    ----------
    cell
        Cell vectors (2, 2) as rows, in angstrom.
    margin
        Margin around the cell, relative to the length of the first cell vector.

    Returns
    -------
    tuple
        Box ((left, right), (bottom, top)) in angstrom.
    """
    corners = np.array([[0, 0], cell[0], cell[1], cell[0] + cell[1]])
    edge = margin * np.linalg.norm(cell[0])
    low, high = corners.min(axis=0) - edge, corners.max(axis=0) + edge
    missing = max(0.0, (high - low) @ [-1, 1]) / 2
    return (low[0] - missing, high[0] + missing), (low[1], high[1])


def sample(field: np.ndarray, cell: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Interpolate a periodic field by cubic splines.

    Parameters
    ----------
    field
        Field (..., n, n) on the grid of the cell.
    cell
        Cell vectors (2, 2) as rows, in angstrom.
    xy
        Places (..., 2) in angstrom.

    Returns
    -------
    ndarray
        Values at the places; the leading axes of `field` first, then those of `xy`.
    """
    from scipy.ndimage import map_coordinates  # slow to import, most panels do not need it

    n = field.shape[-1]
    nodes = np.moveaxis(xy @ np.linalg.inv(cell) * n, -1, 0)
    flat = field.reshape(-1, n, n)
    values = [map_coordinates(part, nodes, order=3, mode="grid-wrap") for part in flat]
    return np.reshape(values, field.shape[:-2] + xy.shape[:-1])


def draw_field(
    ax: Axes,
    ds: xr.Dataset,
    field: np.ndarray,
    label: str | None,
    cmap: str | Colormap = "RdBu_r",
    limits: Sequence[float] | None = None,
    pixels: int = 400,
    linear_width: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Colour axes by a periodic field.

    Parameters
    ----------
    ax
        Axes to draw on.
    ds
        Map, which contains the cell and its named points.
    field
        Field (n, n).
    label
        Label of the colour bar; None draws no colour bar.
    cmap
        Colour map.
    limits
        Lowest and highest value of the colours; by default they are symmetric about zero.
    pixels
        Number of pixels along each axis.
    linear_width
        If given, the colours are linear within this size and logarithmic beyond it.

    Returns
    -------
    xy : ndarray
        Places (pixels, pixels, 2) of the pixels in angstrom, for contours.
    values : ndarray
        Values (pixels, pixels) of the field.
    """
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    x, y = np.linspace(left, right, pixels), np.linspace(bottom, top, pixels)
    xy = np.stack(np.meshgrid(x, y), axis=-1)
    values = sample(field, ds["cell"].values, xy)
    low, high = limits or (-np.abs(field).max(), np.abs(field).max())
    norm = Normalize(low, high)
    if linear_width:
        norm = AsinhNorm(linear_width=linear_width, vmin=low, vmax=high)
    image = ax.imshow(
        values,
        extent=(left, right, bottom, top),
        origin="lower",
        cmap=cmap,
        norm=norm,
        interpolation="bilinear",
    )
    if label is not None:
        beyond = {(0, 0): "neither", (0, 1): "max", (1, 0): "min", (1, 1): "both"}
        slack = 1e-9 * (high - low)
        extend = beyond[int(field.min() < low - slack), int(field.max() > high + slack)]
        draw_colour_bar(ax, image, label, extend)
    return xy, values


def draw_colour_bar(ax: Axes, image: ScalarMappable, label: str, extend: str = "neither") -> None:
    """Draw a colour bar of the height of axes on their right side.

    Parameters
    ----------
    ax
        Axes.
    image
        What the colours belong to.
    label
        Label with the unit.
    extend
        Ends beyond which there are further values, as of `matplotlib.figure.Figure.colorbar`.
    """
    place = ax.inset_axes((1.03, 0.0, 0.05, 1.0))
    bar = ax.figure.colorbar(image, cax=place, label=label, extend=extend)
    bar.outline.set_linewidth(0.6)
    if isinstance(image.norm, AsinhNorm):
        powers = 10.0 ** np.arange(-6, 7)
        shown = powers[(powers > 2 * image.norm.linear_width) & (powers <= (image.norm.vmax or 0))]
        bar.set_ticks(
            [*-shown[::-1], 0, *shown], labels=[f"{x:g}" for x in (*-shown[::-1], 0, *shown)]
        )
        bar.minorticks_off()


def places_in_window(ax: Axes, ds: xr.Dataset, per_cell: int) -> np.ndarray:
    """Return the places of a triangular grid inside axes.

    Parameters
    ----------
    ax
        Axes with the limits of the window.
    ds
        Map, which contains the cell.
    per_cell
        Number of places along each cell vector.

    Returns
    -------
    ndarray
        Places (K, 2) in angstrom.
    """
    return _places_in((ax.get_xlim(), ax.get_ylim()), ds["cell"].values, per_cell)


def _places_in(box: Box, cell: np.ndarray, per_cell: int) -> np.ndarray:
    steps = np.arange(-per_cell, 2 * per_cell + 1) / per_cell
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) @ cell
    low, high = np.transpose(box)
    return places[((places > low) & (places < high)).all(axis=1)]


def arrows_in_box(
    box: Box,
    cell: np.ndarray,
    P_par: np.ndarray,
    per_cell: int = 12,
    longest: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return arrows of an in-plane field on a triangular grid in a box.

    An arrow with |P_par| = `longest` is slightly shorter than the distance between the places.

    Parameters
    ----------
    box
        Box ((left, right), (bottom, top)) in angstrom.
    cell
        Cell vectors (2, 2) as rows, in angstrom.
    P_par
        In-plane field (2, n, n) on the grid of the cell.
    per_cell
        Number of places along each cell vector.
    longest
        |P_par| of the longest arrow; by default the maximum of the field.

    Returns
    -------
    places : ndarray
        Places (K, 2) in angstrom.
    arrows : ndarray
        Arrows (K, 2) in angstrom.
    """
    places = _places_in(box, cell, per_cell)
    longest = longest or np.linalg.norm(P_par, axis=0).max() or 1.0
    spacing = np.linalg.norm(cell[0]) / per_cell
    return places, sample(P_par, cell, places).T * LONGEST_ARROW * spacing / longest


def draw_arrows(
    ax: Axes,
    ds: xr.Dataset,
    P_par: np.ndarray,
    per_cell: int = 12,
    color: str = "black",
    longest: float | None = None,
) -> Quiver:
    """Draw in-plane arrows on a triangular grid: direction and length of P_par.

    Parameters
    ----------
    ax
        Axes to draw on.
    ds
        Map, which contains the cell and its named points.
    P_par
        In-plane field (2, n, n).
    per_cell
        Number of arrows along each cell vector.
    color
        Colour of the arrows.
    longest
        |P_par| of the longest arrow that fits the grid; by default the maximum of the field.

    Returns
    -------
    Quiver
        The arrows, in angstrom on the axes.
    """
    box = ax.get_xlim(), ax.get_ylim()
    places, arrows = arrows_in_box(box, ds["cell"].values, P_par, per_cell, longest)
    return ax.quiver(
        *places.T,
        *arrows.T,
        pivot="mid",
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.006,
        headwidth=3.5,
        headlength=4,
        headaxislength=3.5,
        color=color,
    )


def draw_cell(
    ax: Axes,
    ds: xr.Dataset,
    triangles: bool = False,
    names: str | Collection[str] = "GNMABC",
    fontsize: float = 7,
) -> None:
    """Draw the outline of the cell and its named points.

    Parameters
    ----------
    ax
        Axes to draw on.
    ds
        Map, which contains the cell and its named points.
    triangles
        Whether to draw dashed outlines of the two triangles around M and N instead of the cell.
    names
        Letters of the points to mark.
    fontsize
        Size of the letters in points.
    """
    cell = ds["cell"].values
    corners = np.array([[0, 0], cell[0], cell[0] + cell[1], cell[1], [0, 0]])
    style: dict[str, Any] = {"color": "black", "linewidth": 0.7, "linestyle": (0, (4, 2))}
    ax.plot(*corners.T, **style | ({} if triangles else {"linestyle": "-"}))
    if triangles:
        ax.plot(*np.array([cell[0], cell[1]]).T, **style)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for label, x, y in named_places(ds):
        if label not in names or not (left < x < right and bottom < y < top):
            continue
        ax.plot(x, y, "o", color="black", markersize=1.8, markeredgewidth=0)
        text = ax.annotate(
            label, (x, y), (2.5, 2.5), textcoords="offset points", fontsize=fontsize, weight="bold"
        )
        text.set_path_effects(HALO)


def named_places(ds: xr.Dataset) -> list[tuple[str, float, float]]:
    """Return the named points of a map, in its cell and on its whole border.

    Parameters
    ----------
    ds
        Map, which contains the cell and its named points.

    Returns
    -------
    list of (label, x, y)
        Labels and places in angstrom. A point on the border appears at all its equivalent places.
    """
    cell = ds["cell"].values
    places = np.stack([ds["point_x"], ds["point_y"]], axis=-1)
    found = []
    for label, place in zip(ds["point"].values, places, strict=True):
        for shift in np.ndindex(2, 2):
            xy = place + np.array(shift) @ cell
            if (xy @ np.linalg.inv(cell)).max() <= 1 + 1e-6:
                found.append((str(label), *xy))
    return found


def draw_in_plane(ax: Axes, ds: xr.Dataset, P_par: np.ndarray) -> None:
    """Colour axes by |P_par| and draw its direction.

    Parameters
    ----------
    ax
        Axes to draw on.
    ds
        Map, which contains the cell and its named points.
    P_par
        In-plane polarization (2, n, n) in units of `DIPOLE`.
    """
    size = np.linalg.norm(P_par, axis=0)
    draw_field(ax, ds, size, rf"$|P_\parallel|$ ({DIPOLE})", LIGHT, (0, size.max()))
    draw_arrows(ax, ds, P_par)


def draw_charge(ax: Axes, ds: xr.Dataset, q: np.ndarray) -> None:
    """Colour axes by a charge density.

    Parameters
    ----------
    ax
        Axes to draw on.
    ds
        Map, which contains the cell and its named points.
    q
        Charge density (n, n) in 1/angstrom^2.
    """
    limit = np.quantile(np.abs(q), SHARE_OF_CHARGE)
    power = int(np.floor(np.log10(limit or 1.0)))
    q = q / 10.0**power
    limit = np.quantile(np.abs(q), SHARE_OF_CHARGE)
    label = rf"$q$ ($10^{{{power}}}\,\mathrm{{\AA}}^{{-2}}$)"
    linear_width = float(np.median(np.abs(q))) or None
    draw_field(ax, ds, q, label, limits=(-limit, limit), linear_width=linear_width)


def draw_out_of_plane(
    ax: Axes, ds: xr.Dataset, P_perp: np.ndarray, largest: float | None = None
) -> None:
    """Colour axes by P_perp and draw a dotted line where it is zero.

    Parameters
    ----------
    ax
        Axes to draw on.
    ds
        Map, which contains the cell and its named points.
    P_perp
        Out-of-plane polarization (n, n) in units of `DIPOLE`.
    largest
        |P_perp| at the ends of the colours; by default the maximum of the field.
    """
    limits = None if largest is None else (-largest, largest)
    xy, values = draw_field(ax, ds, P_perp, rf"$P_\perp$ ({DIPOLE})", limits=limits)
    ax.contour(*xy.transpose(2, 0, 1), values, [0.0], colors="0.35", linewidths=0.6, linestyles=":")


def round_below(value: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)) * power)


def draw_arrow_key(
    ax: Axes, arrows: Quiver, longest: float, per_unit: float, symbol: str, y: float = 1.05
) -> None:
    """Draw a scale arrow above axes, with its size.

    Parameters
    ----------
    ax
        Axes.
    arrows
        The arrows of the axes.
    longest
        Size of the longest arrow in units of `DIPOLE`.
    per_unit
        Length on the axes, in the unit of `arrows`, of an arrow of size 1.
    symbol
        Symbol of the quantity in TeX, without its bars.
    y
        Height of the arrow in fractions of the axes.
    """
    if not longest > 0:
        return
    ax.set_title(" ")  # keeps the place free
    size = round_below(longest)
    words = rf"$|{symbol}|$ = {size:g} {DIPOLE}"
    style: dict[str, Any] = {"labelpos": "E", "fontproperties": {"size": 7}, "labelsep": 0.05}
    ax.quiverkey(arrows, 0.03, y, size * per_unit, words, coordinates="axes", **style)


def disc(color: str, words: str, filled: bool = True, size: float = 4) -> Line2D:
    """Return a disc for a legend.

    Parameters
    ----------
    color
        Colour.
    words
        What it means.
    filled
        Whether the disc is filled.
    size
        Diameter in points.

    Returns
    -------
    Line2D
        Handle of a legend.
    """
    face = color if filled else "white"
    style: dict[str, Any] = {
        "marker": "o",
        "markersize": size,
        "markeredgewidth": 0.7,
        "linestyle": "none",
    }
    return Line2D([], [], color=color, markerfacecolor=face, label=words, **style)


def layer_key(site: str, other: str) -> list[Line2D]:
    """Return a legend of the layers' colours and of the elements' discs.

    Parameters
    ----------
    site, other
        Symbols of the element of the dipole sites, which is filled, and of the other one.

    Returns
    -------
    list of Line2D
        Handles of a legend.
    """
    lines = [
        Line2D([], [], color=color, linewidth=2, label=f"{name} layer")
        for name, color in zip(LAYERS, LAYER_COLORS, strict=True)
    ]
    return [*lines, disc("0.3", site), disc("0.3", other, filled=False)]


def figure_data(ds: xr.Dataset, names: Collection[str]) -> xr.Dataset:
    """Return the data that a panel shows.

    Parameters
    ----------
    ds
        Map.
    names
        Variables of the panel.

    Returns
    -------
    xr.Dataset
        These variables with the cell and its named points, without unused coordinates.
    """
    shown = ds.drop_vars(set(ds.data_vars) - {*names, "cell"})
    used = {"point"}.union(*(variable.dims for variable in shown.data_vars.values()))
    return shown.drop_vars(name for name, c in shown.coords.items() if not used.issuperset(c.dims))


def colors_of(count: int) -> np.ndarray:
    """Return colours for an ordered series of lines, from dark to light.

    Parameters
    ----------
    count
        Number of lines.

    Returns
    -------
    ndarray
        RGBA colours (count, 4).
    """
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.85, count))


def one_strain(ds: xr.Dataset) -> xr.Dataset:
    """Return the first strain of a sweep.

    Parameters
    ----------
    ds
        Sweep with the dimension ``strain``.

    Returns
    -------
    xr.Dataset
        The sweep without this dimension.
    """
    return ds.isel(strain=0)


def one_geometry(ds: xr.Dataset) -> xr.Dataset:
    """Return the first system of a sweep in its first strain.

    Parameters
    ----------
    ds
        Sweep with the dimensions ``system`` and ``strain``.

    Returns
    -------
    xr.Dataset
        The sweep without these dimensions.
    """
    return ds.isel(system=0, strain=0)
