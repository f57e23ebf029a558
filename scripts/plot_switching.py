"""Domains of relaxed twisted bilayers in a vertical field (Fig. 5c)."""

from collections.abc import Sequence

import xarray as xr

from moirepol.physics.domains import share_up, spontaneous
from moirepol.physics.polarization import PC_PER_M
from moirepol.plotting import new_figure, save
from moirepol.structure.names import System
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

COLORS = ("tab:blue", "tab:red", "tab:green", "tab:purple")


def plot_switching(polarization_maps: Sequence[str], data: str, pdf: str, png: str) -> None:
    """Draw the area of the domains up and the net spontaneous polarization against the field.

    The uniform polarization that a field induces without moving a wall is left out.

    Parameters
    ----------
    polarization_maps
        Maps of relaxed bilayers in several fields.
    data, pdf, png
        The panel's NetCDF and pictures to write.
    """
    rows = []
    for path in polarization_maps:
        ds = read_netcdf(path, "P")
        system = System.parse(ds.attrs["system"])
        cell = ds["cell"].values
        # P is per pair of sites; a pair has the area of a primitive cell.
        area = abs(cell[0, 0] * cell[1, 1] - cell[0, 1] * cell[1, 0])
        pairs = system.n_atoms / 4
        P = spontaneous(ds)
        mean = float(P.mean()) * PC_PER_M * pairs / area
        rows.append(
            xr.Dataset(
                {
                    "area_up": ((), share_up(P), {"units": "1"}),
                    "net_P": ((), mean, {"units": "pC m-1"}),
                    "angle": ((), abs(system.twist_angle_deg), {"units": "degree"}),
                },
                coords={"field": system.field_V_per_A},
            )
        )
    shown = xr.concat(rows, dim="field")
    shown["field"].attrs.update(units="V/angstrom", long_name="vertical electric field")
    shown["area_up"].attrs["long_name"] = "share of the area of the domains with P_perp along +z"
    shown["net_P"].attrs["long_name"] = "net spontaneous out-of-plane polarization"
    shown["angle"].attrs["long_name"] = "twist angle"
    write_netcdf(stamp(shown, "Domains of relaxed bilayers in a field"), data)

    figure, (top, bottom) = new_figure(2.4, nrows=2, sharex=True)
    for color, angle in zip(COLORS, sorted(set(shown["angle"].values)), strict=False):
        part = shown.isel(field=shown["angle"].values == angle).sortby("field")
        style = {"color": color, "marker": "o", "markersize": 3, "label": f"{angle:.2f}°"}
        top.plot(10 * part["field"], part["area_up"], **style)
        bottom.plot(10 * part["field"], part["net_P"], **style)
    top.set(ylabel="share of\ndomains up")
    bottom.set(ylabel="net spontaneous\n" r"$P_\perp$ (pC/m)", xlabel="field (V/nm)")
    bottom.axhline(0, color="0.7", linewidth=0.5, zorder=0)
    top.legend()
    save(figure, pdf, png)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(plot_switching, globals().get("snakemake"))
