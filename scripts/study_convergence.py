"""How far the labels are converged: the standard recipe against recipes with one change each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from moirepol.dft.labels import total_dipole
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
    """Compare dipoles of the same slides by different recipes.

    standard : set that holds the slides AB, A and G named in `slides`, by the standard recipe.
    variants : files of single frames, the three slides of one recipe after the other. changes :
    recipe -> what differs. settings : those of the standard recipe.
    study, table, pdf, png : NetCDF with dims recipe, slide and N atom, a table and a figure of
    P_perp(AB), |P_par(A)| and the largest change of one N atom's dipole relative to that at G
    (what a model that is given a baseline has to learn), all minus the standard recipe's, in e.A.
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
