"""What the figures show, beyond the drawing."""

import numpy as np

from moirepol.structure.frames import read_frames
from plot_wannier_centres import STACKINGS, pair_of_sites


def test_the_centres_drawn_give_the_dipoles_beside_them(root):
    """p = -8 e times the centroid's distance from the N, and only {E|N} has a net dipole."""
    labels = (root / "resources" / "labels" / f"{name}.nc" for name in ("aa", "aap"))
    frames = {frame.name: frame for path in labels for frame in read_frames(path)}
    for name, frame in STACKINGS.items():
        shown = pair_of_sites(frames[frame])
        centroid = shown["wannier_centre"].mean("centre")
        np.testing.assert_allclose(shown["dipole"], -8 * (centroid - shown["N"]), atol=1e-12)
        net = shown["dipole"].values.sum(axis=0)
        lower, upper = shown["dipole"].values[:, 2]
        assert lower < 0 < upper
        assert (net[2] < -1e-3) if name == "{E|N}" else (abs(net) < 2e-5).all()
