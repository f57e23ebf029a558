"""Local polarization field P(r) of a bilayer from the dipoles of its N atoms.

P(r) is the sum of the two layers' dipoles per N, each interpolated between the N atoms of its own
layer. The N atoms of a flat, uniformly strained and rotated layer are a triangular lattice
commensurate with the moire cell, so the natural interpolant is the band-limited one: the shortest
plane waves, as many as there are atoms, with those on the border of the layer's Brillouin zone
shared between their equivalents. It passes through every dipole, is smooth, and has every symmetry
of the dipoles to round-off; no choice of triangles or diagonals enters.
"""

from collections.abc import Mapping
from itertools import product

import numpy as np
import xarray as xr

from moirepol.structure.bilayer import LAYERS, Bilayer

COMPONENTS = ("x", "y", "z")
#: Named points along the long diagonal of a moire cell, and where on it each stands.
DIAGONAL = ("G", "N", "C", "M", "G")
ON_DIAGONAL = (0, 1 / 3, 1 / 2, 2 / 3, 1)
PC_PER_M = 1602.176634  # of 1 e/A


def diagonalize(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unimodular U, V with U matrix V diagonal, for an integer 2 x 2 matrix of full rank."""
    D, U, V = np.array(matrix, dtype=int), np.eye(2, dtype=int), np.eye(2, dtype=int)
    while D[0, 1] or D[1, 0]:
        for left, right, column in ((D, U, D[:, 0]), (D.T, V.T, D[0])):
            while column[1]:
                if column[0]:
                    factor = column[1] // column[0]
                    left[1] -= factor * left[0]
                    right[1] -= factor * right[0]
                if column[1]:
                    left[[0, 1]], right[[0, 1]] = left[[1, 0]], right[[1, 0]]
    return U, D, V


class Sites:
    """The sites of one Bravais lattice in a larger cell, and the plane waves that live on them."""

    def __init__(self, sites, lattice, cell):
        """Find the place of every site in its lattice.

        Parameters
        ----------
        sites
            Places (N, 2) in angstrom, all on one lattice.
        lattice, cell
            Row vectors (2, 2) in angstrom; the cell is a superlattice.

        Raises
        ------
        ValueError
            If the sites are no Bravais lattice, or do not fill the cell once.
        """
        ratio = cell @ np.linalg.inv(lattice)
        self.super_cell = np.rint(ratio).astype(int)
        steps = (sites - sites[0]) @ np.linalg.inv(lattice)
        whole = np.rint(steps).astype(int)
        if np.abs(ratio - self.super_cell).max() > 1e-6 or np.abs(steps - whole).max() > 1e-4:
            raise ValueError("the sites are not a Bravais lattice commensurate with the cell")
        self.U, D, V = diagonalize(self.super_cell)
        self.signs, self.sizes = np.sign(D.diagonal()), np.abs(D.diagonal())
        self.slot = tuple((whole @ V % self.sizes).T)
        filled = np.zeros(self.sizes, dtype=bool)
        filled[self.slot] = True
        if len(sites) != self.sizes.prod() or not filled.all():
            raise ValueError("the sites do not fill the cell once")
        self.cell, self.origin = cell, np.linalg.solve(cell.T, sites[0])

    def waves(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expand values at the sites in plane waves, band-limited.

        Parameters
        ----------
        values
            Values (N, c).

        Returns
        -------
        tuple of ndarray
            Integer wave vectors k (K, 2) and coefficients C (K, c), with
            value(u) = sum_k C_k exp(2 pi i k.u) at the fractional cell coordinate u.
        """
        if np.isnan(values).any():
            raise ValueError("a site has no value")
        table = np.empty((*self.sizes, values.shape[1]))
        table[self.slot] = values
        # The sign of a diagonal element turns the order of its frequencies.
        h = np.indices(self.sizes).reshape(2, -1).T * self.signs
        k = np.rint(h @ np.linalg.inv(self.U).T).astype(int)
        C = np.fft.fft2(table, axes=(0, 1)).reshape(len(k), -1) / len(k)
        owner, k, share = shortest_equivalents(k, self.super_cell, np.linalg.inv(self.cell).T)
        phase = np.exp(-2j * np.pi * (k @ self.origin))
        return k, C[owner] * (share * phase)[:, None]

    def values(self, k: np.ndarray, C: np.ndarray) -> np.ndarray:
        """Real part of plane waves (K, 2), (K, c) at the sites: (N, c)."""
        h = (k @ self.U.T * self.signs) % self.sizes
        table = np.zeros((*self.sizes, C.shape[1]), dtype=complex)
        np.add.at(table, tuple(h.T), C * np.exp(2j * np.pi * (k @ self.origin))[:, None])
        return np.fft.ifft2(table, axes=(0, 1)).real[self.slot] * self.sizes.prod()


def shortest_equivalents(
    k: np.ndarray, super_cell: np.ndarray, reciprocal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fold wave vectors into the Brillouin zone of a layer, centred at zero.

    k: (K, 2) integers in units of the moire cell's reciprocal vectors (2, 2). On the layer's sites
    k and k + super_cell @ integers are the same wave. Returns (owner, k, share): the shortest
    equivalents of all k, the index of the k each comes from, and 1 / the number it came with.
    """
    k = k - np.rint(k @ np.linalg.inv(super_cell).T).astype(int) @ super_cell.T
    images = k[:, None] + np.array(list(product((-1, 0, 1), repeat=2))) @ super_cell.T
    length = np.linalg.norm(images @ reciprocal, axis=-1)
    shortest = length < length.min(axis=1, keepdims=True) + 1e-6 * length.max()
    owner, image = np.nonzero(shortest)
    return owner, images[owner, image], 1 / shortest.sum(axis=1)[owner]


def on_grid(k: np.ndarray, C: np.ndarray, n: int) -> np.ndarray:
    """Evaluate plane waves (K, 2), (K, c) at the n x n grid nodes u = (i/n, j/n): (c, n, n)."""
    table = np.zeros((n, n, C.shape[1]), dtype=complex)
    np.add.at(table, (k[:, 0] % n, k[:, 1] % n), C)
    return np.moveaxis(np.fft.ifft2(table, axes=(0, 1)).real * n**2, -1, 0)


def layer_fields(atoms: Bilayer, n: int, array: str = "dipole") -> np.ndarray:
    """Dipole per N of each layer, interpolated on the n x n grid of the moire cell.

    atoms: a frame with arrays `dipole` (e.A) and `layer` and info `layer_cell`. Returns
    (2 LAYERS, 3, n, n) in e.A per N; the sum over the layers is P(r), in e.A per N pair. Of
    another array of dipoles, such as `dipole_member`, (2, ..., 3, n, n).
    """
    cell = atoms.cell_2d
    fields = []
    for layer, lattice in enumerate(atoms.lattices):
        chosen = atoms.sites_of(layer)
        sites, dipoles = atoms.positions[chosen, :2], atoms.arrays[array][chosen]
        waves = Sites(sites, lattice, cell).waves(dipoles.reshape(len(sites), -1))
        fields.append(on_grid(*waves, n).reshape(*dipoles.shape[1:], n, n))
    return np.array(fields)


def net_polarization(dipoles: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Dipole per area, in pC/m, of a cell (3, 3) in A with dipoles (n, ..., 3) in e.A.

    NaN is no dipole. The sum of all N atoms is that of the charges, however it is divided between
    the layers; the mean of a map of layers with unlike numbers of N atoms is not.
    """
    return PC_PER_M * np.nansum(dipoles, axis=0) / abs(np.linalg.det(cell[:2, :2]))


def first_harmonics(P: np.ndarray, cell: np.ndarray) -> tuple[float, float]:
    """Amplitudes of the six shortest waves of a field P (3, n, n) on a cell (2, 2), their mean.

    Returns (P_perp, P_par): of the component along z, and of the length of the one in the plane.
    """
    n = P.shape[-1]
    k = np.array([k for k in product((-1, 0, 1), repeat=2) if any(k)])
    length = np.linalg.norm(k @ np.linalg.inv(cell).T, axis=1)
    shortest = k[length < 1.01 * length.min()]
    waves = np.abs(np.fft.fft2(P) / n**2)[:, shortest[:, 0], shortest[:, 1]]
    return float(waves[2].mean()), float(np.hypot(*waves[:2]).mean())


def harmonics(atoms: Bilayer, array: str = "dipole", n: int = 48) -> tuple[float, float]:
    """`first_harmonics` (P_perp, P_par) of a bilayer's summed layers, by one array of dipoles."""
    return first_harmonics(layer_fields(atoms, n, array).sum(axis=0), atoms.cell.array[:2, :2])


def resample(field: np.ndarray, n: int) -> np.ndarray:
    """Move a periodic band-limited field (..., m, m) to another grid (..., n, n).

    Exact where the field's wave vectors are below m / 2, as they are on every map.
    """
    m = field.shape[-1]
    flat = field.reshape(-1, m, m)
    frequency = np.rint(np.fft.fftfreq(m, 1 / m)).astype(int)
    k = np.stack(np.meshgrid(frequency, frequency, indexing="ij"), axis=-1).reshape(-1, 2)
    C = np.fft.fft2(flat).reshape(len(flat), -1).T / m**2
    return on_grid(k, C, n).reshape(*field.shape[:-2], n, n)


def cell_points(cell: np.ndarray, points: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Return a data set of a cell's vectors (2, 2) and its named points, label -> xy, all in A."""
    places = np.array(list(points.values()))
    length = {"units": "angstrom"}
    return xr.Dataset(
        {"cell": (("vector", "xy"), cell, length | {"long_name": "cell vectors"})},
        coords={
            "point": list(points),
            "point_x": ("point", places[:, 0], length),
            "point_y": ("point", places[:, 1], length),
        },
    )


def map_dataset(
    P_layer: np.ndarray, cell: np.ndarray, points: Mapping[str, np.ndarray]
) -> xr.Dataset:
    """Return the map layout: P and P_layer on the grid, with places, cell and high-symmetry points.

    P_layer: (2 LAYERS, 3, n, n) in e.A per N. cell: (2, 2) row vectors in A. points: label -> xy in
    A. n must be a multiple of 6, so that all points are nodes.
    """
    n = P_layer.shape[-1]
    if n % 6:
        raise ValueError(f"{n} grid points do not meet M, N, A, B and C: take a multiple of 6")
    ds = cell_points(cell, points)
    for name, dims, values, meaning in (
        ("P", (), P_layer.sum(axis=0), "polarization per N pair, sum of the layers"),
        ("P_layer", ("layer",), P_layer, "interpolated dipole per N of each layer"),
    ):
        attributes = {"units": "e.angstrom", "long_name": meaning}
        ds[name] = (*dims, "component", "i", "j"), values, attributes
    fraction = np.arange(n) / n
    x, y = np.einsum("aij,ax->xij", np.indices((n, n)) / n, cell)
    return ds.assign_coords(
        component=list(COMPONENTS),
        layer=list(LAYERS),
        u=("i", fraction, {"units": "1", "long_name": "fraction of the first cell vector"}),
        v=("j", fraction, {"units": "1", "long_name": "fraction of the second cell vector"}),
        x=(("i", "j"), x, {"units": "angstrom"}),
        y=(("i", "j"), y, {"units": "angstrom"}),
    )


def point_fractions(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the fractional places (u, v) of the named points of a map, G at zero."""
    places = np.stack([ds["point_x"], ds["point_y"]], axis=-1)
    fractions = places @ np.linalg.inv(ds["cell"].values)
    fractions = (fractions - fractions[list(ds["point"].values).index("G")] + 1e-9) % 1 - 1e-9
    return dict(zip(ds["point"].values.tolist(), fractions, strict=True))


def along_diagonal(ds: xr.Dataset, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a field (..., n, n) along a map's long diagonal, from G over N, C, M to G.

    Returns the values (..., n + 1) and the places (n + 1, 2) in A.
    """
    n = field.shape[-1]
    nodes = np.arange(n + 1)
    if point_fractions(ds)["N"][0] > 0.5:
        nodes = nodes[::-1]
    places = nodes[:, None] / n * ds["cell"].values.sum(axis=0)
    return field[..., nodes % n, nodes % n], places
