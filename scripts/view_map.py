"""Write a map as one HTML page for any browser, with a cut and values under the pointer."""

import html
import re
from collections.abc import Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import (
    CustomJS,
    DataRange1d,
    Div,
    HoverTool,
    LinearAxis,
    Range1d,
)
from bokeh.plotting import figure
from matplotlib.colors import to_hex

from moirepol.map_page import DIPOLE, LAYERS_SHOWN, VISIBLE, MapVariant, MapView, write_page
from moirepol.physics.charge import charge_of_map
from moirepol.physics.long_range import read_polarizabilities
from moirepol.physics.polarization import (
    DIAGONAL,
    ON_DIAGONAL,
    SHORT_RANGE,
    along_diagonal,
    without_long_range,
)
from moirepol.physics.potential import Surroundings, potential_of_map
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
RELAXED = "This command makes a page that also shows relaxed layers:"
KEYS_IN_WORDS = (
    "Mouse wheel, + and -: zoom; 0: whole map. Digits: colours. v: next variant. "
    + ", ".join(f"{key}: {label}" for label, key in LAYERS_SHOWN.items())
    + ". A click on the legend of the cut shows or hides a line."
)


def view_map(
    polarization_maps: Sequence[str],
    charges: Sequence[str],
    page: str,
    zero_tolerance: float,
    settings: Mapping[str, Any],
    potentials: Sequence[str] = (),
    polarizability: str | Sequence[str] = (),
    relaxed_page: str = "",
) -> None:
    """Write a page with the map, a cut along G-N-C-M-G and a summary. It needs no network.

    A switch shows the variants of the map: the other maps, and each map without the long-range
    electrostatics. All have the same colour scales.

    Parameters
    ----------
    polarization_maps, charges
        The map and its charge (NetCDF), and those of further maps of the same cell.
    page
        HTML file to write.
    zero_tolerance
        As of `compute_charge`.
    settings, polarizability
        As of `compute_potential`.
    potentials
        Potential above each bilayer (NetCDF); a configuration space has none.
    relaxed_page
        Page that also contains the relaxed bilayer, if there is one.
    """
    response = read_polarizabilities(polarizability)
    variants, files = [], []
    for i, paths in enumerate(zip(polarization_maps, charges, strict=True)):
        ds = read_netcdf(paths[0], "P", "P_layer")
        above = read_netcdf(potentials[i], "phi") if potentials else None
        charge = read_netcdf(paths[1], "charge_density", "Q")
        one = MapVariant(_layers(ds), ds, charge, above)
        found = one, _without_long_range(one, zero_tolerance, settings, response)
        variants += filter(None, found)
        files += [[*paths, *potentials[i : i + 1]], paths[:1]][: len(variants) - len(files)]
    view = MapView(variants)
    heading = _heading(variants[0].ds)
    numbers = [Div(text=_numbers(one), width=520) for one in variants]
    notes = [
        Div(text=_notes(view, one, own, page, relaxed_page), width=520)
        for one, own in zip(variants, files, strict=True)
    ]
    cut = _cut(view)  # the switch acts on the cut, too
    left = column(*view.controls(list(zip(numbers, notes, strict=True))), view.plot)
    write_page(row(left, column(*numbers, cut, *notes), spacing=20), heading, page)


def _heading(ds):
    return ds.attrs.get("description") or describe(ds.attrs["system"])


def _layers(ds):
    """Return in one word what the layers of a map are."""
    if ds.attrs["space"] == "configuration":
        return "all stackings"
    if "description" in ds.attrs:
        return "layers of the file"
    return "relaxed" if "relaxed" in ds.attrs["system"] else "rigid"


def _without_long_range(variant, zero_tolerance, settings, response):
    """Return the variant without the long-range electrostatics; None if it has none."""
    ds = without_long_range(variant.ds)
    if ds is None:
        return None
    charges = charge_of_map(ds, [int(variant.charges["grid"].max())], zero_tolerance)
    above = variant.above
    if above is not None:
        heights = above["height"].values.tolist()
        phi = potential_of_map(ds, response, heights, Surroundings.from_settings(settings))
        above = above.assign(phi=above["phi"].copy(data=phi))
    return MapVariant(f"{variant.label}, no long range", ds, charges, above)


def _cut(view):
    """Return the fields along the long diagonal; the pointer on it marks its place on the map."""
    data = [
        _along_diagonal(one.ds, fields)
        for one, fields in zip(view.variants, view.fields, strict=True)
    ]
    source, distance = view.source_of(data), data[0]["distance"]
    plot = figure(
        width=520,
        height=380,
        x_range=Range1d(0, distance[-1]),
        y_range=DataRange1d(only_visible=True),
        y_axis_label=f"P ({DIPOLE})",
        tools="pan,wheel_zoom,box_zoom,reset,save",
        name="cut",
    )
    limit = 1.05 * max(np.abs(own["q"]).max() for own in data) or 1.0
    plot.extra_y_ranges = {"q": Range1d(-limit, limit)}
    of_q = LinearAxis(y_range_name="q", axis_label=f"q ({view.density})", visible=False)
    plot.add_layout(of_q, "right")
    rows = [("distance", "@distance{0.0} Å")]
    units = {"q": f"·{view.density}"}
    rows += [
        (label, f"@{name}{{0.000}}{units.get(name, f' {DIPOLE}')}")
        for label, (name, *_) in CUT.items()
    ]
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
    follow = CustomJS(
        args={"source": source, "marker": view.marker},
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
    plot.add_layout(plot.legend[0], "below")
    plot.legend.update(click_policy="hide", orientation="horizontal", label_text_font_size="11px")
    ticks = [float(distance[-1] * place) for place in ON_DIAGONAL]
    plot.xaxis.ticker = ticks
    plot.xaxis.major_label_overrides = dict(zip(ticks, DIAGONAL, strict=True))
    return plot


def _along_diagonal(ds, fields):
    """Return the fields along the long diagonal with their places on the map."""
    values, places = along_diagonal(ds, np.stack(list(fields.values())))
    distance = np.linalg.norm(places - places[0], axis=1)
    # The part of the diagonal outside of the cell is marked at its equivalent inside.
    inside = (places @ np.linalg.inv(ds["cell"].values) + 1e-9) % 1 - 1e-9
    x, y = np.where(_in_cell(places, ds), places.T, (inside @ ds["cell"].values).T)
    data = dict(zip(fields, values, strict=True))
    return data | {"distance": distance, "x": x, "y": y}


def _in_cell(places, ds):
    fractions = places @ np.linalg.inv(ds["cell"].values)
    return ((fractions > -1e-6) & (fractions < 1 + 1e-6)).all(axis=1)


def _numbers(variant):
    """Return the title and the main numbers of a variant, as HTML."""
    ds = variant.ds
    P = UNIT * ds["P"].values
    P_par = np.linalg.norm(P[:2], axis=0)
    rows = [
        ("largest P⊥", f"{P[2].max():+.3f} {DIPOLE}"),
        ("smallest P⊥", f"{P[2].min():+.3f} {DIPOLE}"),
        ("largest |P∥|", f"{P_par.max():.3f} {DIPOLE}"),
        ("mean P⊥", f"{P[2].mean():+.3f} {DIPOLE}"),
    ]
    if "P_error" in ds:
        squares = (UNIT * ds["P_error"].values) ** 2
        rows.append(("error of P⊥ (RMS)", f"±{squares[2].mean() ** 0.5:.3f} {DIPOLE}"))
        words = f"±{squares[:2].mean() ** 0.5:.3f} {DIPOLE} per component"
        rows.append(("error of P∥ (RMS)", words))
    else:
        rows.append(("error of P", "none, because it is not calibrated for this variant"))
    cells = "".join(f"<tr><td>{name}&emsp;</td><td>{value}</td></tr>" for name, value in rows)
    beyond = html.escape(ds.attrs.get("beyond_labels", ""))
    lacks = html.escape(ds.attrs.get("not_included", ""))
    return (
        f"<h2>{html.escape(_heading(ds))}</h2><table>{cells}</table>"
        + (f"<p><b>Beyond the labels: {beyond}.</b></p>" if beyond else "")
        + (f"<p><b>Not included: {lacks}.</b></p>" if lacks else "")
    )


def _notes(view, variant, files, page, relaxed_page):
    """Return the meaning of the numbers of a variant, its charges and files, as HTML."""
    ds = variant.ds
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
    links = ", ".join(
        f"<a href='{html.escape(relpath(file, Path(page).parent))}'>{Path(file).parent.name}/"
        f"{Path(file).name}</a>"
        for file in files
    )
    if SHORT_RANGE not in ds and SHORT_RANGE in view.variants[0].ds:
        links += f": variable {SHORT_RANGE}; q and φ of this page are computed from it"
    made = f"{ds.attrs['title']}, {ds.attrs['date_created']}, moirepol {ds.attrs['git_revision']}"
    return (
        f"<p>{' '.join(filter(None, notes))}</p>"
        + _charges(variant.charges)
        + f"<p>Data: {links}.</p>"
        + (f"<p>{RELAXED}<br><code>./run {relaxed_page}</code></p>" if relaxed_page else "")
        + f"<p>{KEYS_IN_WORDS}</p>"
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
