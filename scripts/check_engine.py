"""Compare labels by two DFT codes: polarization and layer dipoles of the same stackings."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.dft.engine import DEFAULT
from moirepol.errors import JobError
from moirepol.plotting import DIPOLE, LAYER_COLORS, UNIT, new_figure, save
from moirepol.structure.conventions import HIGH_SYMMETRY, LAYERS
from moirepol.structure.frames import read_frames
from moirepol.structure.names import System
from moirepol.workflow.label_sets import settings_from
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

TITLES = {"espresso": "Quantum ESPRESSO", "gpaw": "GPAW"}


def check_engine(
    labels: Sequence[str], others: str, check: str, table: str, pdf: str, png: str
) -> None:
    """Compare the untwisted bilayers of one label set with the same ones in other label sets.

    Parameters
    ----------
    labels
        Label sets by the workflow's own DFT code.
    others
        Label set by the other DFT code.
    check
        NetCDF file to write: `dipole` (code, slide, layer, component) in e.A.
    table
        CSV to write: P_perp, |P_par| and p_z of the layers by both codes in e.A, and the other code
        minus the own one. In a field, also the response of P_perp in e.A^2/V.
    pdf, png
        Figure to write.

    Raises
    ------
    JobError
        If a bilayer of `others` is not in `labels`.
    """
    ours = {frame.name: frame for file in labels for frame in read_frames(file)}
    theirs = {frame.name: frame for frame in read_frames(others)}
    missing = [name for name in theirs if name not in ours]
    if missing:
        raise JobError(f"{' and '.join(labels)} have no label of {missing[0]}")
    settings = settings_from(read_netcdf(labels[0])), settings_from(read_netcdf(others))
    codes = [s["recipe"].get("engine", DEFAULT) for s in settings]
    frames = [[source[name] for name in theirs] for source in (ours, theirs)]
    ds = xr.Dataset(
        {
            "dipole": (
                ("code", "slide", "layer", "component"),
                [[layer_dipoles(frame) for frame in row] for row in frames],
                {"units": "e.angstrom", "long_name": "dipole of each layer's N atoms, summed"},
            )
        },
        coords={
            "code": codes,
            "slide": list(theirs),
            "layer": list(LAYERS),
            "component": list("xyz"),
        },
    )
    kept = dict(zip(codes, settings, strict=True))
    write_netcdf(stamp(ds, "Labels by two codes", kept), check)
    rows = compare(ds)
    rows.to_csv(table)
    draw(rows, codes, pdf, png)


def layer_dipoles(frame):
    """Return the summed dipole (2, 3) of the N atoms of each layer in e.A."""
    sites = frame.is_site
    layer, dipole = frame.layer[sites], frame.arrays["dipole"][sites]
    return np.array([dipole[layer == side].sum(axis=0) for side in (0, 1)])


def compare(ds):
    """Return a table with one row for each stacking: both codes and their difference."""
    total = ds["dipole"].sum("layer")
    quantities = {
        "P_perp": total.sel(component="z"),
        "P_par": np.hypot(total.sel(component="x"), total.sel(component="y")),
        **{f"{layer}_z": ds["dipole"].sel(layer=layer, component="z") for layer in LAYERS},
        "response": response(total.sel(component="z")),
    }
    columns = {}
    for name, values in quantities.items():
        columns |= {f"{name}_{code}": values.sel(code=code) for code in ds["code"].values}
        columns[f"{name}_difference"] = values[1] - values[0]
    rows = xr.Dataset({name: column.drop_vars(("code", "component", "layer"), errors="ignore")
                       for name, column in columns.items()}).to_dataframe()  # fmt: skip
    rows.insert(0, "point", [point(name) for name in rows.index])
    return rows


def response(P_perp):
    """Return the change of P_perp per field, by code and stacking; NaN without both labels."""
    found = xr.full_like(P_perp, np.nan)
    for name in P_perp["slide"].values:
        system = System.parse(name)
        partner = system.model_copy(update={"field_V_per_A": 0.0}).name
        if system.field_V_per_A and partner in P_perp["slide"].values:
            change = P_perp.sel(slide=name) - P_perp.sel(slide=partner)
            found.loc[{"slide": name}] = change / system.field_V_per_A
    return found


def point(name):
    """Return the letter of a high-symmetry stacking, with the field if there is one."""
    system = System.parse(name)
    i, j, n = system.indices
    letter = next((k for k, tau in HIGH_SYMMETRY.items() if np.allclose(tau, (i / n, j / n))), name)
    field = system.field_V_per_A
    return f"{letter} in {field:g} V/Å" if field else letter


def draw(rows, codes, pdf, png):
    """Draw P_perp and |P_par| by both codes, and the differences of these and of p_z."""
    figure, (top, bottom) = new_figure(3.4, nrows=2, sharex=True, height_ratios=[3, 2])
    places = np.arange(len(rows))
    series = (("P_perp", r"$P_\perp$", "tab:purple"), ("P_par", r"$|P_\parallel|$", "tab:green"))
    for name, label, color in series:
        for code, marker, filled in ((codes[0], "o", "none"), (codes[1], "x", color)):
            top.plot(
                places,
                UNIT * rows[f"{name}_{code}"],
                marker,
                color=color,
                markerfacecolor=filled,
                markersize=6 if marker == "o" else 4,
                label=f"{label}, {TITLES.get(code, code)}",
            )
    layers = zip(LAYERS, LAYER_COLORS, strict=True)
    series += tuple((f"{layer}_z", f"{layer} $p_z$", color) for layer, color in layers)
    for shift, (name, label, color) in zip((-0.15, -0.05, 0.05, 0.15), series, strict=True):
        difference = UNIT * rows[f"{name}_difference"]
        bottom.plot(places + shift, difference, "o", color=color, markersize=3, label=label)
    for ax in (top, bottom):
        ax.axhline(0, color="gray", linewidth=0.6, zorder=0)
    top.set_ylabel(f"per N pair ({DIPOLE})")
    bottom.set_ylabel(f"change ({DIPOLE})")
    bottom.set_xticks(places, rows["point"].str.replace(" in ", "\n"))
    top.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    bottom.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=4, columnspacing=1)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(check_engine, globals().get("snakemake"))
