"""In-plane polarization across a domain wall, by contribution (Fig. 5d)."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from moirepol.physics.polarization import along_diagonal
from moirepol.plotting import DIPOLE, UNIT, new_figure, save
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

FRACTIONS = np.linspace(0, 1, 241)
#: Lines: the terms that each of them contains.
LINES = {
    "sliding": (("local stacking", "heights"), "tab:blue"),
    "piezoelectric": (("displacement gradient", "relaxed ions"), "tab:orange"),
    "long range": (("long range",), "tab:green"),
    "total": (None, "black"),
}


def plot_walls(terms: Sequence[str], data: str, pdf: str, png: str) -> None:
    """Draw the component of P_par across the wall along the path G-N-C-M-G.

    Parameters
    ----------
    terms
        Files of `decompose_map`.
    data, pdf, png
        The panel's NetCDF and pictures to write.
    """
    files = [read_netcdf(path, "P") for path in terms]
    shown = []
    for ds in files:
        P = ds["P"].sum("layer").transpose("term", "component", "i", "j")
        line, places = along_diagonal(ds, P.values)
        direction = (places[-1] - places[0]) / np.linalg.norm(places[-1] - places[0])
        across = line[:, 0] * direction[0] + line[:, 1] * direction[1]
        along = line[:, 1] * direction[0] - line[:, 0] * direction[1]
        # The larger of the two components is drawn.
        part = (
            across if np.abs(across.sum(axis=0)).max() > np.abs(along.sum(axis=0)).max() else along
        )
        distance = np.linalg.norm(places - places[0], axis=1)
        shown.append([np.interp(FRACTIONS, distance / distance[-1], values) for values in part])
    both = xr.Dataset(
        {
            "P_par": (
                ("system", "term", "step"),
                np.array(shown),
                {"units": "e.angstrom", "long_name": "component of the in-plane polarization"},
            ),
            "fraction": (
                "step",
                FRACTIONS,
                {"units": "1", "long_name": "place along G-N-C-M-G, fraction of its length"},
            ),
        },
        coords={"system": [ds.attrs["system"] for ds in files], "term": files[0]["term"].values},
    )
    write_netcdf(stamp(both, "In-plane polarization along G-N-C-M-G by contribution"), data)

    figure, axes = new_figure(1.1 * len(files) + 0.3, nrows=len(files), sharex=True, squeeze=False)
    for ax, name in zip(axes[:, 0], both["system"].values, strict=True):
        own = both.sel(system=name)
        for word, (included, color) in LINES.items():
            chosen = own if included is None else own.sel(term=list(included))
            ax.plot(own["fraction"], UNIT * chosen["P_par"].sum("term"), color=color, label=word)
        system = System.parse(str(name))
        ax.set_title(
            f"{system.family.replace('p', chr(0x2032))}, {abs(system.twist_angle_deg):.2f}°"
        )
        ax.set_ylabel(rf"$P_\parallel$ ({DIPOLE})")
        ax.axhline(0, color="0.7", linewidth=0.5, zorder=0)
        ax.margins(x=0)
    axes[-1, 0].set_xticks([0, 1 / 3, 1 / 2, 2 / 3, 1], ["G", "N", "C", "M", "G"])
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        *handles, ncols=4, loc="outside upper center", handlelength=1.2, columnspacing=1.2
    )
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_walls, globals().get("snakemake"))
