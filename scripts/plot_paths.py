"""Draw the polarization along G-N-C-M-G in vertical fields (Figs. 4a, 4d)."""

import numpy as np
import xarray as xr

from moirepol.errors import JobError
from moirepol.physics.polarization import DIAGONAL, ON_DIAGONAL, along_diagonal
from moirepol.plotting import DIPOLE, UNIT, colors_of, new_figure, save
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def plot_paths(polarization_maps: list[str], quantity: str, data: str, pdf: str, png: str):
    """Draw P_perp or |P_par| along the long diagonal of the cell, one line for each field.

    Parameters
    ----------
    polarization_maps
        Maps of one bilayer in several fields.
    quantity
        ``P_perp`` or ``P_par``.
    data, pdf, png
        NetCDF file and pictures of the panel to write.
    """
    maps = [read_netcdf(path, "P") for path in polarization_maps]
    bilayers = {
        System.parse(ds.attrs["system"]).model_copy(update={"field_V_per_A": 0.0}).name
        for ds in maps
    }
    if len(bilayers) > 1:
        raise JobError(f"{', '.join(sorted(bilayers))}: allowed is one bilayer in several fields")
    lines = [line_of(ds, quantity) for ds in maps]
    shown = xr.concat(lines, dim="field").sortby("field")
    shown["field"].attrs.update(units="V/angstrom", long_name="vertical electric field")
    write_netcdf(stamp(shown, f"{quantity} along {'-'.join(DIAGONAL)}"), data)

    values = UNIT * shown[quantity]
    symbol = {"P_perp": r"$P_\perp$", "P_par": r"$|P_\parallel|$"}[quantity]
    none = int(np.abs(shown["field"].values).argmin())
    parts = [(symbol, values)]
    if quantity == "P_par":  # hardly depends on the field, so its change is drawn below
        parts = [
            (symbol, values.isel(field=[none])),
            (f"change of\n{symbol}", values - values.isel(field=none)),
        ]
    figure, axes = new_figure(2.5, nrows=len(parts), sharex=True, squeeze=False)
    colors = dict(zip(shown["field"].values, colors_of(shown.sizes["field"]), strict=True))
    for ax, (words, part) in zip(axes[:, 0], parts, strict=True):
        for field in part["field"].values:
            label = f"{field:+.2f}".replace("-", "\N{MINUS SIGN}") if field else "0"
            distance = shown["distance"].sel(field=field)
            ax.plot(distance, part.sel(field=field), color=colors[field], label=label)
        ax.set_ylabel(f"{words} ({DIPOLE})")
        ax.axhline(0, color="black", linewidth=0.5, zorder=0)
    last = axes[-1, 0]
    places = np.array(ON_DIAGONAL) * float(shown["distance"].max())
    last.set_xticks(places, DIAGONAL)
    for ax in axes[:, 0]:
        for place in places:
            ax.axvline(place, color="0.8", linewidth=0.5, zorder=0)
        ax.margins(x=0)
    handles = last.get_legend_handles_labels()
    title = "field along\n+z (V/Å)"
    figure.legend(*handles, title=title, loc="outside right center", handlelength=1.2)
    save(figure, pdf, png)


def line_of(ds: xr.Dataset, quantity: str) -> xr.Dataset:
    """Return quantity and distance (step,) along the diagonal of the cell, G-N-C-M-G."""
    line, places = along_diagonal(ds, ds["P"].values)
    values = line[2] if quantity == "P_perp" else np.linalg.norm(line[:2], axis=0)
    distance = np.linalg.norm(places - places[0], axis=1)
    return xr.Dataset(
        {
            quantity: ("step", values, {"units": "e.angstrom"}),
            "distance": ("step", distance, {"units": "angstrom"}),
        },
        coords={"field": System.parse(ds.attrs["system"]).field_V_per_A},
    )


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_paths, globals().get("snakemake"))
