"""Structures with a dipole on every N: one NetCDF layout for labels, data sets and predictions.

The atoms of all frames are stored one after the other (CF contiguous ragged array, ``n_atoms`` per
frame). A frame in memory is a `Bilayer` as `building.build` makes it, with ``arrays['dipole']``
(n, 3) in e.angstrom, NaN on B, and any further array of `ATOM_ARRAYS`. Every plain number or string
in ``info`` is stored as a variable of the frame, except `NOT_STORED`. It is NaN or empty for frames
of the file without it.
"""

import json
import numbers
from pathlib import Path

import numpy as np
import xarray as xr
from ase import Atoms

from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.workflow.provenance import read_netcdf

#: name -> (further dimensions, unit, long name)
ATOM_ARRAYS = {
    "layer": ((), "1", "layer of the atom: 0 lower, 1 upper"),
    "displacement": (("component",), "angstrom", "displacement of the atom from the mean lattice"),
    "local_stacking": (("vector",), "1", "local stacking, in fractions of a1 and a2"),
    "local_lattice": (
        ("layer", "vector", "xy"),
        "angstrom",
        "local primitive vectors of each layer",
    ),
    "local_distance": ((), "angstrom", "local layer distance"),
    "dipole": (("component",), "e.angstrom", "dipole of the N atom, Eq. (1)"),
    "dipole_error": (
        ("component",),
        "e.angstrom",
        "standard deviation of the dipole over the committee",
    ),
    "dipole_short_range": (
        ("component",),
        "e.angstrom",
        "dipole of the N atom without the field of the others",
    ),
    "force": (("component",), "eV/angstrom", "force on the atom, with dispersion"),
    "dipole_member": (
        ("member", "component"),
        "e.angstrom",
        "dipole of the N atom by each member of the committee",
    ),
    "wannier_centre": (
        ("centre", "component"),
        "angstrom",
        "Wannier centres that are assigned to the N atom",
    ),
    "wannier_spread": (("centre",), "angstrom2", "spread of the Wannier functions of the N atom"),
}
#: Arrays whose variable has another name in files, where `layer` is a dimension.
FILE_NAMES = {"layer": "atom_layer"}
#: Values of ``info`` that another part of the file determines.
NOT_STORED = ("name", "image_distance_A")
INFO_ARRAYS = {
    "layer_cell": (
        ("layer", "vector", "xy"),
        "angstrom",
        "primitive in-plane vectors of each layer",
    ),
    "layer_origin": (("layer", "xy"), "angstrom", "a hexagon centre of each layer"),
}


def to_dataset(frames: list[Bilayer], units: dict[str, str] | None = None) -> xr.Dataset:
    """Pack frames into a data set.

    Parameters
    ----------
    frames
        The frames.
    units
        Units of scalar ``info`` values: name -> unit. By default the ending of the name gives the
        unit.

    Returns
    -------
    xr.Dataset
        Data set of this layout.
    """
    ds = xr.Dataset(coords={"frame": [frame.name for frame in frames]})
    ds["n_atoms"] = "frame", [len(frame) for frame in frames]
    ds["n_atoms"].attrs.update(sample_dimension="atom", long_name="atoms of the frame")
    cells = np.array([np.asarray(frame.cell) for frame in frames])
    ds["cell"] = ("frame", "vector3", "component"), cells
    ds["cell"].attrs.update(units="angstrom", long_name="cell vectors")
    ds["number"] = "atom", np.concatenate([frame.numbers for frame in frames])
    ds["number"].attrs.update(long_name="atomic number")
    ds["position"] = ("atom", "component"), np.concatenate([frame.positions for frame in frames])
    ds["position"].attrs.update(units="angstrom", long_name="Cartesian position")
    for name, (dims, unit_of_array, long_name) in ATOM_ARRAYS.items():
        if all(name in frame.arrays for frame in frames):
            values = np.concatenate([frame.arrays[name] for frame in frames])
            variable = FILE_NAMES.get(name, name)
            ds[variable] = ("atom", *dims), values, {"units": unit_of_array, "long_name": long_name}
    for name, (dims, unit_of_array, long_name) in INFO_ARRAYS.items():
        values = np.array([frame.info[name] for frame in frames])
        ds[name] = ("frame", *dims), values, {"units": unit_of_array, "long_name": long_name}
    scalars = {
        name: "" if isinstance(value, str) else np.nan
        for frame in frames
        for name, value in frame.info.items()
        if isinstance(value, str | numbers.Real) and name not in NOT_STORED
    }
    for name, absent in scalars.items():
        ds[name] = "frame", np.array([frame.info.get(name, absent) for frame in frames])
        unit: str | None = (units or {}).get(name)
        if unit is None and name.endswith("_V_per_A"):
            unit = "V/angstrom"
        elif unit is None and name.endswith("_A"):
            unit = "angstrom"
        if unit:
            ds[name].attrs["units"] = unit
    return ds.assign_coords(component=["x", "y", "z"])


def from_dataset(ds: xr.Dataset) -> list[Bilayer]:
    """Unpack the frames of a data set of `to_dataset`.

    Parameters
    ----------
    ds
        Data set of this layout.

    Returns
    -------
    list of Bilayer
        The frames.
    """
    ends = np.cumsum(ds["n_atoms"].values)
    scalars = [name for name in ds.data_vars if ds[name].dims == ("frame",) and name != "n_atoms"]
    frames = []
    for index, (name, end) in enumerate(zip(ds["frame"].values, ends, strict=True)):
        atoms = slice(end - int(ds["n_atoms"][index]), end)
        frame = Atoms(
            numbers=ds["number"].values[atoms],
            positions=ds["position"].values[atoms],
            cell=ds["cell"].values[index],
            pbc=True,
        )
        for array in ATOM_ARRAYS:
            if (variable := FILE_NAMES.get(array, array)) in ds:
                frame.set_array(array, ds[variable].values[atoms])
        frame.info["name"] = str(name)
        for array in INFO_ARRAYS:
            frame.info[array] = ds[array].values[index]
        for scalar in scalars:
            value = ds[scalar].values[index].item()
            if value == value and value != "":
                frame.info[scalar] = value
        frames.append(Bilayer.from_atoms(frame))
    return frames


def read_frames(path: str | Path) -> list[Bilayer]:
    """Read the frames of one file.

    Parameters
    ----------
    path
        The NetCDF file.

    Returns
    -------
    list of Bilayer
        The frames. If a label contains the field of periodic images, `Bilayer.image_distance_A` is
        the cell height of its recipe. The dipole correction of a DFT code removes only the uniform
        part of this field.

    Raises
    ------
    JobError
        If the file cannot be read or does not have this layout.
    """
    ds = read_netcdf(path, "frame", "n_atoms", "cell", "number", "position", "layer_cell")
    if int(ds["n_atoms"].sum()) != ds.sizes["atom"]:
        raise JobError(f"{path} is damaged: its n_atoms do not add up")
    frames = from_dataset(ds)
    recipe = json.loads(ds.attrs.get("settings", "{}")).get("recipe", {})
    if recipe.get("electrostatics") == "dipole":
        for frame in frames:
            frame.image_distance_A = float(recipe["cell_height_A"])
    return frames


def dipole_errors(predicted: Bilayer, label: Bilayer, array: str = "dipole") -> np.ndarray:
    """Return the errors of predicted dipoles on the N atoms.

    Parameters
    ----------
    predicted
        Prediction.
    label
        Labelled frame of the same structure. The cells may have different heights.
    array
        Name of the array of predicted dipoles.

    Returns
    -------
    ndarray
        Prediction minus label (m, 3) in e.angstrom.

    Raises
    ------
    JobError
        If the two are not of one structure.
    """
    same = len(predicted) == len(label) and (predicted.numbers == label.numbers).all()
    if not same or not np.allclose(predicted.positions[:, :2], label.positions[:, :2], atol=1e-4):
        raise JobError(f"{predicted.name}: prediction and label are of unlike structures")
    return (predicted.arrays[array] - label.arrays["dipole"])[predicted.is_site]
