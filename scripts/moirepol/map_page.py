"""The interactive plot of a map and the page that contains it, for any browser."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from bokeh.plotting.contour import contour_data
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


#: Keys of the page: digits choose the colours, v the variant, letters show and hide layers,
#: + - 0 zoom.
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
  for (const group of all('variants'))
    if (event.key == 'v') group.active = (group.active + 1) % group.labels.length
  for (const map of all('map')) for (const range of [map.x_range, map.y_range]) {
    if (event.key == '0') range.reset()
    if (!zoom) continue
    const [middle, half] = [(range.start + range.end) / 2, (range.end - range.start) / 2 * zoom]
    range.setv({start: middle - half, end: middle + half})
  }
})
</script>"""


@dataclass(frozen=True)
class MapVariant:
    """A map and what is computed from it.

    Attributes
    ----------
    label
        Text of the button that shows the variant.
    ds, charges
        The map and its charge.
    above
        Potential above the bilayer; None for a configuration space.
    """

    label: str
    ds: xr.Dataset
    charges: xr.Dataset
    above: xr.Dataset | None = None


def common_limits(variants: Sequence[MapVariant]) -> dict[str, float]:
    """Return the ends of the colours that all of some maps are shown with.

    Parameters
    ----------
    variants
        The maps.

    Returns
    -------
    dict
        Ends of `P_perp` and `P_par` in `DIPOLE`, of `q` in angstrom^-2 and of `phi_0`, `phi_1`, ...
        in mV.
    """
    found: dict[str, float] = {}
    for one in variants:
        fields = _fields(one.ds)
        ends = {
            "P_perp": limit_of_P_perp(fields),
            "P_par": np.abs(fields["P_par"]).max(),
            "q": np.quantile(np.abs(one.charges["charge_density"]), SHARE_OF_COLOURS),
        }
        ends |= {name: np.abs(phi).max() for name, phi in _potentials(one).items()}
        found |= {name: float(max(end, found.get(name, 0.0))) for name, end in ends.items()}
    return found


class MapView:
    """The plot of a map with its switches.

    Parameters
    ----------
    variants
        Maps of one cell. A switch selects one of them. The first is shown first.
    limits
        Ends of the colours (`common_limits`); by default those of the variants.
    frame_px
        Width of the plot on the screen.
    """

    def __init__(
        self,
        variants: Sequence[MapVariant],
        limits: Mapping[str, float] | None = None,
        frame_px: int = FRAME,
    ):
        self.variants, self.frame_px = list(variants), frame_px
        self.limits = dict(limits or common_limits(variants))
        power = int(np.floor(np.log10(self.limits["q"] or 1.0)))
        self.density = f"10{str(power).translate(SUPERSCRIPTS)} Å⁻²"
        self.fields = [
            _fields(one.ds) | {"q": one.charges["charge_density"].values / 10.0**power}
            for one in variants
        ]
        self.q_limit = self.limits["q"] / 10.0**power
        above = variants[0].above
        self.heights = [] if above is None else above["height"].values.tolist()
        self.negligible = self.largest("P_perp") < VISIBLE * self.largest("P_par")
        self.switched: list[list[ColumnDataSource]] = []
        self._draw()
        self.marker = ColumnDataSource({"x": [], "y": []}, name="marker")
        style = {"size": 11, "line_color": "black", "fill_color": "yellow"}
        self.plot.scatter("x", "y", source=self.marker, **style)

    def largest(self, name: str) -> float:
        """Return the largest size of a field in all variants."""
        return float(max(np.abs(fields[name]).max() for fields in self.fields))

    def _draw(self):
        ds = self.variants[0].ds
        cell = ds["cell"].values
        (left, right), (bottom, top) = box = window(cell)
        step = (right - left) / PIXELS
        x = np.arange(left + step / 2, right, step)
        y = np.arange(bottom + step / 2, top, step)
        xy = np.stack(np.meshgrid(x, y), axis=-1)
        place = {"x": left, "y": bottom, "dw": len(x) * step, "dh": len(y) * step}
        symbol = "τ" if ds.attrs["space"] == "configuration" else ""
        plot = self.plot = figure(
            frame_width=self.frame_px,
            frame_height=round(self.frame_px * (top - bottom) / (right - left)),
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
        signed = colormaps["RdBu_r"]
        shown = [
            (P_PERP, "P_perp", signed, -self.limits["P_perp"], self.limits["P_perp"], DIPOLE),
            (P_PAR, "P_par", LIGHT, 0.0, self.limits["P_par"], DIPOLE),
            (CHARGE, "q", signed, -self.q_limit, self.q_limit, self.density),
        ]
        if self.heights:
            limit = self.limits["phi_0"]
            shown.append((PHI, "phi", signed, -limit, limit, POTENTIAL))
        mappers = {
            label: LinearColorMapper(
                [to_hex(c) for c in colours(np.linspace(0, 1, 256))], low=low, high=high or 1.0
            )
            for label, _, colours, low, high, _ in shown
        }
        self.colours: dict[str, list] = {label: [] for label in (*mappers, NONE)}
        self.titles = {label: f"{label} ({unit})" for label, *_, unit in shown} | {NONE: " "}
        self.layers: dict[str, list] = {label: [] for label in LAYERS_SHOWN}
        images = [
            self._images(one, own, xy) for one, own in zip(self.variants, self.fields, strict=True)
        ]
        place["source"] = self.source_of(images)
        for label, name, *_ in shown:
            image = plot.image(image=name, color_mapper=mappers[label], **place)
            self.colours[label].append(image)
        # A transparent image gives the values under the pointer for every choice of colours.
        values = plot.image(image="P_perp", palette=["white"], global_alpha=0.0, **place)
        plot.add_tools(self._hover(values))
        for label, mapper in mappers.items():
            ticks = BasicTickFormatter(use_scientific=False)
            bar = ColorBar(color_mapper=mapper, width=12, formatter=ticks)
            plot.add_layout(bar, "right")
            self.colours[label].append(bar)
        self._draw_layers(box, xy, [own["P_perp"][0] for own in images])

    def source_of(self, data: Sequence[Mapping]) -> ColumnDataSource:
        """Return a source of the variant that is shown, from the data of each variant."""
        first, *others = (ColumnDataSource(dict(one)) for one in data)
        # The page stores the data of the first variant in the empty source.
        self.switched.append([first, ColumnDataSource(), *others])
        return first

    def _images(self, variant, fields, xy):
        """Return the images of a variant by name."""
        fields = fields | _potentials(variant)
        stacked = sample(np.stack(list(fields.values())), variant.ds["cell"].values, xy)
        images = {
            name: [image] for name, image in zip(fields, stacked.astype(np.float32), strict=True)
        }
        return images | ({"phi": images["phi_0"]} if self.heights else {})

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
        plot, ds = self.plot, self.variants[0].ds
        cell = ds["cell"].values
        (left, _), (_, top) = box
        arrows = [
            arrows_in_box(
                box,
                cell,
                np.stack([fields["P_x"], fields["P_y"]]),
                longest=self.limits["P_par"] or None,
            )
            for fields in self.fields
        ]
        outlines = self.source_of([dict(zip("xy", _outlines(*one), strict=True)) for one in arrows])
        lines = plot.multi_line("x", "y", source=outlines, color="black", line_width=1.3)
        self.layers["P∥ arrows"] = [lines, *self._arrow_key(left, top)]
        zeros = self.source_of([_zero_line(xy, values) for values in P_perp])
        line = plot.line("x", "y", source=zeros, color="dimgray", line_dash="dotted")
        line.visible = not self.negligible
        self.layers["P⊥ = 0"] = [line]
        corners = np.array([[0, 0], cell[0], cell[0] + cell[1], cell[1], [0, 0]])
        self.layers["unit cell"] = [plot.line(*corners.T, color="black", line_width=1.2)]
        names, px, py = zip(*named_places(ds), strict=True)
        points = ColumnDataSource({"x": px, "y": py, "name": names})
        self.layers["named points"] = [
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

    def _arrow_key(self, left, top):
        """Draw an arrow of a round size in the upper left corner, with its size."""
        longest = self.limits["P_par"]
        if not longest > 0:
            return []
        size = round_below(longest)
        length = np.linalg.norm(self.variants[0].ds["cell"].values[0]) / 12 * LONGEST_ARROW
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

    def controls(self, texts: Sequence[Sequence[LayoutDOM]] = ()) -> list[UIElement]:
        """Return the buttons for the variants, the colours and the layers, and for the height.

        Parameters
        ----------
        texts
            Texts of each variant, which are visible with the variant.
        """
        labels = list(self.colours)
        first = labels.index(P_PAR if self.negligible else P_PERP)
        colours = RadioButtonGroup(labels=labels, active=first, name="colours")
        hidden = {"P⊥ = 0"} if self.negligible else set()
        active = [i for i, label in enumerate(self.layers) if label not in hidden]
        switches = CheckboxButtonGroup(labels=list(self.layers), active=active, name="layers")
        for i, label in enumerate(labels):
            for part in self.colours[label]:
                part.visible = i == first
        self.plot.title.text = self.titles[labels[first]]
        _show(colours, list(self.colours.values()), "cb_obj.active == i")
        _show(switches, list(self.layers.values()), "cb_obj.active.includes(i)")
        titles = {"title": self.plot.title, "titles": [self.titles[label] for label in labels]}
        code = "title.text = titles[cb_obj.active]"
        colours.js_on_change("active", CustomJS(args=titles, code=code))
        heights = [self._height(colours, labels.index(PHI))] if self.heights else []
        variants = [self._variant(texts, *heights)] if len(self.variants) > 1 else []
        return [*variants, colours, switches, *heights]

    def _variant(self, texts, height=None):
        """Return the choice of the variant."""
        names = [one.label for one in self.variants]
        variants = RadioButtonGroup(labels=names, active=0, name="variants")
        for i, own in enumerate(texts):
            for text in own:
                text.visible = i == 0
        _show(variants, [list(own) for own in texts], "cb_obj.active == i")
        code = """
            for (const [source, ...stored] of switched) {
                if (Object.keys(stored[0].data).length == 0) stored[0].data = source.data
                const data = {...stored[cb_obj.active].data}
                if ('phi' in data) data.phi = data[`phi_${height.active}`]
                source.data = data
            }
        """
        args = {"switched": self.switched, "height": height}
        variants.js_on_change("active", CustomJS(args=args, code=code))
        return variants

    def _height(self, colours, phi):
        """Return the choice of the height of the potential."""
        names = [f"φ at {height:g} Å" for height in self.heights]
        height = RadioButtonGroup(labels=names, active=0, name="heights")
        args = {
            "source": self.switched[0][0],
            "mapper": self.colours[PHI][0].glyph.color_mapper,
            "limits": [self.limits[f"phi_{i}"] for i in range(len(names))],
            "colours": colours,
            "phi": phi,
        }
        code = """
            const i = cb_obj.active
            source.data.phi = source.data[`phi_${i}`]
            mapper.setv({low: -limits[i], high: limits[i]})
            source.change.emit()
            colours.active = phi
        """
        height.js_on_change("active", CustomJS(args=args, code=code))
        return height


def _show(buttons, parts, test):
    """Show the parts of each button for which the test is true."""
    code = f"for (const [i, own] of parts.entries()) for (const part of own) part.visible = {test}"
    buttons.js_on_change("active", CustomJS(args={"parts": parts}, code=code))


def synchronize(one: UIElement, other: UIElement) -> None:
    """Make two groups of buttons act as one."""
    for source, target in ((one, other), (other, one)):
        source.js_link("active", target, "active")
    other.active = one.active


def limit_of_P_perp(fields: Mapping[str, np.ndarray]) -> float:
    """Return the end of the colours of P_perp: its largest size, if that is not negligible."""
    return float(max(np.abs(fields["P_perp"]).max(), VISIBLE * np.abs(fields["P_par"]).max()))


def _fields(ds):
    """Return the polarization of the page by name, (n, n) on the grid of the map, in DIPOLE."""
    P = UNIT * ds["P"].values
    fields = {"P_perp": P[2], "P_par": np.linalg.norm(P[:2], axis=0), "P_x": P[0], "P_y": P[1]}
    for layer, own in zip(LAYERS, UNIT * ds["P_layer"].values, strict=True):
        fields |= {f"{c}_{layer}": own[i] for i, c in enumerate("xyz")}
    return fields


def _potentials(variant):
    """Return the potential at each height by name, (n, n) on the grid of the map, in mV."""
    if variant.above is None:
        return {}
    return {f"phi_{i}": phi for i, phi in enumerate(variant.above["phi"].values)}


def _zero_line(xy, values):
    """Return the line of zeros of values (ny, nx) at places xy (ny, nx, 2); gaps are NaN."""
    lines = contour_data(xy[..., 0], xy[..., 1], values, [0.0]).line_data
    return {"x": lines.xs[0], "y": lines.ys[0]}


def _outlines(places, arrows):
    """Arrows (K, 2) centred at places (K, 2) as open lines: xs, ys, lists of K."""
    across = arrows @ np.array([[0, 1], [-1, 0]])
    tail, tip = places - arrows / 2, places + arrows / 2
    barbs = tip - 0.35 * arrows + 0.2 * across, tip - 0.35 * arrows - 0.2 * across
    lines = np.stack([tail, tip, barbs[0], tip, barbs[1]], axis=1)
    return list(lines[..., 0]), list(lines[..., 1])
