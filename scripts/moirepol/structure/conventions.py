"""Names and numbers of the layers, the hexagonal lattice, and the stackings of high symmetry."""

import numpy as np

LOWER, UPPER = 0, 1
#: Names of the layers in files, in the order of their numbers.
LAYERS = ("lower", "upper")
#: Primitive vectors of a hexagonal lattice of constant 1, as rows.
PRIMITIVE = np.array([[1.0, 0.0], [0.5, np.sqrt(3) / 2]])
#: Stackings tau of high symmetry, in fractions of (a1, a2). The net P_perp of AA points down at N.
HIGH_SYMMETRY = {
    "G": (0.0, 0.0),
    "N": (1 / 3, 1 / 3),
    "M": (2 / 3, 2 / 3),
    "A": (1 / 2, 0.0),
    "B": (0.0, 1 / 2),
    "C": (1 / 2, 1 / 2),
}
