"""P_perp of rigid and relaxed moire bilayers side by side (Fig. 5a)."""

from collections.abc import Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.physics.polarization import resample
from moirepol.plotting import DIPOLE, STYLE, UNIT, draw_field, save, window
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

WIDTH_INCHES = 7.0
PIXELS = 200
#: Nodes of the data along each cell vector.
NODES = 120


def plot_relaxed_maps(polarization_maps: Sequence[str], data: str, pdf: str, png: str) -> None:
    """Draw maps in two rows on one colour scale: rigid above, relaxed below.

    Parameters
    ----------
    polarization_maps
        Maps of pairs: a rigid bilayer, then the same one relaxed.
    data, pdf, png
        The panel's NetCDF and pictures to write.

    Raises
    ------
    JobError
        If the maps are not such pairs.
    """
    maps = [read_netcdf(path, "P") for path in polarization_maps]
    systems = [System.parse(ds.attrs["system"]) for ds in maps]
    for rigid, relaxed in zip(systems[::2], systems[1::2], strict=True):
        if rigid.model_copy(update={"relaxed": True}) != relaxed or rigid == relaxed:
            raise JobError(f"{rigid.name}, {relaxed.name}: allowed are a rigid and its relaxed one")
    columns = len(maps) // 2
    largest = max(float(np.abs(ds["P"].sel(component="z")).max()) for ds in maps)
    matplotlib.rcParams.update(STYLE)
    height = WIDTH_INCHES / columns * 1.5 + 0.55
    figure, axes = plt.subplots(2, columns, figsize=(WIDTH_INCHES, height), squeeze=False)
    shown = []
    for number, (ds, system) in enumerate(zip(maps, systems, strict=True)):
        column, row = divmod(number, 2)
        ax = axes[row, column]
        (left, right), (bottom, top) = window(ds["cell"].values)
        ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
        P = ds["P"].sel(component="z", drop=True)
        draw_field(
            ax, ds, UNIT * P.values, None, limits=(-UNIT * largest, UNIT * largest), pixels=PIXELS
        )
        length = float(np.linalg.norm(ds["cell"].values[0])) / 10
        if row == 0:
            ax.set_title(f"{abs(system.twist_angle_deg):.2f}°\nperiod {length:.1f} nm")
        shown.append(resample(P.values, NODES))
    for row, word in enumerate(("rigid", "relaxed")):
        axes[row, 0].set_ylabel(word)
    figure.colorbar(
        axes[0, 0].images[0], ax=axes, label=rf"$P_\perp$ ({DIPOLE})", shrink=0.8, pad=0.01
    )
    both = xr.Dataset(
        {
            "P_perp": (
                ("system", "i", "j"),
                np.array(shown),
                {"units": "e.angstrom", "long_name": "out-of-plane polarization per N pair"},
            )
        },
        coords={"system": [system.name for system in systems]},
    )
    write_netcdf(stamp(both, "P_perp of rigid and relaxed bilayers"), data)
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_relaxed_maps, globals().get("snakemake"))
