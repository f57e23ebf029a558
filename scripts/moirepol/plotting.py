"""Shared style and pieces of the figures: maps of periodic fields in a journal column."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from scipy.ndimage import map_coordinates

COLUMN_INCHES = 3.4
UNIT = 1e3
DIPOLE = r"$10^{-3}\,e\,\mathrm{\AA}$"
STYLE: Any = {
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
    "savefig.dpi": 400,
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
}
# For |P_par|: light enough for black arrows on top.
LIGHT = ListedColormap(matplotlib.colormaps["YlGnBu"](np.linspace(0, 0.6, 256)))
LAYER_COLORS = ("tab:blue", "tab:red")
# q falls as 1/r around a zero of P at G: its colours span this share of the grid's nodes.
SHARE_OF_CHARGE = 0.97
# N points down, M up.
POINT_COLORS = {"G": "black", "N": "tab:blue", "M": "tab:red"}
HALO: list[effects.AbstractPathEffect] = [effects.withStroke(linewidth=1.6, foreground="white")]


def new_figure(height_inches: float, **subplots: Any) -> tuple[Figure, Axes]:
    """Make a figure of one journal column and its axes, in the common style."""
    matplotlib.rcParams.update(STYLE)
    return plt.subplots(figsize=(COLUMN_INCHES, height_inches), **subplots)


def save(figure: Figure, pdf: str | Path, png: str | Path) -> None:
    """Write both formats, without dates, so that the same data give the same files."""
    figure.savefig(pdf, metadata={"CreationDate": None, "ModDate": None})
    figure.savefig(png, metadata={"Software": None})
    plt.close(figure)


def map_figure(ds: xr.Dataset) -> tuple[Figure, Axes]:
    """Make a figure and axes for a map of this cell, with some of its surroundings."""
    (left, right), (bottom, top) = window(ds["cell"].values)
    width = 0.74 * COLUMN_INCHES
    height = min(width * (top - bottom) / (right - left), 3.0)
    figure, ax = new_figure(height + 0.45)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    symbol = r"\tau" if ds.attrs["space"] == "configuration" else ""
    for axis, name in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        axis.set_label_text(rf"${symbol}_{name}$ ($\AA$)" if symbol else rf"${name}$ ($\AA$)")
    return figure, ax


def window(
    cell: np.ndarray, margin: float = 0.11
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the box ((left, right), (bottom, top)) around a cell, never higher than wide."""
    corners = np.array([[0, 0], cell[0], cell[1], cell[0] + cell[1]])
    edge = margin * np.linalg.norm(cell[0])
    low, high = corners.min(axis=0) - edge, corners.max(axis=0) + edge
    missing = max(0.0, (high - low) @ [-1, 1]) / 2
    return (low[0] - missing, high[0] + missing), (low[1], high[1])


def sample(field: np.ndarray, cell: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Return a periodic field (..., n, n) at the places xy (..., 2) in A, by cubic splines."""
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
    limits: tuple[float, float] | None = None,
    pixels: int = 400,
) -> tuple[np.ndarray, np.ndarray]:
    """Colour the axes by a periodic field (n, n); colours of signed data are centred at zero.

    label: of the colour bar; None draws none. limits: (low, high) of the colours; by default
    symmetric about zero. Returns the pixels' places (pixels, pixels, 2) in A and values, for
    contours.
    """
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    x, y = np.linspace(left, right, pixels), np.linspace(bottom, top, pixels)
    xy = np.stack(np.meshgrid(x, y), axis=-1)
    values = sample(field, ds["cell"].values, xy)
    low, high = limits or (-np.abs(field).max(), np.abs(field).max())
    image = ax.imshow(
        values,
        extent=(left, right, bottom, top),
        origin="lower",
        cmap=cmap,
        vmin=low,
        vmax=high,
        interpolation="bilinear",
    )
    if label is None:
        return xy, values
    beyond = {(0, 0): "neither", (0, 1): "max", (1, 0): "min", (1, 1): "both"}
    slack = 1e-9 * (high - low)
    extend = beyond[int(field.min() < low - slack), int(field.max() > high + slack)]
    bar = ax.figure.colorbar(image, ax=ax, label=label, extend=extend, shrink=0.9, pad=0.02)
    bar.outline.set_linewidth(0.6)
    return xy, values


def places_in_window(ax: Axes, ds: xr.Dataset, per_cell: int) -> np.ndarray:
    """Places (K, 2) in A of a triangular grid, `per_cell` along each cell vector, in the axes."""
    return _places_in((ax.get_xlim(), ax.get_ylim()), ds["cell"].values, per_cell)


def _places_in(box, cell, per_cell):
    steps = np.arange(-per_cell, 2 * per_cell + 1) / per_cell
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) @ cell
    low, high = np.transpose(box)
    return places[((places > low) & (places < high)).all(axis=1)]


def arrows_in_box(
    box: Sequence[Sequence[float]],
    cell: np.ndarray,
    P_par: np.ndarray,
    per_cell: int = 12,
    longest: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Places (K, 2) in A of a triangular grid in a box, and arrows (K, 2) in A for P_par (2, n, n).

    An arrow for |P_par| = longest, by default the field's largest, nearly fits between the places.
    """
    places = _places_in(box, cell, per_cell)
    longest = longest or np.linalg.norm(P_par, axis=0).max() or 1.0
    spacing = np.linalg.norm(cell[0]) / per_cell
    return places, sample(P_par, cell, places).T * 0.95 * spacing / longest


def draw_arrows(
    ax: Axes,
    ds: xr.Dataset,
    P_par: np.ndarray,
    per_cell: int = 12,
    color: str = "black",
    longest: float | None = None,
) -> None:
    """In-plane arrows on a triangular grid: direction and length of P_par (2, n, n).

    longest: |P_par| of the longest arrow that fits the grid; by default the field's largest.
    """
    box = ax.get_xlim(), ax.get_ylim()
    places, arrows = arrows_in_box(box, ds["cell"].values, P_par, per_cell, longest)
    ax.quiver(
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
    ax: Axes, ds: xr.Dataset, triangles: bool = False, names: str = "GNMABC", fontsize: float = 7
) -> None:
    """Outline of the cell, or of the two triangles around M and N, dashed; points by name.

    names: of the points to mark.
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
    """(label, x, y) in A of the named points of a map, in its cell and on all of its border."""
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
    """Colour the axes by |P_par| and draw its direction, P_par (2, n, n) in units of DIPOLE."""
    size = np.linalg.norm(P_par, axis=0)
    draw_field(ax, ds, size, rf"$|P_\parallel|$ ({DIPOLE})", LIGHT, (0, size.max()))
    draw_arrows(ax, ds, P_par)


def draw_charge(ax: Axes, ds: xr.Dataset, q: np.ndarray) -> None:
    """Colour the axes by a charge density q (n, n) in A^-2."""
    limit = np.quantile(np.abs(q), SHARE_OF_CHARGE)
    power = int(np.floor(np.log10(limit or 1.0)))
    limits = np.array([-limit, limit]) / 10.0**power
    label = rf"$q$ ($10^{{{power}}}\,\mathrm{{\AA}}^{{-2}}$)"
    draw_field(ax, ds, q / 10.0**power, label, limits=tuple(limits))


def draw_out_of_plane(ax: Axes, ds: xr.Dataset, P_perp: np.ndarray) -> None:
    """Colour the axes by P_perp (n, n) in units of DIPOLE, with a dotted line where it is zero."""
    xy, values = draw_field(ax, ds, P_perp, rf"$P_\perp$ ({DIPOLE})")
    ax.contour(*xy.transpose(2, 0, 1), values, [0.0], colors="0.35", linewidths=0.6, linestyles=":")


def largest_of(**values: float) -> str:
    """Words for the largest sizes of `P_perp` and the like, given in UNIT."""
    words = []
    for name, value in values.items():
        letter, direction = name.split("_")
        size = f"= {value:.2f}" if value >= 0.005 else "< 0.01"
        words.append(rf"$|{letter}_\{direction}|$ {size}")
    return f"largest {', '.join(words)} ({DIPOLE})"


def figure_data(ds: xr.Dataset, names: Iterable[str]) -> xr.Dataset:
    """Return the variables that a panel shows, with the cell and its points."""
    shown = ds.drop_vars(set(ds.data_vars) - {*names, "cell"})
    used = {"point"}.union(*(variable.dims for variable in shown.data_vars.values()))
    return shown.drop_vars(name for name, c in shown.coords.items() if not used.issuperset(c.dims))


def colors_of(count: int) -> np.ndarray:
    """Colours for an ordered series of `count` lines, from dark to light."""
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.85, count))


def one_strain(ds: xr.Dataset) -> xr.Dataset:
    """Return a sweep in its first strain."""
    return ds.isel(strain=0)


def one_geometry(ds: xr.Dataset) -> xr.Dataset:
    """Return a sweep's first system in its first strain."""
    return ds.isel(system=0, strain=0)
