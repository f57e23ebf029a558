"""Compare the polarization of parallel layers of several materials, one definition for all."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from moirepol.physics.polarization import PC_PER_M
from moirepol.plotting import (
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
    "critical_field": ("V/angstrom", "field along z at which P_perp of N is zero, linear"),
}


def compare_materials(
    configuration_maps: Sequence[str],
    labels: Sequence[str],
    comparison: str,
    table: str,
    pdf: str,
    png: str,
) -> None:
    """Tabulate and draw the configuration spaces of several materials.

    Parameters
    ----------
    configuration_maps
        Maps of the configuration space of parallel layers, the default material first.
    labels
        Label sets of these families. Those in a field give the critical field.
    comparison, table
        NetCDF and CSV to write, one row for each material (`COLUMNS`).
    pdf, png
        Figure to write.
    """
    maps = [read_netcdf(path, "P") for path in configuration_maps]
    frames = [frame for path in labels for frame in read_frames(path)]
    rows = pd.DataFrame([_row(ds, frames) for ds in maps]).set_index("material")
    rows["ratio"] = rows["one_domain"] / rows["one_domain"].iloc[0]
    rows["published_ratio"] = rows["published"] / rows["published"].iloc[0]
    rows = rows[list(COLUMNS)]
    rows.to_csv(table, float_format="%.6g")
    found = xr.Dataset.from_dataframe(rows)
    for name, (unit, meaning) in COLUMNS.items():
        found[name].attrs.update(units=unit, long_name=meaning)
    write_netcdf(stamp(found, "Materials beside each other", {}), comparison)
    _draw(maps, rows, pdf, png)


def _row(ds, frames):
    family = ds.attrs["system"].removeprefix("configuration_")
    material = load_material(material_of(family))
    n = ds.sizes["i"]
    i, j = (round(n * part) % n for part in HIGH_SYMMETRY["N"])
    k, m = (round(n * part) % n for part in HIGH_SYMMETRY["M"])
    P = ds["P"].values
    area = abs(np.linalg.det(ds["cell"].values))
    stacking = System(family=family, geometry="slide", indices=(1, 1, 3))
    of_N = {
        f.field_V_per_A: f
        for f in frames
        if f.system.model_copy(update={"field_V_per_A": 0.0}) == stacking
    }
    published = material.published
    return {
        "material": material.name,
        "lattice_constant": np.linalg.norm(ds["cell"].values[0]),
        "layer_distance": of_N[0.0].layer_distance_A if 0.0 in of_N else np.nan,
        "P_perp": abs(P[2, i, j]),
        "P_par": np.linalg.norm(P[:2], axis=0).max(),
        "one_domain": abs(P[2, i, j]) / area * PC_PER_M,
        "difference": abs(P[2, k, m] - P[2, i, j]) / area * PC_PER_M,
        "published": published.P_perp_pC_per_m if published else np.nan,
        "critical_field": _critical_field(of_N),
    }


def _critical_field(of_N):
    """Field in V/A at which the dipole of N along z is zero, from labels in two fields."""
    fields = sorted(field for field in of_N if field >= 0)
    if len(fields) < 2 or fields[0]:
        return np.nan
    start, end = (of_N[field].dipoles[:, 2].sum() for field in fields[:2])
    return fields[1] * start / (start - end)


def _draw(maps, rows, pdf, png):
    figure, axes = new_figure(1.0 * len(maps) + 0.2, nrows=len(maps), ncols=2, squeeze=False)
    for (left, right), ds, (name, row) in zip(axes, maps, rows.iterrows(), strict=True):
        P = UNIT * ds["P"].values
        xlim, ylim = window(ds["cell"].values)
        for ax in (left, right):
            ax.set(xlim=xlim, ylim=ylim, aspect="equal", xticks=[], yticks=[])
        draw_out_of_plane(left, ds, P[2])
        draw_in_plane(right, ds, P[:2])
        for ax in (left, right):
            draw_cell(ax, ds)
        left.set_ylabel(f"{name}\n{row['one_domain']:.2f} pC/m")
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compare_materials, globals().get("snakemake"))
