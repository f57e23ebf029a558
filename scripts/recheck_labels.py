"""Compute one random label of a set again, and compare."""

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import xarray as xr

from moirepol.console import say
from moirepol.dft.agreement import largest_difference, require
from moirepol.dft.label_file import label_frame
from moirepol.errors import JobError
from moirepol.structure.frames import read_frames
from moirepol.workflow.label_sets import settings_from
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf


def recheck_labels(
    labels: str,
    seed: int,
    maximum_atoms: int,
    limit_eA: float,
    scratch: str,
    recheck: str,
    title: str,
    threads: int = 1,
) -> None:
    """Label one frame of a set again with the settings of the set.

    Parameters
    ----------
    labels
        The label set.
    seed, title
        Seed and name of the set. Both decide which frame is drawn.
    maximum_atoms
        Largest frame that may be drawn, in atoms.
    limit_eA
        Largest difference that is allowed, in e.A.
    scratch
        Folder for the programs' files.
    recheck
        NetCDF file to write: `difference_eA` of the frame, the largest of all dipole components.
    threads
        MPI processes.

    Raises
    ------
    JobError
        If no frame is small enough, if the label is rejected, or if the difference is too large.
    """
    frames = [frame for frame in read_frames(labels) if len(frame) <= maximum_atoms]
    if not frames:
        raise JobError(f"set {title} has no frame of at most {maximum_atoms} atoms")
    frame = random.Random(f"{title} {seed}").choice(frames)
    name = frame.name
    with TemporaryDirectory() as folder:
        again = Path(folder) / "label.nc"
        label_frame(name, settings_from(read_netcdf(labels)), scratch, again, threads)
        difference = largest_difference(frame, read_frames(again)[0])
    say(f"{title}: {name} computed again differs by {difference:.1e} e.A at most")
    ds = xr.Dataset(
        {"difference_eA": ("frame", [difference], {"units": "e.angstrom"})},
        coords={"frame": [name]},
    )
    settings = {"seed": seed, "limit_eA": limit_eA}
    write_netcdf(stamp(ds, f"A label of set {title}, computed again", settings), recheck)
    require(ds, limit_eA)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(recheck_labels, globals().get("snakemake"))
