"""Write the plane waves of the potential above a bilayer as plain data."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from moirepol.workflow.provenance import read_netcdf, stamp

#: Waves below this share of the largest one are left out.
SMALLEST = 1e-4


def export_waves(potential: str, waves: str) -> None:
    """Write the plane waves of a potential at its heights.

    Parameters
    ----------
    potential
        Potential of `compute_potential` (NetCDF).
    waves
        JSON file to write, in mV.
    """
    found = waves_of(read_netcdf(potential, "phi"))
    Path(waves).write_text(json.dumps(found, indent=1), encoding="utf-8")


def waves_of(ds) -> dict[str, Any]:
    """Return the plane waves of a potential, the largest first, as plain data.

    Parameters
    ----------
    ds
        Potential of `compute_potential`.

    Returns
    -------
    dict
        ``waves``, each with its integer ``k``, its wave vector ``q`` in 1/angstrom and its complex
        coefficients by height in mV; the ``formula``; ``heights_A``; the ``cell`` in angstrom.
    """
    phi, cell = ds["phi"].values, ds["cell"].values
    n = phi.shape[-1]
    C = np.fft.fft2(phi) / n**2
    size = np.abs(C).max(axis=0)
    k = np.rint(np.fft.fftfreq(n, 1 / n)).astype(int)
    chosen = np.argwhere(size > SMALLEST * size.max())
    found = sorted(chosen, key=lambda place: (-round(size[tuple(place)], 9), *place))
    waves = [
        {
            "k": [int(k[i]), int(k[j])],
            "q_per_A": (2 * np.pi * np.linalg.inv(cell) @ [k[i], k[j]]).tolist(),
            "real_mV": C[:, i, j].real.tolist(),
            "imaginary_mV": C[:, i, j].imag.tolist(),
        }
        for i, j in found
    ]
    stamped = stamp(ds[[]], f"Waves of the potential above {ds.attrs['system']}").attrs
    return {
        "title": stamped["title"],
        "git_revision": stamped["git_revision"],
        "formula": "phi(r) = sum over k of (real + i imaginary) exp(i q.r)",
        "heights_A": ds["height"].values.tolist(),
        "cell_A": cell.tolist(),
        "waves": waves,
    }


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(export_waves, globals().get("snakemake"))
