"""Copy all finished labels into the shipped label sets, with checksums."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moirepol.console import say
from moirepol.structure.frames import read_frames
from moirepol.workflow.label_files import collect_labels, verify_checksum
from moirepol.workflow.label_sets import CHECKSUMS, INDEX, digest
from moirepol.workflow.provenance import read_netcdf, sha256


def ship_labels(
    sets: Mapping[str, Mapping[str, Any]], computed_folder: str, shipped_folder: str
) -> None:
    """Merge finished frames with the shipped ones. An unfinished set ships its finished frames.

    Frames that a set no longer names are dropped. The new checksum of a set is written before the
    set is replaced. After an interruption, the table of checksums therefore lists every set.

    Parameters
    ----------
    sets
        Name -> {"frames": [...], "recipe": name, "settings": {...}}.
    computed_folder
        Folder with <recipe>/<frame>.nc.
    shipped_folder
        Folder of <set>.nc, the index of all frames and the table of checksums.

    Raises
    ------
    JobError
        If a shipped set differs from its checksum, or if a frame cannot be read.
    """
    folder = Path(shipped_folder)
    for left in folder.glob("*.new-*"):
        left.unlink()
    for file in _shipped(folder):
        verify_checksum(file)
    for name, label_set in sets.items():
        shipped = folder / f"{name}.nc"
        wanted = digest(label_set["settings"])
        had = set()
        if shipped.is_file() and read_netcdf(shipped, "frame").attrs["settings_digest"] == wanted:
            had = {frame.name for frame in read_frames(shipped)}
        have = had & set(label_set["frames"])
        files = {
            frame: Path(computed_folder) / label_set["recipe"] / f"{frame}.nc"
            for frame in label_set["frames"]
        }
        computed = [
            str(file)
            for frame, file in files.items()
            if frame not in have
            and file.is_file()
            and read_netcdf(file, "frame").attrs["settings_digest"] == wanted
        ]
        dropped = had - have
        merged = [frame for frame in label_set["frames"] if frame in have | _names(computed)]
        if merged and (computed or dropped):
            new = folder / f".new-{name}.nc"
            kept = str(shipped) if have else None
            collect_labels(merged, label_set["settings"], new, computed, kept, name)
            sums = folder / CHECKSUMS
            listed = sums.read_text() if sums.is_file() else ""
            _replace(sums, f"{listed}{sha256(new)}  {shipped.name}\n")
            os.replace(new, shipped)
        say(
            f"{name}: {len(merged)} of {len(label_set['frames'])} frames, {len(computed)} new, "
            f"{len(dropped)} dropped"
        )
    _write_tables(folder)


def _shipped(folder):
    return sorted(folder.glob("[!.]*.nc"))


def _names(files):
    return {Path(file).stem for file in files}


def _write_tables(folder):
    rows, sums = [("set", "frame", "digest")], ""
    for file in _shipped(folder):
        ds = read_netcdf(file)
        rows += [(file.stem, frame, ds.attrs["settings_digest"]) for frame in ds["frame"].values]
        sums += f"{sha256(file)}  {file.name}\n"
    index = io.StringIO()
    csv.writer(index).writerows(rows)
    _replace(folder / INDEX, index.getvalue())
    _replace(folder / CHECKSUMS, sums)


def _replace(path, text):
    """Replace a text file in one step, if its content changes."""
    if path.is_file() and path.read_bytes() == text.encode():
        return
    new = path.with_name(f".new-{path.name}")
    new.write_text(text, newline="")
    os.replace(new, path)


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(ship_labels, globals().get("snakemake"))
