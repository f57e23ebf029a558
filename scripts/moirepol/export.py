"""Results for other programs: dipoles as plain atoms, sweeps as tables."""

import numpy as np
import pandas as pd
import xarray as xr
from ase import Atoms

from moirepol.physics.onsite import FORMULA, onsite_shifts
from moirepol.structure.bilayer import Bilayer

#: Dimensions of a sweep whose combinations are the rows of its table.
SWEEP_ROWS = ("system", "strain", "field")


def exported(bilayer: Bilayer, atoms: Atoms, rotation: np.ndarray | None = None) -> Atoms:
    """Return plain atoms with the arrays of the export.

    ASE keeps arrays of other names than those of calculators, such as `dipole`. Atoms without a
    dipole have the dipole 0: the sum over all atoms is the dipole of the cell.

    Parameters
    ----------
    bilayer
        Bilayer with dipoles in e.angstrom.
    atoms
        Atoms in the same order.
    rotation
        Rotation (3, 3) of column vectors from the atoms to the bilayer; by default none.

    Returns
    -------
    Atoms
        Copy with the arrays ``layer``, ``local_dipole``, ``local_dipole_error`` in e.angstrom and
        ``onsite_shift`` in eV.
    """
    rotation = np.eye(3) if rotation is None else rotation
    plain = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    plain.set_array("layer", bilayer.layer)
    plain.set_array("local_dipole", np.nan_to_num(bilayer.arrays["dipole"]) @ rotation)
    variance = np.nan_to_num(bilayer.arrays["dipole_error"]) ** 2
    plain.set_array("local_dipole_error", np.sqrt(variance @ rotation**2))
    plain.set_array("onsite_shift", onsite_shifts(bilayer))
    plain.info = {
        "name": bilayer.name,
        "field_V_per_A": bilayer.field_V_per_A,
        "units": "local_dipole: e.angstrom, onsite_shift: eV",
        "onsite_shift_formula": FORMULA,
    }
    return plain


def sweep_table(ds: xr.Dataset) -> pd.DataFrame:
    """Return a sweep as a table with a row for each system, strain and field.

    Parameters
    ----------
    ds
        A sweep.

    Returns
    -------
    pd.DataFrame
        `SWEEP_ROWS`, other coordinates of the systems, and the variables that depend on all of
        `SWEEP_ROWS`. A column is named by the variable, its further coordinates and its unit.
    """
    rows = ds[list(SWEEP_ROWS)].stack(row=SWEEP_ROWS).reset_index("row")
    columns = {name: rows[name].values for name in SWEEP_ROWS}
    for name, coordinate in ds.coords.items():
        if coordinate.dims == ("system",) and name != "system":
            columns[str(name)] = coordinate.sel(system=columns["system"]).values
    for name, variable in ds.data_vars.items():
        if not set(SWEEP_ROWS) <= set(variable.dims):
            continue
        stacked = variable.stack(row=SWEEP_ROWS)
        others = [dim for dim in stacked.dims if dim != "row"]
        unit = variable.attrs.get("units", "1")
        ending = "" if unit == "1" else f" ({unit})"
        for index in np.ndindex(*(stacked.sizes[dim] for dim in others)):
            part = stacked.isel(dict(zip(others, index, strict=True)))
            words = [str(ds[dim].values[i]) for dim, i in zip(others, index, strict=True)]
            columns["_".join([str(name), *words]) + ending] = part.values
    return pd.DataFrame(columns)
