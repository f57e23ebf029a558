"""Write the page of a material: bands, Wannier functions, convergence of its labels."""

import html
from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moirepol.dft.audit import MINIMUM_PROJECTION, MINIMUM_SINGULAR_VALUE, total_dipole
from moirepol.physics.polarization import PC_PER_M
from moirepol.plotting import LAYER_COLORS, new_figure
from moirepol.structure.frames import read_frames
from moirepol.structure.material import load_material
from moirepol.workflow.label_sets import settings_from
from moirepol.workflow.provenance import read_netcdf

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 2em; max-width: 60em }}
table {{ border-collapse: collapse }}
th, td {{ border: 1px solid #bbb; padding: 0.3em 0.6em; text-align: right }}
td:first-child, th:first-child {{ text-align: left }}</style>
<h1>{title}</h1>
<p>{summary}</p>
<h2>Bands of the stacking N</h2>
<p>The gap between the {occupied} occupied bands and the empty bands is {gap:.2f} eV along this
path. The occupied bands are therefore an isolated set.</p>
<img alt="Bands of the stacking N along the path Γ-M-K-Γ" src="data:image/png;base64,{bands}">
<h2>Wannier functions</h2>
<p>The worst value of all {frames} labels, and the limit beyond which a label is rejected.</p>
{functions}
<h2>Convergence</h2>
<p>P⊥ of the stacking N and |P∥| of the stacking A, per cell in 10⁻³ e·Å. Each row changes one
setting of the recipe. The last column is the largest change of the dipole of one site relative to
the stacking G.</p>
{convergence}
<h2>Recipe</h2>
<p>The labels of this material have these settings.</p>
{recipe}
</html>
"""


def describe_material(
    material: str,
    bands: str,
    labels: str,
    finer: Sequence[str],
    slides: Sequence[str],
    changes: Mapping[str, Mapping[str, Any]],
    page: str,
    table: str,
) -> None:
    """Write bands, Wannier functions and convergence of a material as a page.

    Parameters
    ----------
    material
        Name of the material.
    bands
        File of `compute_bands` of the stacking N.
    labels
        Label set with the stackings of the configuration space.
    finer
        Labels by the recipes of `changes`: all `slides` of the first recipe, then of the next.
    slides
        Names of the stackings N, A and G.
    changes
        Changed setting of each recipe.
    page, table
        HTML and CSV (convergence) to write.
    """
    ds = read_netcdf(bands, "energy")
    frames = {frame.name: frame for frame in read_frames(labels)}
    others = iter([read_frames(file)[0] for file in finer])
    of = load_material(material)
    rows = {"recipe": [frames[name] for name in slides]}
    for recipe, change in changes.items():
        words = ", ".join(f"{key} = {value:g}" for key, value in change.items())
        rows[f"{recipe}: {words}"] = [next(others) for _ in slides]
    convergence = _convergence(rows)
    convergence.to_csv(table, float_format="%.6g")
    N = frames[slides[0]]
    per_area = PC_PER_M / N.areas[0]
    summary = (
        f"Lattice constant {N.reference_lattice_constant_A:g} Å, layer distance "
        f"{N.layer_distance_A:g} Å, rigid flat layers, PBE. P⊥ of the stacking N is "
        f"{1e3 * total_dipole(N)[2]:+.3f}·10⁻³ e·Å per cell, "
        f"{abs(total_dipole(N)[2]) * per_area:.3f} pC/m of one domain. "
        f"A label took {np.median([f.info['core_s'] for f in frames.values()]):.0f} core-seconds."
    )
    text = PAGE.format(
        title=html.escape(f"{of.name}: {of.title}"),
        summary=html.escape(summary),
        occupied=int(ds["occupied"]),
        gap=float(ds["gap"]),
        bands=_picture(ds),
        frames=len(frames),
        functions=_functions(of, frames.values()),
        convergence=convergence.rename_axis(None).to_html(border=0, float_format="{:.3f}".format),
        recipe=_recipe(read_netcdf(labels, "frame")),
    )
    Path(page).write_text(text, encoding="utf-8")


def _convergence(rows):
    table = []
    single = {name: np.array([frame.dipoles for frame in row]) for name, row in rows.items()}
    first = single["recipe"] - single["recipe"][-1]
    for name, row in rows.items():
        apart = single[name] - single[name][-1]
        table.append(
            {
                "recipe": name,
                "P⊥(N)": 1e3 * total_dipole(row[0])[2],
                "|P∥(A)|": 1e3 * np.linalg.norm(total_dipole(row[1])[:2]),
                "one site": 1e3 * np.abs(apart - first).max(),
            }
        )
    return pd.DataFrame(table).set_index("recipe")


def _functions(of, frames):
    """Table of the quality of the Wannier functions, worst of all labels."""
    infos = [frame.info for frame in frames]
    rows = [
        (
            "distance of a centre from its place (Å)",
            "centre_distance_A",
            max,
            "at most",
            of.audit.centre_distance_A,
        ),
        ("spread (Å²)", "spread_A2", max, "at most", of.audit.spread_A2),
        (
            "smallest singular value of the projections",
            "smallest_projection",
            min,
            "at least",
            MINIMUM_PROJECTION,
        ),
        (
            "smallest singular value of the overlaps",
            "smallest_singular_value",
            min,
            "at least",
            MINIMUM_SINGULAR_VALUE,
        ),
    ]
    table = pd.DataFrame(
        [
            {
                "quantity": words,
                "worst": f"{worst(info[key] for info in infos):.3f}",
                "limit": f"{relation} {limit:g}",
            }
            for words, key, worst, relation, limit in rows
        ]
    ).set_index("quantity")
    return table.rename_axis(None).to_html(border=0)


def _recipe(ds):
    settings = settings_from(ds)["recipe"]
    return (
        pd.DataFrame([{"setting": key, "value": str(value)} for key, value in settings.items()])
        .set_index("setting")
        .rename_axis(None)
        .to_html(border=0)
    )


def _picture(ds):
    figure, ax = new_figure(2.6)
    energy, occupied = ds["energy"].values, int(ds["occupied"])
    ax.plot(energy[:, :occupied], color=LAYER_COLORS[0], linewidth=0.8)
    ax.plot(energy[:, occupied:], color=LAYER_COLORS[1], linewidth=0.8)
    ends = np.linspace(0, len(energy) - 1, 4)
    ax.set(xlim=(0, len(energy) - 1), ylim=(-8, 6), ylabel="energy (eV)")
    ax.set_xticks(ends, ["Γ", "M", "K", "Γ"])
    with BytesIO() as file:
        figure.savefig(file, format="png", dpi=150)
        return b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(describe_material, globals().get("snakemake"))
