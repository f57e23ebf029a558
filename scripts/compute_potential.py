"""Compute the electrostatic potential above a moire bilayer."""

from collections.abc import Mapping, Sequence
from typing import Any

from moirepol.physics.long_range import read_polarizabilities
from moirepol.physics.potential import NEEDED, Surroundings, potential_of_map
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def compute_potential(
    polarization_map: str,
    settings: Mapping[str, Any],
    potential: str,
    polarizability: str | Sequence[str] = (),
) -> None:
    """Write the potential at some heights above a bilayer, on the grid of its map.

    Parameters
    ----------
    polarization_map
        Map of the bilayer (NetCDF).
    settings
        The settings ``potential`` of the configuration.
    potential
        NetCDF file to write, in mV.
    polarizability
        File of `compute_polarizability`. Without it the dipoles do not respond to a substrate.
    """
    responses = read_polarizabilities(polarizability)
    ds = read_netcdf(polarization_map, *NEEDED)
    heights = settings["heights_A"]
    phi = potential_of_map(ds, responses, heights, Surroundings.from_settings(settings))
    result = ds[["cell", "u", "v", "x", "y"]].assign_coords(
        height=("height", heights, {"units": "angstrom", "long_name": _meaning(settings)})
    )
    words = "potential; positive above a polarization that points up"
    result["phi"] = ("height", "i", "j"), phi, {"units": "mV", "long_name": words}
    result.attrs = {
        key: ds.attrs[key] for key in ("system", "space", "beyond_labels") if key in ds.attrs
    }
    title = f"Potential above {ds.attrs['system']}"
    write_netcdf(stamp(result, title, {"potential": dict(settings)}), potential)


def _meaning(settings):
    start = "surface of the cover" if settings.get("cover") else "atoms of the uppermost layer"
    return f"height above the {start}"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compute_potential, globals().get("snakemake"))
