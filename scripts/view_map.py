"""Write a map as one HTML page for any browser, with a cut and values under the pointer."""

import html

import numpy as np
from bokeh.embed import file_html
from bokeh.layouts import column, row
from bokeh.models import (
    CheckboxButtonGroup,
    ColorBar,
    ColumnDataSource,
    CustomJS,
    DataRange1d,
    Div,
    HoverTool,
    LinearAxis,
    LinearColorMapper,
    RadioButtonGroup,
    Range1d,
)
from bokeh.plotting import figure
from bokeh.resources import Resources
from matplotlib import colormaps
from matplotlib.colors import to_hex

from moirepol.physics.polarization import DIAGONAL, LAYERS, ON_DIAGONAL, along_diagonal
from moirepol.plotting import (
    LIGHT,
    SHARE_OF_CHARGE,
    UNIT,
    arrows_in_box,
    named_places,
    sample,
    window,
)
from moirepol.structure.names import describe
from moirepol.workflow.provenance import read_netcdf

PIXELS = 240  # across the map
FRAME = 560  # px across the map on the screen
DIPOLE, DENSITY = "10⁻³ e·Å", "Å⁻²"
COLOURS = {"P⊥": "P_perp", "|P∥|": "P_par", "charge density q": "q", "none": None}
LAYERS_SHOWN = ("P∥ arrows", "P⊥ = 0", "unit cell", "named points")
CUT = {  # label: (column, colour, dash, drawn at first)
    "P⊥": ("P_perp", "black", "solid", True),
    "|P∥|": ("P_par", "tab:green", "solid", True),
    "P⊥ lower layer": ("z_lower", "tab:blue", "dashed", False),
    "P⊥ upper layer": ("z_upper", "tab:red", "dashed", False),
    "q": ("q", "tab:purple", "dotted", False),
}


def view_map(polarization_map: str, charge: str, page: str):
    """Write a page with the map, a cut along G-N-C-M-G and a summary. It needs no network.

    Parameters
    ----------
    polarization_map, charge
        The map and its charge (NetCDF).
    page
        HTML file to write.
    """
    ds, charges = (
        read_netcdf(polarization_map, "P", "P_layer"),
        read_netcdf(charge, "charge_density", "Q"),
    )
    fields = _fields(ds, charges)
    shown, layers = _map(ds, fields)
    marker = ColumnDataSource({"x": [], "y": []}, name="marker")
    shown.scatter("x", "y", source=marker, size=11, line_color="black", fill_color="yellow")
    colours, switches = _switches(layers)
    heading = ds.attrs.get("description") or describe(ds.attrs["system"])
    left = column(colours, switches, shown)
    right = column(Div(text=_summary(ds, charges, heading), width=520), _cut(ds, fields, marker))
    text = file_html(row(left, right, spacing=20), Resources(mode="inline"), title=heading)
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)


def _fields(ds, charges):
    """Return all fields of the page by name, (n, n) on the grid of the map, in DIPOLE and A^-2."""
    P = UNIT * ds["P"].values
    fields = {"P_perp": P[2], "P_par": np.linalg.norm(P[:2], axis=0), "P_x": P[0], "P_y": P[1]}
    for layer, own in zip(LAYERS, UNIT * ds["P_layer"].values, strict=True):
        fields |= {f"{c}_{layer}": own[i] for i, c in enumerate("xyz")}
    return fields | {"q": charges["charge_density"].values}


def _map(ds, fields):
    """Return the map, and its switchable parts: label -> renderers and colour bars."""
    cell = ds["cell"].values
    (left, right), (bottom, top) = box = window(cell)
    step = (right - left) / PIXELS
    x = np.arange(left + step / 2, right, step)
    y = np.arange(bottom + step / 2, top, step)
    xy = np.stack(np.meshgrid(x, y), axis=-1)
    images = dict(zip(fields, sample(np.stack(list(fields.values())), cell, xy), strict=True))
    source = ColumnDataSource({name: [v.astype(np.float32)] for name, v in images.items()})
    place = {"x": left, "y": bottom, "dw": len(x) * step, "dh": len(y) * step, "source": source}

    symbol = "τ" if ds.attrs["space"] == "configuration" else ""
    plot = figure(
        frame_width=FRAME,
        frame_height=round(FRAME * (top - bottom) / (right - left)),
        x_range=Range1d(left, right),
        y_range=Range1d(bottom, top),
        x_axis_label=f"{symbol or 'x'}{'x' if symbol else ''} (Å)",
        y_axis_label=f"{symbol or 'y'}{'y' if symbol else ''} (Å)",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        active_scroll="wheel_zoom",
        match_aspect=True,
        name="map",
    )
    plot.grid.visible = False
    largest = {name: np.abs(field).max() for name, field in fields.items()}
    limit = np.quantile(np.abs(fields["q"]), SHARE_OF_CHARGE)
    signed = colormaps["RdBu_r"]
    layers = {}
    for label, name, colours, low, high, unit in (
        ("P⊥", "P_perp", signed, -largest["P_perp"], largest["P_perp"], DIPOLE),
        ("|P∥|", "P_par", LIGHT, 0.0, largest["P_par"], DIPOLE),
        ("charge density q", "q", signed, -limit, limit, DENSITY),
    ):
        palette = [to_hex(c) for c in colours(np.linspace(0, 1, 256))]
        mapper = LinearColorMapper(palette, low=low, high=high or 1.0)
        image = plot.image(image=name, color_mapper=mapper, **place)
        bar = ColorBar(color_mapper=mapper, title=f"{label.split()[-1]} ({unit})", width=12)
        plot.add_layout(bar, "right")
        layers[label] = [image, bar]
    # A transparent image gives the values under the pointer for every choice of colours.
    values = plot.image(image="P_perp", palette=["white"], global_alpha=0.0, **place)
    rows = [("place (Å)", "$x{0.0}, $y{0.0}"), ("P⊥", "@P_perp{0.000}")]
    rows += [("P∥", "(@P_x{0.000}, @P_y{0.000})"), ("|P∥|", "@P_par{0.000}")]
    rows += [
        (f"{layer} layer", f"(@x_{layer}{{0.000}}, @y_{layer}{{0.000}}, @z_{layer}{{0.000}})")
        for layer in LAYERS
    ]
    rows.append((f"q ({DENSITY})", "@q{%.2e}"))
    hover = HoverTool(renderers=[values], tooltips=rows, formatters={"@q": "printf"})
    hover.point_policy = "follow_mouse"
    plot.add_tools(hover)

    arrows = arrows_in_box(box, cell, np.stack([fields["P_x"], fields["P_y"]]))
    layers["P∥ arrows"] = [plot.multi_line(*_outlines(*arrows), color="black", line_width=1.3)]
    zero = plot.contour(xy[..., 0], xy[..., 1], images["P_perp"], [0.0], line_color="dimgray")
    layers["P⊥ = 0"] = [zero.line_renderer]
    zero.line_renderer.glyph.line_dash = "dotted"
    corners = np.array([[0, 0], cell[0], cell[0] + cell[1], cell[1], [0, 0]])
    layers["unit cell"] = [plot.line(*corners.T, color="black", line_width=1.2)]
    names, px, py = zip(*named_places(ds), strict=True)
    points = ColumnDataSource({"x": px, "y": py, "name": names})
    layers["named points"] = [
        plot.scatter("x", "y", source=points, size=5, color="black"),
        plot.text(
            *("x", "y", "name"),
            source=points,
            x_offset=5,
            y_offset=-4,
            text_font_size="14px",
            text_font_style="bold",
            text_outline_color="white",
        ),
    ]
    return plot, layers


def _outlines(places, arrows):
    """Arrows (K, 2) centred at places (K, 2) as open lines: xs, ys, lists of K."""
    across = arrows @ np.array([[0, 1], [-1, 0]])
    tail, tip = places - arrows / 2, places + arrows / 2
    barbs = tip - 0.35 * arrows + 0.2 * across, tip - 0.35 * arrows - 0.2 * across
    lines = np.stack([tail, tip, barbs[0], tip, barbs[1]], axis=1)
    return list(lines[..., 0]), list(lines[..., 1])


def _switches(layers):
    """One button for the colours of the map, and one for each layer on top of it."""
    colours = RadioButtonGroup(labels=list(COLOURS), active=0, name="colours")
    switches = CheckboxButtonGroup(
        labels=list(LAYERS_SHOWN), active=list(range(len(LAYERS_SHOWN))), name="layers"
    )
    for label in list(COLOURS)[1:-1]:
        for part in layers[label]:
            part.visible = False
    shown = "for (const [i, parts] of layers.entries()) for (const part of parts)"
    for widget, labels, test in (
        (colours, list(COLOURS)[:-1], "cb_obj.active == i"),
        (switches, LAYERS_SHOWN, "cb_obj.active.includes(i)"),
    ):
        parts = [layers[label] for label in labels]
        code = f"{shown} part.visible = {test}"
        widget.js_on_change("active", CustomJS(args={"layers": parts}, code=code))
    return colours, switches


def _cut(ds, fields, marker):
    """Return the fields along the long diagonal; the pointer on it marks its place on the map."""
    values, places = along_diagonal(ds, np.stack(list(fields.values())))
    distance = np.linalg.norm(places - places[0], axis=1)
    data = dict(zip(fields, values, strict=True))
    source = ColumnDataSource(data | {"distance": distance, "x": places[:, 0], "y": places[:, 1]})
    plot = figure(
        width=520,
        height=380,
        x_range=Range1d(0, distance[-1]),
        y_range=DataRange1d(only_visible=True),
        y_axis_label=f"P ({DIPOLE})",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        name="cut",
    )
    limit = 1.05 * np.abs(data["q"]).max() or 1.0
    plot.extra_y_ranges = {"q": Range1d(-limit, limit)}
    of_q = LinearAxis(y_range_name="q", axis_label=f"q ({DENSITY})", visible=False)
    plot.add_layout(of_q, "right")
    lines = []
    for label, (name, colour, dash, visible) in CUT.items():
        line = plot.line(
            *("distance", name),
            source=source,
            color=to_hex(colour),
            line_dash=dash,
            line_width=2,
            legend_label=label,
            visible=visible,
            y_range_name="q" if name == "q" else "default",
        )
        lines.append(line)
    lines[-1].js_link("visible", of_q, "visible")
    plot.add_layout(plot.legend[0], "below")
    plot.legend.update(click_policy="hide", orientation="horizontal", label_text_font_size="11px")
    ticks = [float(distance[-1] * place) for place in ON_DIAGONAL]
    plot.xaxis.ticker = ticks
    plot.xaxis.major_label_overrides = dict(zip(ticks, DIAGONAL, strict=True))
    rows = [("distance (Å)", "@distance{0.0}")]
    rows += [(label, f"@{name}{{0.000}}") for label, (name, *_) in CUT.items() if name != "q"]
    rows.append((f"q ({DENSITY})", "@q{%.2e}"))
    follow = CustomJS(
        args={"source": source, "marker": marker},
        code="""
            const hit = cb_data.index.line_indices
            const i = hit.length ? hit[0] : null
            const [x, y] = [source.data.x, source.data.y]
            marker.data = i == null ? {x: [], y: []} : {x: [x[i]], y: [y[i]]}
        """,
    )
    hover = HoverTool(renderers=lines[:1], tooltips=rows, formatters={"@q": "printf"})
    hover.update(mode="vline", callback=follow)
    plot.add_tools(hover)
    return plot


def _summary(ds, charges, heading):
    """Return the title and the main numbers of the map, as HTML."""
    finest = charges.isel(grid=int(charges["grid"].values.argmax()))
    P = UNIT * ds["P"].values
    rows = [
        ("largest P⊥", f"{P[2].max():+.3f} {DIPOLE}"),
        ("smallest P⊥", f"{P[2].min():+.3f} {DIPOLE}"),
        ("largest |P∥|", f"{np.linalg.norm(P[:2], axis=0).max():.3f} {DIPOLE}"),
        ("mean P⊥", f"{P[2].mean():+.3f} {DIPOLE}"),
    ]
    for region in ("N", "M"):
        Q, rule = (
            finest["Q"].sel(scheme=method, region=region).item()
            for method in ("finite_difference", "sign_rule")
        )
        rows.append((f"charge around {region}", f"{Q:+.3f} (sign rule {rule:+.1f})"))
    if "P_error" in ds:
        squares = (UNIT * ds["P_error"].values) ** 2
        rows.append(("error of P⊥ (RMS)", f"±{squares[2].mean() ** 0.5:.3f} {DIPOLE}"))
        words = f"±{squares[:2].mean() ** 0.5:.3f} {DIPOLE} per component"
        rows.append(("error of P∥ (RMS)", words))
    cells = "".join(f"<tr><td>{name}&emsp;</td><td>{value}</td></tr>" for name, value in rows)
    beyond = html.escape(ds.attrs.get("beyond_labels", ""))
    made = f"{ds.attrs['title']}, {ds.attrs['date_created']}, moirepol {ds.attrs['git_revision']}"
    return (
        f"<h2>{html.escape(heading)}</h2><table>{cells}</table>"
        "<p>P is per pair of N atoms, one in each layer. The dipoles of the layers are per N atom. "
        "The mouse wheel zooms. A click on the legend of the cut shows or hides a line.</p>"
        "<p>The charge around one point is an integral over a triangle. It is a whole or half "
        "number only if P lies in one plane along the edges. The sum of both charges is whole. "
        "The sign rule counts the signs of P⊥ at the points.</p>"
        + (f"<p><b>Beyond the labels: {beyond}.</b></p>" if beyond else "")
        + f"<p style='color:gray'>{html.escape(made)}</p>"
    )


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(view_map, globals().get("snakemake"))
