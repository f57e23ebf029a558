"""Fields of a relaxed moire bilayer, and the bilayer that they make of a rigid one.

`moirepol.physics.continuum` finds the fields. They are stored on a grid of the local stacking tau0
of the rigid layers, which is a linear function of the place. The axes are those of a bilayer whose
lattices have a1 along x on average.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from moirepol.physics.monolayer import Monolayer, polar_strain
from moirepol.physics.stackings import Stackings
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LAYERS, LOWER, UPPER
from moirepol.structure.local_geometry import LocalGeometry, Relief
from moirepol.structure.names import stacking_of
from moirepol.workflow.provenance import read_netcdf


@dataclass(frozen=True)
class Relaxation:
    """Relaxed fields of one moire bilayer on a grid of the rigid stacking tau0 = (i/n, j/n).

    Attributes
    ----------
    displacement
        In-plane displacement (layer, 2, n, n) in angstrom.
    distance
        Layer distance (n, n) in angstrom.
    to_stacking
        Linear map (2, 2): tau0 - tau0(0) = r @ to_stacking, in the axes of the mean orientation.
    """

    displacement: np.ndarray
    distance: np.ndarray
    to_stacking: np.ndarray

    @property
    def points(self) -> int:
        """Points of the grid along each vector of a period."""
        return self.distance.shape[0]

    @property
    def displacement_gradient(self) -> np.ndarray:
        """Derivatives (layer, 2, 2, n, n) of the displacement: d u_i / d r_j."""
        return np.moveaxis(_derivatives(self.displacement, self.to_stacking), 0, 2)

    @property
    def distance_gradient(self) -> np.ndarray:
        """Derivatives (2, n, n) of the layer distance with respect to the place."""
        return _derivatives(self.distance, self.to_stacking)

    @property
    def distance_curvature(self) -> np.ndarray:
        """Laplacian (n, n) of the layer distance with respect to the place, in 1/angstrom."""
        q2 = (wave_vectors(self.points, self.to_stacking) ** 2).sum(axis=0)
        return np.fft.ifft2(-q2 * np.fft.fft2(self.distance)).real

    @classmethod
    def from_file(cls, path: str | Path) -> "Relaxation":
        """Read a file of `relax_bilayer`."""
        names = "displacement", "distance", "to_stacking"
        ds = read_netcdf(path, *names)
        return cls(*(ds[name].values for name in names))

    def to_dataset(self) -> xr.Dataset:
        """Return the fields as a data set."""
        grid = "t1", "t2"
        n = self.distance.shape[0]
        ds = xr.Dataset(coords={"layer": list(LAYERS), "component": ["x", "y"]})
        ds["displacement"] = ("layer", "component", *grid), self.displacement
        ds["displacement"].attrs.update(
            units="angstrom", long_name="in-plane displacement of the layers"
        )
        ds["distance"] = grid, self.distance
        ds["distance"].attrs.update(units="angstrom", long_name="layer distance")
        ds["to_stacking"] = ("component", "stacking"), self.to_stacking
        ds["to_stacking"].attrs.update(
            units="angstrom-1", long_name="derivative of the rigid stacking by the place"
        )
        for axis in grid:
            ds[axis] = axis, np.arange(n) / n
            ds[axis].attrs.update(units="1", long_name="rigid stacking, fraction of a vector")
        return ds


def relaxed(
    bilayer: Bilayer,
    stackings: Stackings,
    monolayer: Monolayer,
    relaxation: Relaxation | None = None,
) -> Bilayer:
    """Return a rigid bilayer with the atoms and the local geometry of the relaxed one.

    Parameters
    ----------
    bilayer
        Rigid, flat bilayer of `build` or `sample`.
    stackings
        Layer distance and rumpling of translated bilayers.
    monolayer
        Constants of a layer, for the internal displacement in strained layers.
    relaxation
        Relaxed fields of a moire; none for a translated bilayer.

    Returns
    -------
    Bilayer
        A copy with displaced atoms, the local geometry of its sites (`Bilayer.set_local_geometry`)
        and their relief (`Bilayer.set_relief`). The relief has the separations in the plane only:
        the rumpling belongs to the relaxed heights of the stacking.
    """
    tau, layers = bilayer.stacking_at(bilayer.positions[:, :2]), bilayer.layer
    n, side = len(tau), np.where(bilayer.layer == UPPER, 1.0, -1.0)
    lattices = np.broadcast_to(bilayer.lattices, (n, *bilayer.lattices.shape))
    displacement, slope, curvature = np.zeros((n, 3)), np.zeros((n, 2)), np.zeros(n)
    if relaxation is None:
        distance = stackings.at("distance", tau)
    else:
        turn = bilayer.mean_orientation[:2, :2]
        u = at_stackings(relaxation.displacement, tau) @ turn.T
        inverse = np.linalg.inv(bilayer.lattices)
        tau0, tau = tau, (tau + u[:, UPPER] @ inverse[UPPER] - u[:, LOWER] @ inverse[LOWER]) % 1.0
        # A lattice vector a becomes a + (a.grad) u.
        deformed = at_stackings(relaxation.displacement_gradient, tau0)
        lattices = bilayer.lattices @ np.swapaxes(np.eye(2) + turn @ deformed @ turn.T, -1, -2)
        distance = at_stackings(relaxation.distance, tau0)
        displacement[:, :2] = u[np.arange(n), layers]
        slope = side[:, None] / 2 * at_stackings(relaxation.distance_gradient, tau0) @ turn.T
        curvature = side / 2 * at_stackings(relaxation.distance_curvature, tau0)
    found = bilayer.copy()
    sites = bilayer.is_site
    geometry = LocalGeometry(tau, lattices, distance)
    half = np.where(sites, 0.5, -0.5)
    rumpling = stackings.at("rumpling", tau)[np.arange(n), layers]
    displacement[:, 2] = side * (distance - bilayer.layer_distance_A) / 2 + half * rumpling
    polar = monolayer.internal_displacement_A * polar_strain_of_layers(
        geometry, bilayer.reference_lattice_constant_A, layers, bilayer.family
    )
    displacement[:, :2] += half[:, None] * polar
    found.set_local_geometry(LocalGeometry(tau[sites], lattices[sites], distance[sites]))
    separation = np.column_stack([polar[sites], np.zeros(len(polar[sites]))])
    found.set_relief(Relief(slope[sites], curvature[sites], separation))
    found.info["relaxed_heights"] = True
    found.displace(displacement)
    return found


def relaxed_from_files(
    bilayer: Bilayer,
    stackings: str | Path,
    monolayer: str | Path,
    relaxation: str | Path | Sequence = (),
) -> Bilayer:
    """Return `relaxed` with the files of `fit_stackings`, `compute_monolayer`, `relax_bilayer`.

    A translated bilayer has no file of the last rule.
    """
    fields = Relaxation.from_file(str(relaxation)) if relaxation else None
    constants = Monolayer.from_file(monolayer)
    return relaxed(bilayer, Stackings.from_file(stackings), constants, fields)


def polar_strain_of_layers(
    geometry: LocalGeometry, lattice_constant_A: float, layers: np.ndarray, family: str
) -> np.ndarray:
    """Return the vector v of `moirepol.physics.monolayer` for the strain of the own layer.

    Parameters
    ----------
    geometry
        Local geometry at m places.
    lattice_constant_A
        Lattice constant that the strains refer to.
    layers
        Layer (m,) of each place.
    family
        Stacking family. The upper layer of AA' is rotated by 180 degrees, which reverses v.

    Returns
    -------
    ndarray
        v (m, 2).
    """
    gradients = geometry.gradients(lattice_constant_A)
    own = np.where(layers[:, None] == LOWER, gradients[:, :3], gradients[:, 3:6])
    strain = np.stack([own[:, [0, 2]], own[:, [2, 1]]], axis=1)
    sign = np.where((layers == UPPER) & (stacking_of(family) == "AAp"), -1.0, 1.0)
    turned = geometry.orientations[:, :2, :2]
    return np.einsum("mij,mj->mi", turned, sign[:, None] * polar_strain(strain))


def at_stackings(field: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Interpolate a periodic field on a grid of stackings.

    Parameters
    ----------
    field
        Field (..., n, n) at (i/n, j/n).
    tau
        Stackings (m, 2).

    Returns
    -------
    ndarray
        Values (m, ...), by cubic splines.
    """
    from scipy.ndimage import map_coordinates  # slow to import, rigid layers do not need it

    n = field.shape[-1]
    places = (np.asarray(tau) % 1.0).T * n
    flat = field.reshape(-1, n, n)
    values = [map_coordinates(part, places, order=3, mode="grid-wrap") for part in flat]
    return np.array(values).T.reshape(len(tau), *field.shape[:-2])


def wave_vectors(n: int, to_stacking: np.ndarray) -> np.ndarray:
    """Return the wave vectors (2, n, n) in 1/angstrom of the waves of a grid of stackings."""
    k = np.array(np.meshgrid(*2 * [np.fft.fftfreq(n, 1 / n)], indexing="ij"))
    return 2 * np.pi * np.einsum("ij,jab->iab", to_stacking, k)


def _derivatives(field, to_stacking):
    """Return the derivatives (2, ..., n, n) of a field (..., n, n) along x and y."""
    n = field.shape[-1]
    q = wave_vectors(n, to_stacking)
    if n % 2 == 0:  # the sign of the shortest wave is not defined
        q[:, n // 2], q[:, :, n // 2] = 0, 0
    waves = np.fft.fft2(field)
    return np.array([np.fft.ifft2(1j * each * waves).real for each in q])
