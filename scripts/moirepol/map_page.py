"""The interactive plot of a map and the page that contains it, for any browser."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from bokeh.embed import file_html
from bokeh.models import (
    BasicTickFormatter,
    CheckboxButtonGroup,
    ColorBar,
    ColumnDataSource,
    CustomJS,
    HoverTool,
    LayoutDOM,
    LinearColorMapper,
    RadioButtonGroup,
    Range1d,
    UIElement,
)
from bokeh.plotting import figure
from bokeh.resources import Resources
from matplotlib import colormaps
from matplotlib.colors import to_hex

from moirepol.plotting import (
    LIGHT,
    LONGEST_ARROW,
    UNIT,
    arrows_in_box,
    named_places,
    round_below,
    sample,
    window,
)
from moirepol.structure.conventions import LAYERS

PIXELS = 240  # across the map
#: Share of the nodes within the colours of q, which falls as 1/r around a zero of P at G.
SHARE_OF_COLOURS = 0.97
FRAME = 560  # px across the map on the screen
DIPOLE, POTENTIAL = "10⁻³ e·Å", "mV"
#: Choices of colours; the keys 1, 2, ... choose them.
P_PERP, P_PAR, CHARGE, PHI, NONE = "P⊥", "|P∥|", "charge density q", "potential φ", "none"
#: Layers on top of the colours, with the keys that show and hide them.
LAYERS_SHOWN = {"P∥ arrows": "a", "P⊥ = 0": "z", "unit cell": "u", "named points": "n"}
#: A P⊥ below this share of the largest |P| is not shown first, and not at full colour.
VISIBLE = 0.1
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def write_page(content: LayoutDOM, heading: str, page: str | Path) -> None:
    """Write a page that works without a network and by keyboard.

    Parameters
    ----------
    content
        Content of the page.
    heading
        Title of the window.
    page
        HTML file to write.
    """
    text = file_html(content, Resources(mode="inline"), title=heading)
    script = KEYBOARD.replace("KEYS", json.dumps(list(LAYERS_SHOWN.values())))
    before, end, after = text.rpartition("</body>")
    Path(page).write_text(f"{before}{script}{end}{after}", encoding="utf-8")


#: Keys of the page: digits choose the colours, letters show and hide layers, + - 0 zoom.
KEYBOARD = """<script>
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const all = (name) => Bokeh.documents.flatMap((d) => [...d._all_models.values()])
    .filter((model) => model.name == name)
  const toggle = (list, i) => list.includes(i) ? list.filter((j) => j != i) : [...list, i]
  const layer = KEYS.indexOf(event.key)
  const colour = Number(event.key) - 1
  const zoom = {'+': 0.8, '-': 1.25}[event.key]
  for (const group of all('layers'))
    if (layer >= 0) group.active = toggle(group.active, layer)
  for (const group of all('colours'))
    if (colour >= 0 && colour < group.labels.length) group.active = colour
  for (const map of all('map')) for (const range of [map.x_range, map.y_range]) {
    if (event.key == '0') range.reset()
    if (!zoom) continue
    const [middle, half] = [(range.start + range.end) / 2, (range.end - range.start) / 2 * zoom]
    range.setv({start: middle - half, end: middle + half})
  }
})
</script>"""


class MapView:
    """The plot of a map with its switches.

    Parameters
    ----------
    ds, charges
        The map and its charge.
    above
        Potential above the bilayer; None for a configuration space.
    limits
        Ends of the colours of `P_perp` and `P_par` in `DIPOLE`; by default those of the map.
    """

    def __init__(
        self,
        ds: xr.Dataset,
        charges: xr.Dataset,
        above: xr.Dataset | None = None,
        limits: Mapping[str, float] | None = None,
    ):
        self.ds = ds
        power = int(
            np.floor(
                np.log10(np.quantile(np.abs(charges["charge_density"]), SHARE_OF_COLOURS) or 1.0)
            )
        )
        self.density = f"10{str(power).translate(SUPERSCRIPTS)} Å⁻²"
        self.fields = _fields(ds, charges["charge_density"].values / 10.0**power)
        self.heights: list[float] = []
        potentials: dict[str, np.ndarray] = {}
        if above is not None:
            self.heights = above["height"].values.tolist()
            potentials = {f"phi_{i}": phi for i, phi in enumerate(above["phi"].values)}
        self.limits = {"P_perp": limit_of_P_perp(self.fields), "P_par": self.largest("P_par")}
        self.limits |= limits or {}
        self.negligible = self.largest("P_perp") < VISIBLE * self.largest("P_par")
        self._draw({**self.fields, **potentials})
        self.marker = ColumnDataSource({"x": [], "y": []}, name="marker")
        style = {"size": 11, "line_color": "black", "fill_color": "yellow"}
        self.plot.scatter("x", "y", source=self.marker, **style)

    def largest(self, name: str) -> float:
        """Return the largest size of a field."""
        return float(np.abs(self.fields[name]).max())

    def _draw(self, fields):
        ds = self.ds
        cell = ds["cell"].values
        (left, right), (bottom, top) = box = window(cell)
        step = (right - left) / PIXELS
        x = np.arange(left + step / 2, right, step)
        y = np.arange(bottom + step / 2, top, step)
        xy = np.stack(np.meshgrid(x, y), axis=-1)
        images = dict(zip(fields, sample(np.stack(list(fields.values())), cell, xy), strict=True))
        if self.heights:
            images["phi"] = images["phi_0"]
        self.source = ColumnDataSource({k: [v.astype(np.float32)] for k, v in images.items()})
        place = {"x": left, "y": bottom, "dw": len(x) * step, "dh": len(y) * step}
        place["source"] = self.source

        symbol = "τ" if ds.attrs["space"] == "configuration" else ""
        plot = self.plot = figure(
            frame_width=FRAME,
            frame_height=round(FRAME * (top - bottom) / (right - left)),
            x_range=Range1d(left, right),
            y_range=Range1d(bottom, top),
            x_axis_label=f"{symbol or 'x'}{'x' if symbol else ''} (Å)",
            y_axis_label=f"{symbol or 'y'}{'y' if symbol else ''} (Å)",
            tools="pan,wheel_zoom,box_zoom,reset,save",
            active_scroll="wheel_zoom",
            match_aspect=True,
            title=" ",
            name="map",
        )
        plot.grid.visible = False
        q_limit = np.quantile(np.abs(self.fields["q"]), SHARE_OF_COLOURS)
        signed = colormaps["RdBu_r"]
        shown = [
            (P_PERP, "P_perp", signed, -self.limits["P_perp"], self.limits["P_perp"], DIPOLE),
            (P_PAR, "P_par", LIGHT, 0.0, self.limits["P_par"], DIPOLE),
            (CHARGE, "q", signed, -q_limit, q_limit, self.density),
        ]
        names = [f"phi_{i}" for i in range(len(self.heights))]
        self.potential_limits = [float(np.abs(fields[name]).max()) for name in names]
        if self.potential_limits:
            limit = self.potential_limits[0]
            shown.append((PHI, "phi", signed, -limit, limit, POTENTIAL))
        self.colours: dict[str, list] = {}
        self.titles = {NONE: " "}
        for label, name, colours, low, high, unit in shown:
            palette = [to_hex(c) for c in colours(np.linspace(0, 1, 256))]
            mapper = LinearColorMapper(palette, low=low, high=high or 1.0)
            image = plot.image(image=name, color_mapper=mapper, **place)
            ticks = BasicTickFormatter(use_scientific=False)
            bar = ColorBar(color_mapper=mapper, width=12, formatter=ticks)
            plot.add_layout(bar, "right")
            self.colours[label] = [image, bar]
            self.titles[label] = f"{label} ({unit})"
        self.colours[NONE] = []
        # A transparent image gives the values under the pointer for every choice of colours.
        values = plot.image(image="P_perp", palette=["white"], global_alpha=0.0, **place)
        plot.add_tools(self._hover(values))
        self._draw_layers(box, xy, images["P_perp"])

    def _hover(self, values):
        unit = f" {DIPOLE}"
        rows = [("place", "$x{0.0}, $y{0.0} Å"), ("P⊥", f"@P_perp{{0.000}}{unit}")]
        rows += [
            ("P∥", f"(@P_x{{0.000}}, @P_y{{0.000}}){unit}"),
            ("|P∥|", f"@P_par{{0.000}}{unit}"),
        ]
        rows += [
            (
                f"{layer} layer",
                f"(@x_{layer}{{0.000}}, @y_{layer}{{0.000}}, @z_{layer}{{0.000}}){unit}",
            )
            for layer in LAYERS
        ]
        rows.append(("q", f"@q{{0.000}}·{self.density}"))
        if self.heights:
            rows.append(("φ", f"@phi{{0.00}} {POTENTIAL}"))
        return HoverTool(renderers=[values], tooltips=rows, point_policy="follow_mouse")

    def _draw_layers(self, box, xy, P_perp):
        plot, cell, fields = self.plot, self.ds["cell"].values, self.fields
        (left, _), (_, top) = box
        arrows = arrows_in_box(
            box,
            cell,
            np.stack([fields["P_x"], fields["P_y"]]),
            longest=self.limits["P_par"] or None,
        )
        lines = plot.multi_line(*_outlines(*arrows), color="black", line_width=1.3)
        layers = {"P∥ arrows": [lines, *self._arrow_key(left, top)]}
        zero = plot.contour(xy[..., 0], xy[..., 1], P_perp, [0.0], line_color="dimgray")
        layers["P⊥ = 0"] = [zero.line_renderer]
        zero.line_renderer.glyph.line_dash = "dotted"
        zero.line_renderer.visible = not self.negligible
        corners = np.array([[0, 0], cell[0], cell[0] + cell[1], cell[1], [0, 0]])
        layers["unit cell"] = [plot.line(*corners.T, color="black", line_width=1.2)]
        names, px, py = zip(*named_places(self.ds), strict=True)
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
        self.layers = layers

    def _arrow_key(self, left, top):
        """Draw an arrow of a round size in the upper left corner, with its size."""
        longest = self.limits["P_par"]
        if not longest > 0:
            return []
        size = round_below(longest)
        (length,) = np.linalg.norm(self.ds["cell"].values[:1], axis=1) / 12 * LONGEST_ARROW
        length *= size / longest
        margin = 0.02 * np.ptp([self.plot.x_range.start, self.plot.x_range.end])
        place = np.array([[left + margin + length / 2, top - 1.6 * margin]])
        outline = _outlines(place, np.array([[length, 0.0]]))
        key = self.plot.multi_line(*outline, color="black", line_width=1.6)
        style = {"text_baseline": "middle", "text_font_size": "12px"}
        words = self.plot.text(
            [left + 1.5 * margin + length],
            [top - 1.6 * margin],
            [f"|P∥| = {size:g} {DIPOLE}"],
            background_fill_color="white",
            background_fill_alpha=0.8,
            **style,
        )
        return [key, words]

    def controls(self) -> list[UIElement]:
        """Return the buttons for the colours and the layers, and the choice of the height."""
        first = list(self.colours).index(P_PAR if self.negligible else P_PERP)
        colours = RadioButtonGroup(labels=list(self.colours), active=first, name="colours")
        hidden = {"P⊥ = 0"} if self.negligible else set()
        active = [i for i, label in enumerate(self.layers) if label not in hidden]
        switches = CheckboxButtonGroup(labels=list(self.layers), active=active, name="layers")
        labels = list(self.colours)
        for i, label in enumerate(labels):
            for part in self.colours[label]:
                part.visible = i == first
        self.plot.title.text = self.titles[labels[first]]
        shown = "for (const [i, parts] of layers.entries()) for (const part of parts)"
        for widget, parts, test in (
            (colours, [self.colours[label] for label in labels], "cb_obj.active == i"),
            (switches, list(self.layers.values()), "cb_obj.active.includes(i)"),
        ):
            code = f"{shown} part.visible = {test}"
            widget.js_on_change("active", CustomJS(args={"layers": parts}, code=code))
        titles = {"title": self.plot.title, "titles": [self.titles[label] for label in labels]}
        code = "title.text = titles[cb_obj.active]"
        colours.js_on_change("active", CustomJS(args=titles, code=code))
        if not self.heights:
            return [colours, switches]
        names = [f"φ at {height:g} Å" for height in self.heights]
        height = RadioButtonGroup(labels=names, active=0, name="heights")
        args = {
            "source": self.source,
            "mapper": self.colours[PHI][0].glyph.color_mapper,
            "limits": self.potential_limits,
            "colours": colours,
            "phi": labels.index(PHI),
        }
        code = """
            const i = cb_obj.active
            source.data.phi = source.data[`phi_${i}`]
            mapper.setv({low: -limits[i], high: limits[i]})
            source.change.emit()
            colours.active = phi
        """
        height.js_on_change("active", CustomJS(args=args, code=code))
        return [colours, switches, height]


def synchronize(one: UIElement, other: UIElement) -> None:
    """Make two groups of buttons act as one."""
    for source, target in ((one, other), (other, one)):
        source.js_link("active", target, "active")
    other.active = one.active


def limit_of_P_perp(fields: Mapping[str, np.ndarray]) -> float:
    """Return the end of the colours of P_perp: its largest size, if that is not negligible."""
    return float(max(np.abs(fields["P_perp"]).max(), VISIBLE * np.abs(fields["P_par"]).max()))


def _fields(ds, q):
    """Return all fields of the page by name, (n, n) on the grid of the map, in DIPOLE; with q."""
    P = UNIT * ds["P"].values
    fields = {"P_perp": P[2], "P_par": np.linalg.norm(P[:2], axis=0), "P_x": P[0], "P_y": P[1]}
    for layer, own in zip(LAYERS, UNIT * ds["P_layer"].values, strict=True):
        fields |= {f"{c}_{layer}": own[i] for i, c in enumerate("xyz")}
    return fields | {"q": q}


def _outlines(places, arrows):
    """Arrows (K, 2) centred at places (K, 2) as open lines: xs, ys, lists of K."""
    across = arrows @ np.array([[0, 1], [-1, 0]])
    tail, tip = places - arrows / 2, places + arrows / 2
    barbs = tip - 0.35 * arrows + 0.2 * across, tip - 0.35 * arrows - 0.2 * across
    lines = np.stack([tail, tip, barbs[0], tip, barbs[1]], axis=1)
    return list(lines[..., 0]), list(lines[..., 1])
