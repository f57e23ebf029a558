"""Division of frames into training and validation frames, by independent stackings."""

from math import gcd

import numpy as np

from moirepol.structure.bilayer import Bilayer
from moirepol.structure.names import System
from moirepol.structure.symmetry import layer_symmetries, symmetry_copies, transform_slide


def split_frames(
    frames: list[Bilayer], split: str, folds: int, member: int, seed: int = 0
) -> tuple[list[Bilayer], list[Bilayer]]:
    """Frames to train on and frames to judge by.

    ``stackings``: every distinct stacking (a slide with all its strains and distances, or a moire
    cell) lies on one side; the stackings are dealt into `folds` and member i leaves out fold i.
    ``cells``: all slides are trained on; the moire cells are dealt into `folds`.
    ``copies``: the symmetry copies of all slides, one in `folds` of them drawn at random for
    judging, as in the paper: copies of the same calculation lie on both sides.
    """
    if split == "copies":
        slides = [copy for frame in frames if is_slide(frame) for copy in symmetry_copies(frame)]
        frames = slides + [frame for frame in frames if not is_slide(frame)]
        drawn = np.random.default_rng([seed, member]).permutation(len(frames))
        out = set(drawn[: max(1, len(frames) // folds)].tolist())
        left_out = [index in out for index in range(len(frames))]
    else:
        dealt = [frame for frame in frames if split == "stackings" or not is_slide(frame)]
        stackings = sorted({stacking(frame) for frame in dealt})
        drawn = np.random.default_rng(seed).permutation(len(stackings))
        fold = {stackings[index]: place % folds for place, index in enumerate(drawn)}
        left_out = [fold.get(stacking(frame)) == member % folds for frame in frames]
    train = [frame for frame, out in zip(frames, left_out, strict=True) if not out]
    return train, [frame for frame, out in zip(frames, left_out, strict=True) if out]


def is_slide(frame: Bilayer) -> bool:
    """Whether a frame is an untwisted, matched bilayer."""
    return frame.system.geometry == "slide"


def stacking(frame: Bilayer) -> str:
    """One name for all frames whose layers lie alike: strain, distance and symmetry left aside."""
    system = frame.system
    if system.geometry != "slide":
        shift = None if system.n_periods else system.shift
        return System(
            family=system.family, geometry=system.geometry, indices=system.indices, shift=shift
        ).name
    i, j, n = system.indices
    images = []
    for operation in layer_symmetries(system.family):
        k, m = np.rint(n * transform_slide(np.array([i, j]) / n, operation)).astype(int) % n
        common = gcd(int(k), int(m), n)
        images.append((int(k) // common, int(m) // common, n // common))
    return f"{system.family}_slide-{'-'.join(map(str, min(images)))}"
