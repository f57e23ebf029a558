"""Compare symmetry copies of labels with direct labels of the same stackings."""

import xarray as xr

from moirepol.dft.agreement import largest_difference, require
from moirepol.errors import JobError
from moirepol.structure.frames import read_frames
from moirepol.structure.symmetry import symmetry_copies
from moirepol.workflow.provenance import stamp, write_netcdf


def check_copies(originals: str, direct: str, limit_eA: float, copies_check: str) -> None:
    """Compare labels of stackings with symmetry copies of other labels.

    Parameters
    ----------
    originals
        Label set with one stacking of each symmetry orbit.
    direct
        Label set of stackings that are equivalent by symmetry to stackings of `originals`.
    limit_eA
        Largest difference that is allowed, in e.A.
    copies_check
        NetCDF file to write: `difference_eA` by frame, the largest of all its components.

    Raises
    ------
    JobError
        If a stacking is not a symmetry copy, or if a difference exceeds the limit.
    """
    made = {
        copy.name: (copy, frame.name)
        for frame in read_frames(originals)
        if "_slide-" in frame.name
        for copy in symmetry_copies(frame)
    }
    frames = read_frames(direct)
    names = [frame.name for frame in frames]
    missing = [name for name in names if name not in made]
    if missing:
        raise JobError(f"{missing[0]} is no symmetry copy of an untwisted bilayer in {originals}")
    difference = [largest_difference(frame, made[frame.name][0]) for frame in frames]
    ds = xr.Dataset(
        {
            "difference_eA": ("frame", difference, {"units": "e.angstrom"}),
            "original": ("frame", [made[name][1] for name in names]),
        },
        coords={"frame": names},
    )
    title = "Direct labels of untwisted bilayers compared with symmetry copies"
    write_netcdf(stamp(ds, title, {"limit_eA": limit_eA}), copies_check)
    require(ds, limit_eA)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(check_copies, globals().get("snakemake"))
