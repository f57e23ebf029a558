"""What the figures show, beyond the drawing."""

import numpy as np
import yaml

from moirepol.plotting import draw_out_of_plane, new_figure
from moirepol.structure.frames import read_frames
from plot_out_of_plane import plot_out_of_plane
from plot_wannier_centres import STACKINGS, pair_of_sites
from support.maps import a_map, first_harmonics


def test_the_centres_drawn_give_the_dipoles_beside_them(root):
    """p = -8 e times the centroid's distance from the N, and only {E|N} has a net dipole."""
    labels = (root / "resources" / "labels" / f"{name}.nc" for name in ("aa", "aap"))
    frames = {frame.name: frame for path in labels for frame in read_frames(path)}
    for name, frame in STACKINGS.items():
        shown = pair_of_sites(frames[frame])
        centroid = shown["wannier_centre"].mean("centre")
        np.testing.assert_allclose(
            shown["dipole"], -8 * (centroid - shown["site_place"]), atol=1e-12
        )
        net = shown["dipole"].values.sum(axis=0)
        lower, upper = shown["dipole"].values[:, 2]
        assert lower < 0 < upper
        assert (net[2] < -1e-3) if name == "{E|N}" else (abs(net) < 2e-5).all()


def test_the_zero_contour_is_described_as_it_is_drawn(root):
    _, ax = new_figure(2.0)
    ds = a_map(first_harmonics())
    draw_out_of_plane(ax, ds, 1e3 * ds["P"].values[2])
    contours = [c for c in ax.collections if type(c).__name__ == "QuadContourSet"]
    assert contours and all(c.linestyles == ":" for c in contours)
    assert "dotted" in plot_out_of_plane.__doc__
    panels = yaml.safe_load((root / "config.yaml").read_text())["figures"].values()
    shown = [panel["caption"] for panel in panels if panel["plot"] == "out_of_plane"]
    assert len(shown) > 3 and all("dotted" in caption.lower() for caption in shown)
