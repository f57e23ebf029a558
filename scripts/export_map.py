"""Write a map as a table and its Fourier coefficients as JSON."""

import json

import numpy as np
import pandas as pd
import xarray as xr

from moirepol.physics.onsite import FORMULA, layer_potentials
from moirepol.structure.conventions import LAYERS
from moirepol.workflow.provenance import read_netcdf

#: Waves with less than this share of the largest amplitude are omitted.
SMALLEST_SHARE = 1e-4


def export_map(polarization_map: str, csv: str, json_file: str) -> None:
    """Write the values of a map and its Fourier coefficients.

    Parameters
    ----------
    polarization_map
        The map of a bilayer.
    csv
        Table to write: a row for each node of the grid, P in e.angstrom per pair of N atoms.
    json_file
        File to write with the coefficients of P, of both layers and of their potential.
    """
    needed = "P", "P_layer", "cell", "layer_area", "layer_distance"
    ds = read_netcdf(polarization_map, *needed)
    table(ds).to_csv(csv, index=False, float_format="%.9g")
    with open(json_file, "w", encoding="utf-8") as file:
        json.dump(coefficients(ds), file, indent=1)


def table(ds: xr.Dataset) -> pd.DataFrame:
    """Return a map as a table with units in the names of the columns."""
    columns = {f"{axis}_A": ds[axis].values.ravel() for axis in "xy"}
    for variable, word in (("P", "P"), ("P_error", "error")):
        if variable in ds:
            for component in ds["component"].values:
                values = ds[variable].sel(component=component).values
                columns[f"{word}_{component}_eA"] = values.ravel()
    return pd.DataFrame(columns)


def coefficients(ds: xr.Dataset) -> dict:
    """Return the Fourier coefficients of a map.

    Parameters
    ----------
    ds
        Map with the data of `moirepol.physics.polarization.map_of_bilayer`.

    Returns
    -------
    dict
        Cell, convention and units, and the waves with the largest coefficients. A complex number
        is the list [real part, imaginary part].
    """
    n, cell = ds.sizes["i"], ds["cell"].values
    C = np.fft.fft2(ds["P_layer"].values).reshape(len(LAYERS), 3, -1) / n**2
    numbers = np.rint(np.fft.fftfreq(n, 1 / n)).astype(int)
    k = np.stack(np.meshgrid(numbers, numbers, indexing="ij"), axis=-1).reshape(-1, 2)
    size = np.abs(C).max(axis=(0, 1))
    kept = np.flatnonzero(size >= SMALLEST_SHARE * size.max())
    wave_vectors = 2 * np.pi * k @ np.linalg.inv(cell).T
    kept = kept[np.argsort(np.linalg.norm(wave_vectors[kept], axis=1), kind="stable")]
    omitted = np.delete(C.sum(axis=0), kept, axis=-1)
    layers = C[..., kept].transpose(2, 0, 1)
    areas, distance = ds["layer_area"].values, float(ds["layer_distance"])
    potentials = layer_potentials(wave_vectors[kept], layers, areas, distance)
    waves = []
    for number, dipoles, phi in zip(k[kept], layers, potentials, strict=True):
        waves.append(
            {"k": number.tolist(), "P": _complex(dipoles.sum(axis=0))}
            | {f"P_{layer}": _complex(dipoles[i]) for i, layer in enumerate(LAYERS)}
            | {f"phi_{layer}": _complex(phi[i : i + 1])[0] for i, layer in enumerate(LAYERS)}
        )
    return {
        "system": ds.attrs["system"],
        "cell_A": cell.tolist(),
        "convention": "f(r) = sum over k of coefficient exp(2 pi i k.u), r = u_1 a_1 + u_2 a_2, "
        "with the vectors a_1, a_2 of the cell; G is at r = 0; the sums are real",
        "components": ["x", "y", "z"],
        "units": {"P": "e.angstrom per N pair", "P_layer": "e.angstrom per N", "phi": "V"},
        "onsite_shift": FORMULA,
        "omitted_rms_eA": float(np.sqrt((np.abs(omitted) ** 2).sum())),
        "git_revision": ds.attrs.get("git_revision", ""),
        "waves": waves,
    }


def _complex(values):
    return [[float(value.real), float(value.imag)] for value in values]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_map, globals().get("snakemake"))
