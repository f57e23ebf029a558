"""Compare labels by the standard recipe with labels by recipes with one change each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from moirepol.dft.audit import total_dipole
from moirepol.plotting import LAYER_COLORS, new_figure, save
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf


def study_convergence(
    standard: str,
    variants: Sequence[str],
    changes: Mapping[str, Mapping[str, Any]],
    slides: Sequence[str],
    settings: Mapping[str, Any],
    study: str,
    table: str,
    pdf: str,
    png: str,
) -> None:
    """Compare the dipoles of the same stackings by different recipes.

    The changes are differences from the standard recipe, in e.A: of P_perp(AB), of |P_par(A)|, and
    of the dipole of one N atom relative to that at G. AB is the stacking N.

    Parameters
    ----------
    standard
        Label set with the stackings `slides` by the standard recipe.
    variants
        Files of single frames: the three stackings of the first recipe, then of the next.
    changes
        Settings in which each recipe differs, by recipe.
    slides
        Names of the stackings AB, A and G.
    settings
        Settings of the standard recipe.
    study
        NetCDF file to write, with the dimensions recipe, slide and N atom.
    table
        CSV to write.
    pdf, png
        Figure to write.
    """
    found = {frame.name: frame for frame in read_frames(standard)}
    frames = [[found[slide] for slide in slides]]
    files = iter(variants)
    frames += [[read_frames(next(files))[0] for _ in slides] for _ in changes]
    names = ["standard", *changes]
    total = np.array([[total_dipole(frame) for frame in row] for row in frames])
    single = np.array([[f.dipoles for f in row] for row in frames])
    relative = single - single[:, -1:]
    values = {
        "P_perp_AB": total[:, 0, 2],
        "P_par_A": np.linalg.norm(total[:, 1, :2], axis=-1),
        "largest_change": np.abs(relative - relative[0]).max(axis=(1, 2, 3)),
        "largest_change_absolute": np.abs(single - single[0]).max(axis=(1, 2, 3)),
    }
    units = {"units": "e.angstrom"}
    ds = xr.Dataset({name: ("recipe", value, units) for name, value in values.items()})
    ds["dipole"] = ("recipe", "slide", "site", "component"), single, units
    ds = ds.assign_coords(recipe=names, slide=list(slides), component=["x", "y", "z"])
    write_netcdf(stamp(ds, "Convergence of the labels", {"standard": settings} | changes), study)
    rows = ds[list(values)].to_dataframe()
    for name in ("P_perp_AB", "P_par_A"):
        rows[f"{name}_change"] = rows[name] - rows[name].iloc[0]
    rows.to_csv(table)

    figure, ax = new_figure(0.9 + 0.2 * len(changes))
    places = np.arange(len(changes))
    for name, label, marker, color in (
        ("P_perp_AB_change", r"$P_\perp$(AB)", "o", LAYER_COLORS[0]),
        ("P_par_A_change", r"$|P_\parallel|$(A)", "s", LAYER_COLORS[1]),
        ("largest_change", "one N, relative to G", "x", "black"),
    ):
        change = rows[name].abs().to_numpy()[1:]
        ax.semilogx(change.clip(1e-8), places, marker, color=color, markersize=3, label=label)
    ax.axvline(2e-5, color="gray", linewidth=0.6, linestyle="--")
    ax.set_yticks(places, [", ".join(f"{k} {v}" for k, v in c.items()) for c in changes.values()])
    ax.invert_yaxis()
    ax.set_xlabel(r"change ($e\,\mathrm{\AA}$)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.3, 1.12), ncols=3)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(study_convergence, globals().get("snakemake"))
