"""Images of atoms that are periodic in-plane."""

import numpy as np


def wrapped(places: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Return places (n, 2) as fractions in [0, 1) of the cell vectors (2, 2)."""
    scaled = places @ np.linalg.inv(cell)
    return scaled - np.floor(scaled)


def images_within(
    scaled: np.ndarray, cell: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find all periodic images within a distance of the cell.

    Parameters
    ----------
    scaled
        Places (n, 2) as fractions in [0, 1) of the cell vectors.
    cell
        In-plane cell vectors (2, 2) as rows in angstrom.
    reach
        Distance in angstrom.

    Returns
    -------
    which : ndarray
        Index (k,) of the place of each image.
    shifts : ndarray
        Cell vectors (k, 2) that are added to it, integers.
    """
    margin = reach * np.linalg.norm(np.linalg.inv(cell), axis=0) + 1e-9
    axes = [np.arange(-n, n + 1) for n in np.ceil(margin).astype(int)]
    shifts = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    images = scaled + shifts[:, None]
    shift, which = np.nonzero(((images > -margin) & (images < 1 + margin)).all(axis=-1))
    return which, shifts[shift]
