"""Division of frames into training and validation frames, by independent stackings.

There are three ways to split:

- ``stackings``: all frames of a distinct stacking are on one side. A distinct stacking is a
  translated bilayer with all its strains and distances, or a moire cell. The stackings are dealt
  into folds, and fold i is held out of the training of member i.
- ``cells``: all translated bilayers are training frames. The moire cells are dealt into folds.
- ``copies``: the frames are the symmetry copies of all translated bilayers. One in `folds` of them
  is drawn at random for validation, as in the paper. Copies of the same calculation are on both
  sides.
"""

from math import gcd

import numpy as np

from moirepol.structure.bilayer import Bilayer
from moirepol.structure.names import System
from moirepol.structure.symmetry import layer_symmetries, symmetry_copies, transform_slide


def split_frames(
    frames: list[Bilayer], split: str, folds: int, member: int, seed: int = 0
) -> tuple[list[Bilayer], list[Bilayer]]:
    """Split frames into training and validation frames.

    Parameters
    ----------
    frames
        Labelled frames.
    split
        Way to split: ``stackings``, ``cells`` or ``copies``, see the module docstring.
    folds
        Number of folds.
    member
        Index of the member of the committee.
    seed
        Seed of the random numbers.

    Returns
    -------
    train : list of Bilayer
        Training frames.
    validation : list of Bilayer
        Validation frames.
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
    """Return whether a frame is an untwisted, matched bilayer.

    Parameters
    ----------
    frame
        The frame.

    Returns
    -------
    bool
        True for a translated bilayer.
    """
    return frame.system.geometry == "slide"


def stacking(frame: Bilayer) -> str:
    """Return one name for all frames with the same stacking.

    Strain, layer distance and symmetry do not change the name.

    Parameters
    ----------
    frame
        The frame.

    Returns
    -------
    str
        Name of the stacking.
    """
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
