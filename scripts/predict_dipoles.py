"""Predict the dipole of every N atom of a bilayer."""

import numpy as np

from moirepol import deepwannier, provenance
from moirepol.frames import to_dataset
from moirepol.provenance import read_netcdf
from moirepol.structures import build


def predict_dipoles(
    system,
    zero_field,
    dipoles,
    lattice_constant_A,
    layer_distance_A,
    response=(),
    curvature=(),
    polarizability=(),
):
    """Write the committee's mean dipoles and their spread in the layout of `moirepol.frames`.

    Parameters
    ----------
    system : name of the bilayer, its field included
    zero_field, response, curvature : files of the members of each model
    polarizability : file of `compute_polarizability`; with it the dipoles' long-range field is
        added, see `moirepol.longrange`
    """
    atoms = build(system, lattice_constant_A, layer_distance_A)
    files = {"zero_field": zero_field, "response": response, "curvature": curvature}
    models = {kind: deepwannier.committee(paths) for kind, paths in files.items() if paths}
    long_range = None
    if polarizability:
        alpha = float(read_netcdf(polarizability, "in_plane")["in_plane"])
        long_range = {
            "polarizability_eA2_per_V": alpha,
            "thickness_A": np.ptp(atoms.positions[:, 2]),
        }
    predicted = deepwannier.predict(atoms, models, long_range)
    settings = {kind: [member.info for member in members] for kind, members in models.items()}
    settings["long_range"] = long_range
    ds = provenance.stamp(to_dataset([predicted]), f"Predicted dipoles of {system}", settings)
    provenance.write_netcdf(ds, dipoles)


if __name__ == "__main__":
    from moirepol.job import run

    run(predict_dipoles, globals().get("snakemake"))
