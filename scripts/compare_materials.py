"""Compare the polarization of parallel layers of several materials, one definition for all."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from moirepol.physics.polarization import PC_PER_M
from moirepol.plotting import (
    COLUMN_INCHES,
    UNIT,
    draw_cell,
    draw_in_plane,
    draw_out_of_plane,
    new_figure,
    save,
    window,
)
from moirepol.structure.conventions import HIGH_SYMMETRY
from moirepol.structure.frames import read_frames
from moirepol.structure.material import load_material
from moirepol.structure.names import System, material_of
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

#: name -> (unit, long name)
COLUMNS = {
    "lattice_constant": ("angstrom", "lattice constant"),
    "layer_distance": ("angstrom", "layer distance"),
    "P_perp": ("e.angstrom", "|P_perp| of the stacking N per cell, rigid layers, PBE"),
    "P_par": ("e.angstrom", "largest |P_par| per cell"),
    "one_domain": ("pC/m", "|P_perp| of the stacking N per area: one domain"),
    "difference": ("pC/m", "difference of P_perp per area between the stackings M and N"),
    "ratio": ("1", "one_domain in units of that of the first material"),
    "published": ("pC/m", "published P_perp, definition not stated"),
    "published_ratio": ("1", "published P_perp in units of that of the first material"),
    "critical_field": (
        "V/angstrom",
        "magnitude of the field along z at which P_perp of N is zero, linear",
    ),
}

#: As `COLUMNS`, of each label of the stacking N without a field.
BY_DISTANCE = {
    "label_material": ("", "material of the label"),
    "label_distance": ("angstrom", "layer distance of the label"),
    "label_domain": ("pC/m", "|P_perp| of the stacking N per area at this layer distance"),
}

#: Rows of maps in the figure.
PARTS = ("stackings", "stackings, in-plane", "twisted")


def compare_materials(
    configuration_maps: Sequence[str],
    labels: Sequence[str],
    comparison: str,
    table: str,
    pdf: str,
    png: str,
    moire_maps: Sequence[str] = (),
) -> None:
    """Tabulate and draw the polarization of several materials.

    Parameters
    ----------
    configuration_maps
        Maps of the configuration space of parallel layers, the default material first.
    labels
        Label sets of these families. Those in a field give the critical field, those at other
        layer distances the dependence on the distance.
    comparison, table
        NetCDF and CSV to write, one row for each material (`COLUMNS`).
    pdf, png
        Figure to write.
    moire_maps
        Maps of twisted bilayers of some of these families, for the figure.
    """
    maps = [read_netcdf(path, "P") for path in configuration_maps]
    twisted = {_family_of(ds): ds for ds in (read_netcdf(path, "P") for path in moire_maps)}
    frames = [frame for path in labels for frame in read_frames(path)]
    rows = pd.DataFrame([_row(ds, frames) for ds in maps]).set_index("material")
    rows["ratio"] = rows["one_domain"] / rows["one_domain"].iloc[0]
    rows["published_ratio"] = rows["published"] / rows["published"].iloc[0]
    rows = rows[list(COLUMNS)]
    rows.to_csv(table, float_format="%.6g")
    found = xr.Dataset.from_dataframe(rows)
    for name, (unit, meaning) in COLUMNS.items():
        found[name].attrs.update(units=unit, long_name=meaning)
    by_distance = pd.concat([_by_distance(ds, frames) for ds in maps], ignore_index=True)
    for name, (unit, meaning) in BY_DISTANCE.items():
        values = by_distance[name].values
        found[name] = "label", values, {"units": unit, "long_name": meaning}
    write_netcdf(stamp(found, "Materials beside each other", {}), comparison)
    _draw(maps, twisted, rows, by_distance, pdf, png)


def _family_of(ds):
    return ds.attrs["system"].removeprefix("configuration_").partition("_")[0]


def _labels_of_N(family, frames):
    """Labels of the stacking N by layer distance and field; the layers are flat and unstrained."""
    stacking = System(family=family, geometry="slide", indices=(1, 1, 3))
    anywhere = {"distance_A": None, "field_V_per_A": 0.0}
    return {
        (round(f.layer_distance_A, 3), f.field_V_per_A): f
        for f in frames
        if f.system.model_copy(update=anywhere) == stacking
    }


def _by_distance(ds, frames):
    family = _family_of(ds)
    area = abs(np.linalg.det(ds["cell"].values))
    rows = [
        (material_of(family), distance, abs(f.dipoles[:, 2].sum()) / area * PC_PER_M)
        for (distance, field), f in sorted(_labels_of_N(family, frames).items())
        if field == 0
    ]
    return pd.DataFrame(rows, columns=list(BY_DISTANCE))


def _row(ds, frames):
    family = _family_of(ds)
    material = load_material(material_of(family))
    n = ds.sizes["i"]
    i, j = (round(n * part) % n for part in HIGH_SYMMETRY["N"])
    k, m = (round(n * part) % n for part in HIGH_SYMMETRY["M"])
    P = ds["P"].values
    area = abs(np.linalg.det(ds["cell"].values))
    found = _labels_of_N(family, frames)
    usual = next((d for (d, _), f in found.items() if f.system.distance_A is None), np.nan)
    published = material.published
    return {
        "material": material.name,
        "lattice_constant": np.linalg.norm(ds["cell"].values[0]),
        "layer_distance": usual,
        "P_perp": abs(P[2, i, j]),
        "P_par": np.linalg.norm(P[:2], axis=0).max(),
        "one_domain": abs(P[2, i, j]) / area * PC_PER_M,
        "difference": abs(P[2, k, m] - P[2, i, j]) / area * PC_PER_M,
        "published": published.P_perp_pC_per_m if published else np.nan,
        "critical_field": _critical_field({E: f for (d, E), f in found.items() if d == usual}),
    }


def _critical_field(of_N):
    """Magnitude of the field in V/A at which p_z of N is zero, from labels in two fields."""
    fields = sorted(field for field in of_N if field >= 0)
    if len(fields) < 2 or fields[0]:
        return np.nan
    start, end = (of_N[field].dipoles[:, 2].sum() for field in fields[:2])
    return abs(fields[1] * start / (start - end))


def _draw(maps, twisted, rows, by_distance, pdf, png):
    names = list(rows.index)
    mosaic = [[f"{name} {part}" for name in names for _ in range(2)] for part in PARTS]
    last = ["distance"] * len(names) + ["field"] * len(names)
    width = 2 * COLUMN_INCHES
    figure, axes = new_figure(width, [*mosaic, last], width, height_ratios=[1.0, 1.0, 1.4, 1.4])
    for ds, (name, row) in zip(maps, rows.iterrows(), strict=True):
        shown = dict.fromkeys(PARTS[:2], ds)
        ax = axes[f"{name} {PARTS[2]}"]
        if moire := twisted.get(_family_of(ds)):
            shown[PARTS[2]] = moire
            ax.set_title(f"{System.parse(moire.attrs['system']).twist_angle_deg:.2f}°", pad=9)
        else:
            ax.text(0.5, 0.5, "no model", ha="center", va="center")
            ax.axis("off")
        for part, drawn in shown.items():
            ax, P = axes[f"{name} {part}"], UNIT * drawn["P"].values
            xlim, ylim = window(drawn["cell"].values)
            ax.set(xlim=xlim, ylim=ylim, aspect="equal", xticks=[], yticks=[])
            if part == PARTS[1]:
                draw_in_plane(ax, drawn, P[:2])
            else:
                draw_out_of_plane(ax, drawn, P[2])
            draw_cell(ax, drawn)
        title = rf"{name}: $|P_\perp|$ of N {row['one_domain']:.2f} pC/m"
        axes[f"{name} {PARTS[0]}"].set_title(title, pad=12)
    for part in PARTS:
        axes[f"{names[0]} {part}"].set_ylabel(part)
    for number, name in enumerate(names):
        color = f"C{number}"
        own = by_distance[by_distance["label_material"] == name]
        apart = own["label_distance"] - rows["layer_distance"][name]
        axes["distance"].semilogy(
            apart, own["label_domain"], "o-", color=color, markersize=3, label=name
        )
        if np.isfinite(field := rows["critical_field"][name]):  # the others have no labels for it
            axes["field"].bar(name, field, color=color)
    axes["distance"].set(xlabel="change of the layer distance (Å)")
    axes["distance"].set(ylabel=r"$|P_\perp|$ of N (pC/m)")
    axes["distance"].legend()
    axes["field"].set(ylabel="critical field (V/Å)")
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compare_materials, globals().get("snakemake"))
