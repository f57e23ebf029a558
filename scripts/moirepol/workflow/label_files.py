"""Files of label sets: checksums, and collection of frames in one file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moirepol.dft.audit import AUDIT_UNITS, check
from moirepol.errors import JobError
from moirepol.structure.frames import read_frames, to_dataset
from moirepol.workflow.label_sets import CHECKSUMS, digest
from moirepol.workflow.provenance import read_netcdf, sha256, stamp, write_netcdf


def collect_labels(
    frames: Sequence[str],
    settings: Mapping[str, Any],
    labels: str | Path,
    computed: Sequence[str] = (),
    shipped: str | Path | None = None,
    title: str = "labels",
) -> None:
    """Write a label set from single frames and from the set that ships.

    Parameters
    ----------
    frames
        Names of the frames, in the order of the set.
    settings
        The settings that all frames must have been made with.
    labels
        NetCDF file to write.
    computed
        Files of single frames.
    shipped
        A set that the other frames come from. Its SHA-256 must be listed beside it.
    title
        Name of the set.

    Raises
    ------
    JobError
        If a frame is missing, fails its audit, or was made with other settings or pseudopotentials.
    """
    found = {}
    files: list[str | Path] = list(computed)
    if shipped:
        verify_checksum(Path(shipped))
        files.insert(0, shipped)
    wanted = digest(settings)
    pseudopotentials = None
    for file in files:
        ds = read_netcdf(file)
        if ds.attrs.get("settings_digest") != wanted:
            raise JobError(f"{file} was made with other settings; remove it to make it again")
        pseudopotentials = pseudopotentials or ds.attrs["pseudopotentials_sha256"]
        if ds.attrs["pseudopotentials_sha256"] != pseudopotentials:
            raise JobError(
                f"{file} was made with other pseudopotential files than {files[0]}; "
                "remove one of them to make it again"
            )
        for frame in read_frames(file):
            check(frame)
            found[frame.name] = frame
    missing = [frame for frame in frames if frame not in found]
    if missing:
        raise JobError(f"{len(missing)} frames are missing, the first is {missing[0]}")
    ds = to_dataset([found[frame] for frame in frames], units=AUDIT_UNITS)
    ds = stamp(ds, f"DFT labels, set {title}", settings)
    ds = ds.assign_attrs(settings_digest=wanted, pseudopotentials_sha256=pseudopotentials)
    write_netcdf(ds, labels)


def verify_checksum(path: Path) -> None:
    """Check that a shipped file is the one that its folder's table lists.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    JobError
        If it is absent or has another checksum.
    """
    table = path.parent / CHECKSUMS
    listed = table.read_text().splitlines() if table.is_file() else []
    if not path.is_file() or f"{sha256(path)}  {path.name}" not in listed:
        raise JobError(f"{path} is not the file that {table} lists: restore it from the repository")
