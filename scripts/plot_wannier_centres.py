"""Draw the Wannier centres and dipoles of the layers of three stackings (Fig. 1e)."""

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from moirepol.dft.trial_functions import bonds_of_sites
from moirepol.errors import JobError
from moirepol.plotting import DIPOLE, LAYER_COLORS, UNIT, new_figure, save
from moirepol.structure.conventions import LAYERS
from moirepol.structure.frames import read_frames
from moirepol.workflow.provenance import stamp, write_netcdf

#: Name in the paper -> frame. The paper leaves tau_0 open; taken is N above B, as in the bulk.
STACKINGS = {
    "{E|G}": "AA_slide-0-0-1",
    "{E|N}": "AA_slide-1-1-3",
    r"{I|\tau_0}": "AAp_slide-0-0-1",
}
CENTRE, CENTROID = "tab:green", "black"
LEGEND = {"ncols": 4, "columnspacing": 1.2, "handletextpad": 0.1}


def plot_wannier_centres(parallel: str, antiparallel: str, data: str, pdf: str, png: str):
    """Draw a site of each layer with its bonds and Wannier centres, and below it the dipoles.

    The view is along x. y is relative to the N atom of the lower layer, z relative to the layer.

    Parameters
    ----------
    parallel, antiparallel
        Label sets with the translated bilayers of `STACKINGS`.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    frames = {f.name: f for path in (parallel, antiparallel) for f in read_frames(path)}
    if missing := sorted(set(STACKINGS.values()) - set(frames)):
        raise JobError(f"{parallel}, {antiparallel}: no label of {', '.join(missing)}")
    parts = [pair_of_sites(frames[name]) for name in STACKINGS.values()]
    shown = xr.concat(parts, "stacking").assign_coords(
        stacking=list(STACKINGS), layer=list(LAYERS), component=["x", "y", "z"]
    )
    shown["system"] = "stacking", list(STACKINGS.values())
    write_netcdf(stamp(shown, "Wannier centres and dipoles of the layers"), data)

    figure, axes = new_figure(
        3.4, nrows=3, ncols=len(STACKINGS), sharex="row", sharey="row", height_ratios=[1, 1, 1.2]
    )
    figure.get_layout_engine().set(w_pad=0.02, wspace=0.0, h_pad=0.03, hspace=0.0)
    for column, name in zip(axes.T, STACKINGS, strict=True):
        one = shown.sel(stacking=name)
        column[0].set_title(f"${name}$".replace("{", r"\{").replace("}", r"\}"))
        for ax, layer in zip(column[:2], (1, 0), strict=True):
            draw_site(ax, one.isel(layer=layer), LAYER_COLORS[layer])
        column[0].tick_params(labelbottom=False)
        column[1].set_xlabel(r"$y$ ($\AA$)")
        draw_dipoles(column[2], UNIT * one["dipole"].sel(component="z").values)
    reach = 1.15 * UNIT * float(np.abs(shown["wannier_centre"].sel(component="z")).max())
    for ax, layer in zip(axes[:2, 0], LAYERS[::-1], strict=True):
        ax.set(xlim=(-2.6, 2.6), ylim=(-reach, reach), xticks=[-2, 0, 2], yticks=[-4, 0, 4])
        ax.set_ylabel(f"{layer} layer\n" + r"$z$ ($10^{-3}\,\AA$)")
    largest = UNIT * float(np.abs(shown["dipole"]).max())
    axes[2, 0].set(xlim=(-0.55, 2.55), ylim=(-1.45 * largest, 1.45 * largest))
    axes[2, 0].set_ylabel(f"$p_z$ ({DIPOLE})")
    figure.align_ylabels(axes[:, 0])
    material = frames[next(iter(STACKINGS.values()))].material
    figure.legend(handles=legend_handles(material), loc="outside upper center", **LEGEND)
    save(figure, pdf, png)


def pair_of_sites(atoms) -> xr.Dataset:
    """Return one N of each layer with its bonds and centres, both N in one mirror plane.

    Positions are in A, x and y from the lower N, z from the plane of the layer.
    """
    order = np.argsort(atoms.site_layers)
    chosen, bonds = atoms.sites[order], bonds_of_sites(atoms)[order]
    sites = atoms.positions[chosen] - atoms.positions[chosen[0]]
    images = sites[1, :2] + (np.array(list(np.ndindex(5, 5))) - 2) @ atoms.cell.array[:2, :2]
    x, y = np.abs(images.round(6)).T
    sites[1, :2] = images[np.lexsort((y, x))[0]]
    sites[:, 2] = 0.0
    centres = atoms.arrays["wannier_centre"] - atoms.positions[:, None]
    about = {"units": "angstrom"}
    return xr.Dataset(
        {
            "site_place": (("layer", "component"), sites, about),
            "bonded_place": (("layer", "bond", "component"), sites[:, None] + bonds, about),
            "wannier_centre": (
                ("layer", "centre", "component"),
                sites[:, None] + centres[chosen],
                about | {"long_name": "Wannier centres that are assigned to the N atom"},
            ),
            "dipole": (
                ("layer", "component"),
                atoms.arrays["dipole"][chosen],
                {"units": "e.angstrom", "long_name": "dipole of the N atom, Eq. (1)"},
            ),
        }
    )


def draw_site(ax, site, color):
    """Draw a site with its bonds, its Wannier centres and their centroid, seen along x."""
    ax.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    y, _ = site["site_place"].values[1:]
    for end in site["bonded_place"].values[:, 1]:
        ax.plot([y, end], [0, 0], color=color, zorder=1)
    ax.plot(
        site["bonded_place"][:, 1],
        0 * site["bonded_place"][:, 1],
        "o",
        color=color,
        markerfacecolor="white",
        ms=4,
    )
    ax.plot(y, 0, "o", color=color, markersize=4.5)
    centres = site["wannier_centre"].values * [1, 1, UNIT]
    ax.plot(*centres[:, 1:].T, "o", color=CENTRE, markersize=3, markeredgewidth=0, zorder=3)
    ax.plot(*centres[:, 1:].mean(axis=0), "_", color=CENTROID, markersize=9, zorder=4)


def draw_dipoles(ax, p):
    """Draw arrows from zero to p_z of both layers and to their sum, with values."""
    ax.axhline(0, color="0.8", linewidth=0.6, zorder=0)
    values, colors = (*p, p.sum()), (*LAYER_COLORS, "black")
    for x, (value, color) in enumerate(zip(values, colors, strict=True)):
        if abs(value) < 0.05:
            value = 0.0
            ax.plot(x, 0, "o", color=color, markersize=3)
        else:
            style = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (x, value), (x, 0), arrowprops=style | {"mutation_scale": 7})
        up = value >= 0
        ax.annotate(
            f"{value:.1f}".replace("-", "\N{MINUS SIGN}"),
            (x, value),
            (0, 2.5 if up else -2.5),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=6,
            color=color,
        )
    ax.set_xticks(range(3), ["lower", "upper", "sum"], fontsize=6)
    ax.tick_params(axis="x", length=0)


def legend_handles(material):
    """Return the keys of dipole site, bonded atom, Wannier centre and centroid."""
    grey = {"linestyle": "none", "color": "0.4"}
    return [
        Line2D([], [], marker="o", ms=4.5, label=material.dipole_site.species, **grey),
        Line2D(
            [],
            [],
            marker="o",
            ms=4,
            markerfacecolor="white",
            label=material.dipole_site.bonded.species,
            **grey,
        ),
        Line2D([], [], marker="o", ms=3, ls="none", color=CENTRE, label="Wannier centre"),
        Line2D([], [], marker="_", ms=9, ls="none", color=CENTROID, label="their centroid"),
    ]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_wannier_centres, globals().get("snakemake"))
