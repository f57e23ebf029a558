"""Small networks and the made-up labels that they learn."""

import numpy as np

from moirepol.model import committee, training
from moirepol.model import neighbours as nn
from moirepol.structure.building import build
from moirepol.structure.material import load_material
from moirepol.structure.symmetry import distinct_slides

A, D = 2.51, 3.33
SPECIES = load_material().species
PROTOCOL = {
    "optimizer": "gauss_newton",
    "steps": 40,
    "label_noise_eA": 1e-5,
    "label_scale": 100,
    "row_gain": 3,
    "rcut_A": 6.0,
    "rcut_smooth_A": 1.0,
    "descriptor_neurons": [4, 8],
    "axis_neurons": 4,
    "fitting_neurons": [12, 12],
}
SLIDES = [f"AA_slide-{i}-{j}-5" for i, j in distinct_slides(5, "AA")]


def field_of_vectors(atoms):
    """A polar vector for every N that depends on its surroundings alone, e.A."""
    vectors = nn.Neighbours(atoms, SPECIES, 5.0).of(atoms.sites).vectors
    dipole = np.zeros((len(vectors[0]), 3))
    for vector, weight in zip(vectors, (1.0, -0.7), strict=True):
        r = np.linalg.norm(vector, axis=-1, keepdims=True)
        near = np.isfinite(r)
        decay = np.where(near, np.exp(-np.where(near, r, 0) / 1.2), 0) * (1 - np.minimum(r / 5, 1))
        dipole += 0.02 * weight * (np.where(near, vector, 0) * decay).sum(axis=1)
    return dipole


def labelled(name, response=0.0):
    """A bilayer with dipoles p + E s (6 p + 0.06 z) + E^2 p of `field_of_vectors`."""
    atoms = build(name, A, D)
    field, sign = atoms.field_V_per_A, np.where(atoms.layer == 1, 1.0, -1.0)[:, None]
    p = np.full((len(atoms), 3), np.nan)
    p[atoms.sites] = field_of_vectors(atoms)
    atoms.set_array("dipole", p + field * (sign * 6 * p + [0, 0, 0.06]) + field**2 * p)
    return atoms


def member(frames, seed=0, kind="zero_field", field=0.0, **protocol):
    info = {"family": "AA", "kind": kind, "field_V_per_A": field, "seed": seed}
    data, course = training.train(frames, frames[:1], PROTOCOL | protocol, seed, info)
    return data, course, committee.member_of(data)
