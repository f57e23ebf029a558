"""Local polarization field P(r) of a bilayer from the dipoles of its sites.

P(r) is the sum of the dipoles per site of the two layers. The dipoles of each layer are
interpolated between the sites of that layer. The sites of a flat, uniformly strained and rotated
layer form a triangular lattice that is commensurate with the moire cell. The interpolant is
therefore band-limited: it contains the shortest plane waves, as many as the layer has sites,

    value(u) = sum_k C_k exp(2 pi i k.u),

with u in fractions of the cell vectors. A wave on the border of the layer's Brillouin zone is
shared equally between its equivalents. The interpolant passes through every dipole and is smooth.
It has every symmetry of the dipoles to round-off. It does not depend on a choice of triangles or
diagonals.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from moirepol.structure.conventions import LAYERS

if TYPE_CHECKING:  # slow to import, and figures do not need it
    from moirepol.structure.bilayer import Bilayer

COMPONENTS = ("x", "y", "z")
#: Named points along the long diagonal of the pattern, and the position of each as a fraction.
DIAGONAL = ("G", "N", "C", "M", "G")
ON_DIAGONAL = (0, 1 / 3, 1 / 2, 2 / 3, 1)
#: Long diagonals of a hexagonal pattern in its cell vectors, which enclose 60 degrees.
DIAGONALS = np.array([[1, 1], [-1, -1], [2, -1], [-2, 1], [-1, 2], [1, -2]])
#: Variable of a map: `P_layer` without the long-range electrostatics.
SHORT_RANGE = "P_layer_short_range"
PC_PER_M = 1602.176634  # pC/m in 1 e/A


def diagonalize(matrix: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Diagonalize an integer matrix by unimodular matrices.

    Parameters
    ----------
    matrix
        Integers (2, 2) of full rank.

    Returns
    -------
    U, D, V : ndarray
        Integers (2, 2): U and V unimodular and D = U matrix V diagonal.
    """
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
    """The sites of one Bravais lattice in a larger cell, with their plane waves.

    Parameters
    ----------
    sites
        In-plane positions (N, 2) in angstrom, all on one lattice, each site of the cell once.
    lattice
        Primitive vectors (2, 2) of the lattice as rows, in angstrom.
    cell
        Vectors (2, 2) of the cell as rows, in angstrom. The cell is a superlattice of `lattice`.

    Raises
    ------
    ValueError
        If the sites are not a Bravais lattice commensurate with the cell, or do not fill it once.
    """

    def __init__(self, sites: np.ndarray, lattice: np.ndarray, cell: np.ndarray) -> None:
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
        """Expand values at the sites in band-limited plane waves.

        Parameters
        ----------
        values
            Values (N, c) at the sites.

        Returns
        -------
        k : ndarray
            Integer wave vectors (K, 2).
        C : ndarray
            Complex coefficients (K, c): value(u) = sum_k C_k exp(2 pi i k.u) at the fractional cell
            coordinate u.

        Raises
        ------
        ValueError
            If a value is NaN.
        """
        if np.isnan(values).any():
            raise ValueError("a site has no value")
        table = np.empty((values.shape[1], *self.sizes))
        table[:, *self.slot] = values.T
        C = np.fft.fft2(table).reshape(len(table), -1).T / self.sizes.prod()
        owner, k, weight = self._folded
        return k, C[owner] * weight[:, None]

    @property
    def wave_vectors(self) -> np.ndarray:
        """Integer wave vectors (K, 2) of `waves`, the same for all values."""
        return self._folded[1]

    @property
    def is_unique(self) -> np.ndarray:
        """Whether each wave (K,) is the only shortest one with its values at the sites."""
        return np.abs(self._folded[2]) > 1 - 1e-9

    @cached_property
    def _folded(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Owner of every wave, its wave vector, and its share times its phase at the origin.

        See `shortest_equivalents`.
        """
        # A negative diagonal element reverses the order of its frequencies.
        h = np.indices(self.sizes).reshape(2, -1).T * self.signs
        k = np.rint(h @ np.linalg.inv(self.U).T).astype(int)
        owner, k, share = shortest_equivalents(k, self.super_cell, np.linalg.inv(self.cell).T)
        return owner, k, share * np.exp(-2j * np.pi * (k @ self.origin))

    def values(self, k: np.ndarray, C: np.ndarray) -> np.ndarray:
        """Evaluate plane waves at the sites.

        Parameters
        ----------
        k
            Integer wave vectors (K, 2).
        C
            Complex coefficients (K, c).

        Returns
        -------
        ndarray
            Real part (N, c) of the sum of the waves.
        """
        return self.evaluator(k)(C)

    def evaluator(self, k: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that evaluates plane waves at the sites, for repeated use.

        Parameters
        ----------
        k
            Integer wave vectors (K, 2).

        Returns
        -------
        callable
            Function of the complex coefficients (K, c). It returns the real part (N, c) of the sum
            of the waves.
        """
        number = self.sizes.prod()
        place = np.ravel_multi_index(
            tuple(((k @ self.U.T * self.signs) % self.sizes).T), self.sizes
        )
        phase = number * np.exp(2j * np.pi * (k @ self.origin))

        def evaluate(C: np.ndarray) -> np.ndarray:
            table = np.empty((C.shape[1], number), dtype=complex)
            for row, waves in zip(table, (C * phase[:, None]).T, strict=True):
                row.real = np.bincount(place, waves.real, number)
                row.imag = np.bincount(place, waves.imag, number)
            return np.fft.ifft2(table.reshape(-1, *self.sizes)).real[:, *self.slot].T

        return evaluate


def shortest_equivalents(
    k: np.ndarray, super_cell: np.ndarray, reciprocal: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fold wave vectors into the Brillouin zone of a layer, centred at zero.

    At the sites of the layer, k and k + super_cell @ integers are the same wave.

    Parameters
    ----------
    k
        Integer wave vectors (K, 2), in units of the reciprocal vectors of the moire cell.
    super_cell
        Moire cell (2, 2) in primitive vectors of the layer, integers.
    reciprocal
        Reciprocal vectors (2, 2) of the moire cell as rows, in 1/angstrom.

    Returns
    -------
    owner : ndarray
        Index (M,) of the wave vector that each equivalent belongs to.
    k : ndarray
        Shortest equivalents (M, 2) of all wave vectors.
    share : ndarray
        Share (M,): 1 / the number of shortest equivalents of the same wave vector.
    """
    k = k - np.rint(k @ np.linalg.inv(super_cell).T).astype(int) @ super_cell.T
    images = k[:, None] + np.array(list(product((-1, 0, 1), repeat=2))) @ super_cell.T
    length = np.linalg.norm(images @ reciprocal, axis=-1)
    shortest = length < length.min(axis=1, keepdims=True) + 1e-6 * length.max()
    owner, image = np.nonzero(shortest)
    return owner, images[owner, image], 1 / shortest.sum(axis=1)[owner]


def on_grid(k: np.ndarray, C: np.ndarray, n: int) -> np.ndarray:
    """Evaluate plane waves at the n x n grid nodes u = (i/n, j/n).

    Parameters
    ----------
    k
        Integer wave vectors (K, 2).
    C
        Complex coefficients (K, c).
    n
        Number of nodes along each cell vector.

    Returns
    -------
    ndarray
        Real part (c, n, n) of the sum of the waves.
    """
    table = np.zeros((n, n, C.shape[1]), dtype=complex)
    np.add.at(table, (k[:, 0] % n, k[:, 1] % n), C)
    return np.moveaxis(np.fft.ifft2(table, axes=(0, 1)).real * n**2, -1, 0)


def layer_fields(atoms: "Bilayer", n: int, array: str = "dipole") -> np.ndarray:
    """Interpolate the dipole per site of each layer on the n x n grid of the moire cell.

    Parameters
    ----------
    atoms
        Bilayer with dipoles.
    n
        Number of nodes along each cell vector.
    array
        Name of an array (n_atoms, ..., 3) of dipoles in e.angstrom, such as ``dipole_member``.

    Returns
    -------
    ndarray
        Field (layer, ..., 3, n, n) in e.angstrom per site. Its sum over the layers is P(r), in
        e.angstrom per pair of sites.
    """
    cell = atoms.cell_2d
    fields = []
    for layer, lattice in enumerate(atoms.site_lattices):
        chosen = atoms.sites_of(layer)
        sites, dipoles = atoms.rigid_positions[chosen, :2], atoms.arrays[array][chosen]
        waves = Sites(sites, lattice, cell).waves(dipoles.reshape(len(sites), -1))
        fields.append(on_grid(*waves, n).reshape(*dipoles.shape[1:], n, n))
    return np.array(fields)


def net_polarization(bilayer: "Bilayer", values: np.ndarray) -> np.ndarray:
    """Return the dipole per area of a bilayer.

    It is the sum over the layers of the mean dipole of their sites per area of their primitive
    cell: the dipole of the charges. It does not depend on how the dipole is divided between the
    layers. The mean of a map does depend on it if the layers have different numbers of sites.

    Parameters
    ----------
    bilayer
        The bilayer.
    values
        Dipoles (m, ..., 3) of its sites in e.angstrom.

    Returns
    -------
    ndarray
        Dipole per area (..., 3) in pC/m.
    """
    by_layer = [
        values[bilayer.site_layers == layer].mean(axis=0) / area
        for layer, area in enumerate(bilayer.areas)
    ]
    return PC_PER_M * np.sum(by_layer, axis=0)


def first_harmonics(P: np.ndarray, cell: np.ndarray) -> tuple[float, float]:
    """Return the mean amplitude of the six shortest waves of a field.

    Parameters
    ----------
    P
        Field (3, n, n), in any unit.
    cell
        Cell vectors (2, 2) as rows, in angstrom.

    Returns
    -------
    P_perp : float
        Amplitude of the out-of-plane component, in the unit of P.
    P_par : float
        Amplitude of the length of the in-plane component, in the unit of P.
    """
    n = P.shape[-1]
    k = np.array([k for k in product((-1, 0, 1), repeat=2) if any(k)])
    length = np.linalg.norm(k @ np.linalg.inv(cell).T, axis=1)
    shortest = k[length < 1.01 * length.min()]
    waves = np.abs(np.fft.fft2(P) / n**2)[:, shortest[:, 0], shortest[:, 1]]
    return float(waves[2].mean()), float(np.hypot(*waves[:2]).mean())


def harmonics(atoms: "Bilayer", array: str = "dipole", n: int = 48) -> tuple[float, float]:
    """Return the first harmonics of the sum of the layers of a bilayer.

    Parameters
    ----------
    atoms
        Bilayer with dipoles.
    array
        Name of the array of dipoles (n_atoms, 3) in e.angstrom.
    n
        Number of nodes along each cell vector.

    Returns
    -------
    P_perp, P_par : float
        As of `first_harmonics`, in e.angstrom per pair of sites.
    """
    return first_harmonics(layer_fields(atoms, n, array).sum(axis=0), atoms.cell.array[:2, :2])


def resample(field: np.ndarray, n: int) -> np.ndarray:
    """Move a periodic band-limited field to another grid.

    The result is exact if the wave vectors of the field are below m / 2. This holds for every map.

    Parameters
    ----------
    field
        Field (..., m, m).
    n
        Number of nodes of the new grid along each cell vector.

    Returns
    -------
    ndarray
        Field (..., n, n).
    """
    m = field.shape[-1]
    if m == n:
        return field
    flat = field.reshape(-1, m, m)
    frequency = np.rint(np.fft.fftfreq(m, 1 / m)).astype(int)
    k = np.stack(np.meshgrid(frequency, frequency, indexing="ij"), axis=-1).reshape(-1, 2)
    C = np.fft.fft2(flat).reshape(len(flat), -1).T / m**2
    return on_grid(k, C, n).reshape(*field.shape[:-2], n, n)


def cell_points(cell: np.ndarray, points: Mapping[str, npt.ArrayLike]) -> xr.Dataset:
    """Make a data set of the vectors of a cell and of its named points.

    Parameters
    ----------
    cell
        Cell vectors (2, 2) as rows, in angstrom.
    points
        Label -> place (2,) in angstrom.

    Returns
    -------
    xr.Dataset
        ``cell``, with the coordinates ``point``, ``point_x`` and ``point_y``.
    """
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
    P_layer: np.ndarray, cell: np.ndarray, points: Mapping[str, npt.ArrayLike]
) -> xr.Dataset:
    """Make the data set of a map: fields, places, cell and high-symmetry points.

    Parameters
    ----------
    P_layer
        Dipole per site (layer, 3, n, n) of each layer in e.angstrom. n must be a multiple of 6, so
        that all high-symmetry points are nodes.
    cell
        Cell vectors (2, 2) as rows, in angstrom.
    points
        Label -> place (2,) in angstrom.

    Returns
    -------
    xr.Dataset
        ``P`` and ``P_layer`` on the grid, with the data of `cell_points`.

    Raises
    ------
    ValueError
        If n is not a multiple of 6.
    """
    n = P_layer.shape[-1]
    if n % 6:
        raise ValueError(f"{n} grid points do not meet M, N, A, B and C: take a multiple of 6")
    ds = cell_points(cell, points)
    for name, dims, values, meaning in (
        ("P", (), P_layer.sum(axis=0), "polarization per pair of dipole sites, sum of the layers"),
        ("P_layer", ("layer",), P_layer, "interpolated dipole per dipole site of each layer"),
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


def add_members(ds: xr.Dataset, members: np.ndarray) -> None:
    """Add the polarization by each member and its standard deviation to a map.

    Parameters
    ----------
    ds
        Map with the data of `map_dataset`. It is changed in place.
    members
        Polarization (member, 3, n, n) in e.angstrom.
    """
    for name, dims, values, meaning in (
        (
            "P_member",
            ("member",),
            members.astype(np.float32),  # half of the file, and far below their differences
            "polarization per pair of dipole sites by each member",
        ),
        ("P_error", (), members.std(axis=0, ddof=1), "error of P: standard deviation of members"),
    ):
        attributes = {"units": "e.angstrom", "long_name": meaning}
        ds[name] = (*dims, "component", "i", "j"), values, attributes


def map_of_bilayer(bilayer: "Bilayer", n: int) -> xr.Dataset:
    """Make the map of a moire bilayer from its dipoles.

    Parameters
    ----------
    bilayer
        Bilayer with the array ``dipole`` and perhaps ``dipole_member`` and ``dipole_short_range``.
    n
        Number of nodes along each cell vector, a multiple of 6.

    Returns
    -------
    xr.Dataset
        The data of `map_dataset`; with members also ``P_member`` (member, component, i, j) and the
        error ``P_error`` (component, i, j), their standard deviation, in e.angstrom. With
        short-range dipoles also ``P_layer_short_range`` (layer, component, i, j).
    """
    ds = map_dataset(layer_fields(bilayer, n), bilayer.cell_2d, bilayer.stacking_points())
    if "dipole_member" in bilayer.arrays:
        add_members(ds, layer_fields(bilayer, n, "dipole_member").sum(axis=0))
    if "dipole_short_range" in bilayer.arrays:
        ds[SHORT_RANGE] = ds["P_layer"].dims, layer_fields(bilayer, n, "dipole_short_range")
        meaning = f"{ds['P_layer'].attrs['long_name']}, without the long-range electrostatics"
        ds[SHORT_RANGE].attrs.update(units="e.angstrom", long_name=meaning)
    ds["layer_area"] = "layer", bilayer.areas
    ds["layer_area"].attrs.update(units="angstrom2", long_name="area of a layer's primitive cell")
    ds["layer_distance"] = (), bilayer.layer_distance_A
    ds["layer_distance"].attrs.update(units="angstrom", long_name="mean layer distance")
    return ds.assign_attrs(system=bilayer.name, space="real")


def without_long_range(ds: xr.Dataset) -> xr.Dataset | None:
    """Return a map without the long-range electrostatics.

    Parameters
    ----------
    ds
        Map with the data of `map_of_bilayer`.

    Returns
    -------
    xr.Dataset or None
        Map without an error, because the error is calibrated with the long-range electrostatics.
        None if the map contains no long-range electrostatics.
    """
    if SHORT_RANGE not in ds:
        return None
    short = ds.drop_vars([SHORT_RANGE, "P_member", "P_error"], errors="ignore")
    for name, values in (("P_layer", ds[SHORT_RANGE]), ("P", ds[SHORT_RANGE].sum("layer"))):
        short[name] = ds[name].copy(data=values)
    return short.assign_attrs(not_included="the long-range electrostatics")


def point_fractions(ds: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the fractional places of the named points of a map.

    Parameters
    ----------
    ds
        Map with the data of `cell_points`, G among its points.

    Returns
    -------
    dict
        Label -> (u, v), shape (2,), relative to G.
    """
    places = np.stack([ds["point_x"], ds["point_y"]], axis=-1)
    fractions = places @ np.linalg.inv(ds["cell"].values)
    fractions = (fractions - fractions[list(ds["point"].values).index("G")] + 1e-9) % 1 - 1e-9
    return dict(zip(ds["point"].values.tolist(), fractions, strict=True))


def along_diagonal(ds: xr.Dataset, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a field along the long diagonal G-N-C-M-G of the pattern.

    Parameters
    ----------
    ds
        Map with the data of `cell_points`.
    field
        Field (..., n, n) on the grid of the map.

    Returns
    -------
    values : ndarray
        Values (..., n + 1) of the field.
    places : ndarray
        Places (n + 1, 2) in angstrom. The diagonal leaves the cell if C is on its border.
    """
    n = field.shape[-1]
    fractions = point_fractions(ds)
    found = [
        direction
        for direction in DIAGONALS
        if np.allclose((direction / 2 - fractions["C"] + 0.5) % 1, 0.5, atol=1e-6)
        and np.allclose((direction / 3 - fractions["N"] + 0.5) % 1, 0.5, atol=1e-6)
    ]
    steps = np.arange(n + 1)[:, None] * (found[0] if found else DIAGONALS[0])
    i, j = steps.T % n
    return field[..., i, j], steps / n @ ds["cell"].values
