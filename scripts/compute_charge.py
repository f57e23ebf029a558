"""Compute the topological charge of a polarization map around N and M."""

from moirepol.physics.charge import charge_of_map
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def compute_charge(
    polarization_map: str,
    charge: str,
    grids: list[int],
    zero_tolerance: float,
) -> None:
    """Compute charges by finite differences (Eq. 3), solid angles (Berg-Luscher) and the sign rule.

    Parameters
    ----------
    polarization_map
        The map, NetCDF.
    charge
        NetCDF file to write (`docs/data.md`).
    grids
        Grid points per cell vector, multiples of 6, for which Q is repeated.
    zero_tolerance
        Fraction of the largest |P| below which P counts as zero.

    Raises
    ------
    JobError
        If the map cannot be read, or if its cell has no G point at its origin.
    """
    ds = read_netcdf(polarization_map, "P", "point_x")
    out = charge_of_map(ds, grids, zero_tolerance)
    settings = {"grids": grids, "zero_tolerance": zero_tolerance}
    write_netcdf(stamp(out, f"Topological charge of {ds.attrs['system']}", settings), charge)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(compute_charge, globals().get("snakemake"))
