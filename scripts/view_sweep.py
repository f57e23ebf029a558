"""Write a sweep as one HTML page for any browser: any quantity against any axis."""

import html

import pandas as pd
from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, CustomJS, Div, HoverTool, Legend, LegendItem, Select
from bokeh.palettes import Category20
from bokeh.plotting import figure
from bokeh.resources import Resources

from moirepol.export import SWEEP_ROWS, sweep_table
from moirepol.workflow.provenance import read_netcdf

#: Axes of a sweep: column of the table -> words.
AXES = {
    "field": "field along +z (V/Å)",
    "strain": "biaxial strain (%)",
    "twist_angle": "twist angle (°)",
    "eta": "lattice mismatch η",
    "system": "number of the bilayer",
}
ERROR = "_error"
#: Lines at most; the palette has as many colours.
MOST_LINES = 20
UPDATE = """
    const data = table.data
    const name = quantity.value, along = axis.value
    const error = data[errors[name]]
    const groups = new Map()
    for (let i = 0; i < data[along].length; i++) {
        const words_of = c => c == "system" ? data["system name"][i] : labels[c] + " " + data[c][i]
        const key = others[along].map(words_of).join(", ") || "all"
        if (!groups.has(key)) groups.set(key, [])
        groups.get(key).push(i)
    }
    const points = {x: [], y: [], low: [], high: [], label: [], color: []}
    let number = 0
    for (const line of lines) { line.data = {x: [], y: []} }
    for (const item of items) { item.visible = false }
    for (const [key, rows] of groups) {
        if (number == lines.length) break
        rows.sort((a, b) => data[along][a] - data[along][b])
        lines[number].data = {x: rows.map(i => data[along][i]), y: rows.map(i => data[name][i])}
        items[number].label = {value: key}
        items[number].visible = true
        for (const i of rows) {
            const e = error && isFinite(error[i]) ? error[i] : 0
            points.x.push(data[along][i]); points.y.push(data[name][i])
            points.low.push(data[name][i] - e); points.high.push(data[name][i] + e)
            points.label.push(data["system name"][i])
            points.color.push(colours[number])
        }
        number += 1
    }
    marks.data = points
    x_axis.axis_label = words[along]
    y_axis.axis_label = name
    note.text = groups.size > lines.length
        ? "The first " + lines.length + " of " + groups.size + " lines are shown." : ""
"""


def view_sweep(sweep: str, page: str) -> None:
    """Write a page with one plot, and menus for its quantity and its axis. It needs no network.

    Parameters
    ----------
    sweep
        File of `collect_sweep`.
    page
        HTML file to write.
    """
    ds = read_netcdf(sweep, *SWEEP_ROWS)
    table = sweep_table(ds)
    title = ds.attrs.get("title", "Sweep")
    made = (
        f"{title}, {ds.attrs.get('date_created', '')}, moirepol {ds.attrs.get('git_revision', '')}"
    )
    heading = Div(
        text=f"<h2>{html.escape(title)}</h2><p>A click on the legend hides a line. Bars show the "
        "error of the prediction. The names of the quantities are those of docs/data.md.</p>"
        f"<p style='color:gray'>{html.escape(made)}</p>",
        width=700,
    )
    plot, update = _plot(table)
    document = Document()
    document.add_root(column(heading, plot))
    document.js_on_event("document_ready", update)
    text = file_html(document, Resources(mode="inline"), title=title)
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)


def _plot(table: pd.DataFrame):
    """Menus, plot and note of a table of a sweep; the script that draws the plot."""
    table = table.copy()
    table["system name"] = table["system"]
    table["system"] = pd.factorize(table["system"])[0] + 1.0
    axes = [axis for axis in AXES if axis in table and table[axis].nunique() > 1] or ["field"]
    quantities = [
        name for name in table if name not in AXES and name != "system name" and ERROR not in name
    ]
    errors = {name: _error_of(name, table) for name in quantities}
    # Twist angle and mismatch are other axes for the same bilayers.
    keys = [axis for axis in ("system", "strain", "field") if table[axis].nunique() > 1]
    bilayers = {"twist_angle", "eta", "system"}
    others = {
        axis: [key for key in keys if key != axis and not (key in bilayers and axis in bilayers)]
        for axis in axes
    }
    plot = figure(width=760, height=480, tools="pan,wheel_zoom,box_zoom,reset,save", name="sweep")
    colours = Category20[MOST_LINES]
    lines = [ColumnDataSource({"x": [], "y": []}) for _ in range(MOST_LINES)]
    items = []
    for source, colour in zip(lines, colours, strict=True):
        line = plot.line("x", "y", source=source, color=colour, line_width=2)
        items.append(LegendItem(label="", renderers=[line], visible=False))
    plot.add_layout(Legend(items=items, click_policy="hide", label_text_font_size="10px"), "right")
    marks = ColumnDataSource({key: [] for key in ("x", "y", "low", "high", "label", "color")})
    plot.segment("x", "low", "x", "high", source=marks, color="color")
    dots = plot.scatter("x", "y", source=marks, color="color", size=5, name="points")
    rows = [
        ("bilayer", "@label"),
        ("value", "@y{0.000000}"),
        ("low, high", "@low{0.000000}, @high{0.000000}"),
    ]
    plot.add_tools(HoverTool(renderers=[dots], tooltips=rows))
    quantity = Select(title="quantity", value=quantities[0], options=quantities, name="quantity")
    axis = Select(title="axis", value=axes[0], options=axes, name="axis")
    note = Div(text="")
    update = CustomJS(
        args={
            "table": ColumnDataSource(table.to_dict("list")),
            "quantity": quantity,
            "axis": axis,
            "errors": errors,
            "others": others,
            "labels": {"strain": "strain (%)", "field": "field (V/Å)"},
            "words": AXES,
            "lines": lines,
            "items": items,
            "marks": marks,
            "colours": list(colours),
            "x_axis": plot.xaxis[0],
            "y_axis": plot.yaxis[0],
            "note": note,
        },
        code=UPDATE,
    )
    for menu in (quantity, axis):
        menu.js_on_change("value", update)
    return column(row(quantity, axis), plot, note), update


def _error_of(name: str, table: pd.DataFrame) -> str:
    """Column with the error of a quantity, empty if there is none."""
    variable, *rest = name.split(" ", 1)
    unit = f" {rest[0]}" if rest else ""
    parts = variable.split("_")
    for cut in range(len(parts), 0, -1):
        words = [*parts[:cut], "error", *parts[cut:]]
        if (column_name := "_".join(words) + unit) in table:
            return column_name
    return ""


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(view_sweep, globals().get("snakemake"))
