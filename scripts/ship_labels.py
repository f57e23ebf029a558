"""Ship finished labels: gather whatever is done into resources/labels, with checksums."""

import csv
from pathlib import Path

from collect_labels import collect_labels
from moirepol.frames import read_frames
from moirepol.job import say
from moirepol.provenance import read_netcdf, sha256
from moirepol.sets import CHECKSUMS, INDEX, digest


def ship_labels(sets, computed_folder, shipped_folder):
    """Merge finished frames with what ships already; an unfinished set ships what it has.

    sets : name -> {"frames": [...], "recipe": name, "settings": {...}}.
    computed_folder : holds <recipe>/<frame>.nc. shipped_folder : gets <set>.nc, the index of all
    frames and the table of checksums.
    """
    folder = Path(shipped_folder)
    for name, label_set in sets.items():
        shipped = folder / f"{name}.nc"
        wanted = digest(label_set["settings"])
        have = set()
        if shipped.is_file() and read_netcdf(shipped).attrs["settings_digest"] == wanted:
            have = {frame.info["name"] for frame in read_frames(shipped)}
        files = {
            frame: Path(computed_folder) / label_set["recipe"] / f"{frame}.nc"
            for frame in label_set["frames"]
        }
        computed = [
            str(file)
            for frame, file in files.items()
            if frame not in have
            and file.is_file()
            and read_netcdf(file).attrs["settings_digest"] == wanted
        ]
        if computed:
            have |= {Path(file).stem for file in computed}
            done = [frame for frame in label_set["frames"] if frame in have]
            collect_labels(
                done,
                label_set["settings"],
                shipped,
                computed,
                str(shipped) if have - {Path(f).stem for f in computed} else None,
                name,
            )
            _write_tables(folder)
        say(f"{name}: {len(have)} of {len(label_set['frames'])} frames, {len(computed)} new")


def _write_tables(folder):
    rows, sums = [], []
    for file in sorted(folder.glob("*.nc")):
        ds = read_netcdf(file)
        rows += [(file.stem, frame, ds.attrs["settings_digest"]) for frame in ds["frame"].values]
        sums.append(f"{sha256(file)}  {file.name}")
    with open(folder / INDEX, "w", newline="") as table:
        csv.writer(table).writerows([("set", "frame", "digest"), *rows])
    (folder / CHECKSUMS).write_text("\n".join(sums) + "\n")


if __name__ == "__main__":
    from moirepol.job import run

    run(ship_labels, globals().get("snakemake"))
