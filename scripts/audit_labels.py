"""Audit one set of labels, frame by frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from moirepol.dft.audit import AUDIT_UNITS, fault, total_dipole
from moirepol.structure.frames import read_frames
from moirepol.workflow.label_files import verify_checksum
from moirepol.workflow.label_sets import CHECKSUMS, REJECTED
from moirepol.workflow.provenance import read_netcdf, stamp, write_netcdf

KEPT = (*AUDIT_UNITS, "scf_iterations", "largest_singular_value", "smallest_singular_value")
KEPT = (*KEPT, "smallest_projection", "mesh_1", "mesh_2")


def audit_labels(
    labels: str, frames: Sequence[str], recipe_folder: str, audit: str, title: str = "labels"
) -> None:
    """Write the audit of a label set, one entry for each frame, labelled or not.

    Parameters
    ----------
    labels
        File of the label set.
    frames
        Names of the frames that the set should contain.
    recipe_folder
        Folder of single frames, with the reasons for rejected ones.
    audit
        NetCDF file to write. It contains the audit numbers of the labels (NaN without a label),
        the `state` (converged, missing or the reason of a rejection) and `dipole_z_eA`, the summed
        dipole of a cell. `density_difference_eA` and `qe_difference_eA` are the differences of
        that dipole from the dipole of the density and from the one that pw.x reports, per pair of
        N atoms.
    title
        Name of the set.

    Raises
    ------
    JobError
        If the file cannot be read, or if a shipped file is not the listed one.
    """
    if (Path(labels).parent / CHECKSUMS).is_file():
        verify_checksum(Path(labels))
    found = {frame.name: frame for frame in read_frames(labels)}
    ds = xr.Dataset(coords={"frame": list(frames)})
    ds["state"] = "frame", [_state(name, found.get(name), recipe_folder) for name in frames]
    ds["n_atoms"] = "frame", [len(found.get(name, ())) for name in frames]
    infos = [found[name].info if name in found else {} for name in frames]
    for name in KEPT:
        values = np.array([info.get(name, np.nan) for info in infos], dtype=float)
        ds[name] = "frame", values, {"units": AUDIT_UNITS.get(name, "1")}
    total = [total_dipole(found[name])[2] if name in found else np.nan for name in frames]
    ds["dipole_z_eA"] = "frame", total, {"units": "e.angstrom"}
    for kind in ("density", "qe"):
        difference = abs(ds["dipole_z_eA"] - ds[f"{kind}_dipole_eA"]) * 4 / ds["n_atoms"].clip(4)
        ds[f"{kind}_difference_eA"] = difference.assign_attrs(units="e.angstrom")
    source = read_netcdf(labels).attrs
    ds = stamp(ds, f"Audit of the DFT labels of set {title}")
    kept = {key: source[key] for key in ("settings_digest", "settings", "pseudopotentials_sha256")}
    write_netcdf(ds.assign_attrs(kept), audit)


def _state(name, frame, recipe_folder):
    if frame is not None:
        return fault(frame) or "converged"
    rejected = Path(recipe_folder) / f"{name}{REJECTED}"
    return rejected.read_text().strip() if rejected.is_file() else "missing"


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(audit_labels, globals().get("snakemake"))
