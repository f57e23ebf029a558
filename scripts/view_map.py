"""Write a map as one HTML page for any browser, with a cut and values under the pointer."""

import html
import re
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    DataRange1d,
    Div,
    HoverTool,
    LinearAxis,
    Range1d,
)
from bokeh.plotting import figure
from matplotlib.colors import to_hex

from moirepol.map_page import DIPOLE, LAYERS_SHOWN, VISIBLE, MapView, write_page
from moirepol.physics.polarization import DIAGONAL, ON_DIAGONAL, along_diagonal
from moirepol.plotting import UNIT
from moirepol.structure.material import load_material
from moirepol.structure.names import describe, material_of
from moirepol.workflow.provenance import read_netcdf

CUT = {  # label: (column, colour, dash, drawn at first)
    "P⊥": ("P_perp", "black", "solid", True),
    "|P∥|": ("P_par", "tab:green", "solid", True),
    "P⊥ lower layer": ("z_lower", "tab:blue", "dashed", False),
    "P⊥ upper layer": ("z_upper", "tab:red", "dashed", False),
    "q": ("q", "tab:purple", "dotted", False),
}

METHODS_IN_WORDS = {
    "finite_difference": "Eq. (3)",
    "berg_luscher": "solid angles",
    "sign_rule": "sign rule",
}
NO_P_PERP = "Untwisted antiparallel bilayers have no P, by their inversion centre."
PHI_NOTE = "φ is the electrostatic potential at a height above the upper layer."
KEYS_IN_WORDS = (
    "Mouse wheel, + and -: zoom; 0: whole map. Digits: colours. "
    + ", ".join(f"{key}: {label}" for label, key in LAYERS_SHOWN.items())
    + ". A click on the legend of the cut shows or hides a line."
)


def view_map(polarization_map: str, charge: str, page: str, potential: str | Sequence[str] = ()):
    """Write a page with the map, a cut along G-N-C-M-G and a summary. It needs no network.

    Parameters
    ----------
    polarization_map, charge
        The map and its charge (NetCDF).
    page
        HTML file to write.
    potential
        Potential above the bilayer (NetCDF); a configuration space has none.
    """
    ds, charges = (
        read_netcdf(polarization_map, "P", "P_layer"),
        read_netcdf(charge, "charge_density", "Q"),
    )
    above = read_netcdf(potential, "phi") if potential else None
    view = MapView(ds, charges, above)
    heading = ds.attrs.get("description") or describe(ds.attrs["system"])
    left = column(*view.controls(), view.plot)
    files = [path for path in (polarization_map, charge, potential) if path]
    summary = Div(text=_summary(view, charges, heading, files, page), width=520)
    right = column(summary, _cut(view))
    write_page(row(left, right, spacing=20), heading, page)


def _cut(view):
    """Return the fields along the long diagonal; the pointer on it marks its place on the map."""
    ds, fields, marker = view.ds, view.fields, view.marker
    values, places = along_diagonal(ds, np.stack(list(fields.values())))
    distance = np.linalg.norm(places - places[0], axis=1)
    data = dict(zip(fields, values, strict=True))
    # The part of the diagonal outside of the cell is marked at its equivalent inside.
    inside = (places @ np.linalg.inv(ds["cell"].values) + 1e-9) % 1 - 1e-9
    x, y = np.where(_in_cell(places, ds), places.T, (inside @ ds["cell"].values).T)
    source = ColumnDataSource(data | {"distance": distance, "x": x, "y": y})
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
    of_q = LinearAxis(y_range_name="q", axis_label=f"q ({view.density})", visible=False)
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
    rows = [("distance", "@distance{0.0} Å")]
    units = {"q": f"·{view.density}"}
    rows += [
        (label, f"@{name}{{0.000}}{units.get(name, f' {DIPOLE}')}")
        for label, (name, *_) in CUT.items()
    ]
    follow = CustomJS(
        args={"source": source, "marker": marker},
        code="""
            const hit = cb_data.index.line_indices
            const i = hit.length ? hit[0] : null
            const [x, y] = [source.data.x, source.data.y]
            marker.data = i == null ? {x: [], y: []} : {x: [x[i]], y: [y[i]]}
        """,
    )
    hover = HoverTool(renderers=lines[:1], tooltips=rows, line_policy="nearest")
    hover.update(mode="vline", callback=follow)
    plot.add_tools(hover)
    return plot


def _in_cell(places, ds):
    fractions = places @ np.linalg.inv(ds["cell"].values)
    return ((fractions > -1e-6) & (fractions < 1 + 1e-6)).all(axis=1)


def _summary(view, charges, heading, files, page):
    """Return the title, the main numbers of the map, their meaning and the files, as HTML."""
    ds = view.ds
    P = UNIT * ds["P"].values
    rows = [
        ("largest P⊥", f"{P[2].max():+.3f} {DIPOLE}"),
        ("smallest P⊥", f"{P[2].min():+.3f} {DIPOLE}"),
        ("largest |P∥|", f"{view.largest('P_par'):.3f} {DIPOLE}"),
        ("mean P⊥", f"{P[2].mean():+.3f} {DIPOLE}"),
    ]
    if "P_error" in ds:
        squares = (UNIT * ds["P_error"].values) ** 2
        rows.append(("error of P⊥ (RMS)", f"±{squares[2].mean() ** 0.5:.3f} {DIPOLE}"))
        words = f"±{squares[:2].mean() ** 0.5:.3f} {DIPOLE} per component"
        rows.append(("error of P∥ (RMS)", words))
    cells = "".join(f"<tr><td>{name}&emsp;</td><td>{value}</td></tr>" for name, value in rows)
    site = load_material(material_of(ds.attrs["system"])).dipole_site.species
    notes = [
        f"P is per pair of {site} atoms, one in each layer. The dipoles of layers are per {site} "
        "atom. z and a positive field point from the lower to the upper layer.",
        _layers_in_words(ds),
        f"P⊥ is below {VISIBLE:.0%} of |P∥|. "
        + (NO_P_PERP if re.search("AAp(_|$)", ds.attrs["system"]) else "")
        if view.negligible
        else "",
        PHI_NOTE if view.heights else "",
    ]
    beyond = html.escape(ds.attrs.get("beyond_labels", ""))
    lacks = html.escape(ds.attrs.get("not_included", ""))
    links = ", ".join(
        f"<a href='{html.escape(relpath(file, Path(page).parent))}'>{Path(file).parent.name}/"
        f"{Path(file).name}</a>"
        for file in files
    )
    made = f"{ds.attrs['title']}, {ds.attrs['date_created']}, moirepol {ds.attrs['git_revision']}"
    return (
        f"<h2>{html.escape(heading)}</h2><table>{cells}</table>"
        + (f"<p><b>Beyond the labels: {beyond}.</b></p>" if beyond else "")
        + (f"<p><b>Not included, because labels are missing: {lacks}.</b></p>" if lacks else "")
        + f"<p>{' '.join(filter(None, notes))}</p>"
        + _charges(charges)
        + f"<p>Data: {links}.</p><p>{KEYS_IN_WORDS}</p>"
        f"<p style='color:gray'>{html.escape(made)}</p>"
    )


def _layers_in_words(ds):
    """State where the atoms of the layers are."""
    if "description" in ds.attrs:
        return "The layers are those of the file."
    if "relaxed" in ds.attrs["system"]:
        return "The layers are relaxed."
    return "The layers are rigid and flat."


def _charges(charges):
    """Return a table of the charges around N and M by every method, with an explanation."""
    finest = charges.isel(grid=int(charges["grid"].values.argmax()))
    rows, totals = [], {}
    for method, words in METHODS_IN_WORDS.items():
        Q = [finest["Q"].sel({"scheme": method, "region": r}).item() for r in ("N", "M")]
        totals[method] = sum(Q)
        values = "".join(f"<td>{value:+.3f}&emsp;</td>" for value in (*Q, sum(Q)))
        rows.append(f"<tr><td>{words}&emsp;</td>{values}</tr>")
    head = "<tr><td>charge</td><td>around N</td><td>around M</td><td>sum</td></tr>"
    text = (
        "An integral over the whole cell is a whole number. An integral over one triangle is whole "
        "or half only if P lies in one plane along its edges. The sign rule counts the signs of P⊥ "
        "at G, N and M."
    )
    if abs(totals["sign_rule"] - totals["berg_luscher"]) > 0.5:
        text += (
            " <b>The sums differ: P∥ is zero at further points of this map, with another sign of "
            "P⊥. The sign rule does not count them.</b>"
        )
    return f"<table>{head}{''.join(rows)}</table><p>{text}</p>"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(view_map, globals().get("snakemake"))
