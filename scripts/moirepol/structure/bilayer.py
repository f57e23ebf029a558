"""`Bilayer`: two layers of one material, with the data that the physics needs.

A `Bilayer` is an `ase.Atoms` with typed properties. `Bilayer.from_atoms` and `Bilayer.to_atoms`
convert from and to plain `ase.Atoms`. Other modules read structural data from these properties, not
from `Atoms.info`.

Layers are numbered `LOWER` = 0 and `UPPER` = 1. Lattice vectors are rows. The local stacking at a
place r, in fractions of the primitive vectors, is

    tau(r) = (r - o_lower) A_lower^-1 - (r - o_upper) A_upper^-1   (mod 1),

with A the lattice of a layer and o its origin, a hexagon centre.
"""

import numpy as np
from ase import Atoms

from moirepol.structure.conventions import HIGH_SYMMETRY, LOWER, UPPER
from moirepol.structure.local_geometry import LocalGeometry, Relief
from moirepol.structure.material import Material, load_material
from moirepol.structure.names import System, material_of

#: Largest difference of heights, in angstrom, within a part of a layer that counts as flat.
FLATNESS_A = 1e-3
_NEEDED = ("name", "layer_cell", "layer_origin")


class Bilayer(Atoms):
    """Two layers with their lattices, origins, stacking family, dipole sites and field.

    Atoms carry the array ``layer`` and may carry ``dipole`` (n, 3) in e.angstrom (NaN where there
    is no dipole site), further arrays of `moirepol.structure.frames`, and ``displacement`` (n, 3)
    in angstrom from the rigid lattices. Deformed layers also have the arrays of the local geometry
    (`set_local_geometry`).
    """

    @classmethod
    def from_atoms(
        cls,
        atoms: Atoms,
        *,
        name: str | None = None,
        family: str | None = None,
        lattices: np.ndarray | None = None,
        origins: np.ndarray | None = None,
        field_V_per_A: float | None = None,
        material: str | None = None,
    ) -> "Bilayer":
        """Make a bilayer of `ase.Atoms` with the array ``layer``.

        Parameters
        ----------
        atoms
            Periodic structure; copied. What is not given below is taken from ``atoms.info``.
        name
            Canonical name of the system, `moirepol.structure.names`.
        family
            Stacking family.
        lattices
            Primitive vectors (layer, vector, xy) of the rigid layers in angstrom.
        origins
            A hexagon centre (layer, xy) of each layer in angstrom.
        field_V_per_A
            Electric field along +z in V/angstrom.
        material
            Name of the material, if it is not that of the family.

        Returns
        -------
        Bilayer
            The bilayer.

        Raises
        ------
        ValueError
            In one line, if the atoms lack their layers or a datum.
        """
        bilayer = cls(cell=atoms.cell, pbc=atoms.pbc, info=dict(atoms.info))
        bilayer.arrays = {key: values.copy() for key, values in atoms.arrays.items()}
        given = {
            "name": name,
            "family": family,
            "layer_cell": lattices,
            "layer_origin": origins,
            "field_V_per_A": field_V_per_A,
            "material": material,
        }
        bilayer.info.update({key: value for key, value in given.items() if value is not None})
        if "layer" not in bilayer.arrays:
            raise ValueError("the atoms have no array 'layer'; allowed is 0 (lower) or 1 (upper)")
        if missing := [key for key in _NEEDED if key not in bilayer.info]:
            raise ValueError(f"the atoms lack {missing[0]}; needed are {', '.join(_NEEDED)}")
        return bilayer

    def to_atoms(self) -> Atoms:
        """Return a plain `ase.Atoms` with the same arrays and ``info``."""
        atoms = Atoms(cell=self.cell, pbc=self.pbc, info=dict(self.info))
        atoms.arrays = {name: values.copy() for name, values in self.arrays.items()}
        return atoms

    @property
    def name(self) -> str:
        """Canonical name of the system."""
        return self.info["name"]

    @name.setter
    def name(self, name: str) -> None:
        self.info["name"] = name

    @property
    def system(self) -> System:
        """The system of this name."""
        return System.parse(self.name)

    @property
    def family(self) -> str:
        """Stacking family."""
        return self.info.get("family") or self.system.family

    @property
    def material(self) -> Material:
        """The material of the layers."""
        return load_material(self.info.get("material") or material_of(self.family))

    @property
    def field_V_per_A(self) -> float:
        """Electric field along +z in V/angstrom."""
        return self.info.get("field_V_per_A", 0.0)

    @field_V_per_A.setter
    def field_V_per_A(self, field: float) -> None:
        self.info["field_V_per_A"] = field

    @property
    def image_distance_A(self) -> float:
        """Distance in angstrom of the periodic images along z whose field the dipoles contain.

        It is infinite without images.
        """
        return self.info.get("image_distance_A", np.inf)

    @image_distance_A.setter
    def image_distance_A(self, distance: float) -> None:
        self.info["image_distance_A"] = distance

    @property
    def lattices(self) -> np.ndarray:
        """Primitive vectors (layer, vector, xy) of the rigid layers in angstrom."""
        return np.asarray(self.info["layer_cell"])

    @property
    def site_lattices(self) -> np.ndarray:
        """Primitive vectors (layer, vector, xy) in angstrom of the lattice of the dipole sites.

        They are those of the layers, or those of the grid of a bilayer made by `building.sample`.
        """
        return np.asarray(self.info.get("site_cell", self.lattices))

    @property
    def origins(self) -> np.ndarray:
        """A hexagon centre (layer, xy) of each layer in angstrom."""
        return np.asarray(self.info["layer_origin"])

    @property
    def cell_2d(self) -> np.ndarray:
        """In-plane cell vectors (2, 2) in angstrom."""
        return np.asarray(self.cell)[:2, :2]

    @property
    def layer(self) -> np.ndarray:
        """Layer (n,) of every atom."""
        return self.arrays["layer"]

    @property
    def displacement(self) -> np.ndarray:
        """Displacement (n, 3) in angstrom of every atom from the rigid, flat layers."""
        return self.arrays.get("displacement", np.zeros((len(self), 3)))

    def displace(self, displacement: np.ndarray) -> None:
        """Move every atom by a displacement (n, 3) in angstrom from the rigid, flat layers."""
        self.positions = self.positions - self.displacement + displacement
        self.arrays["displacement"] = np.array(displacement)

    @property
    def rigid_positions(self) -> np.ndarray:
        """Positions (n, 3) in angstrom of the atoms of the rigid, flat layers."""
        return self.positions - self.displacement

    @property
    def areas(self) -> np.ndarray:
        """Area (layer,) of each layer's primitive cell in angstrom^2."""
        return np.abs(np.linalg.det(self.lattices))

    @property
    def reference_lattice_constant_A(self) -> float:
        """Lattice constant in angstrom that the strains of the layers refer to.

        It is the lattice constant of the layer that the system's geometry leaves unstrained. A
        structure without a system has it in ``info``.
        """
        if (given := self.info.get("reference_lattice_constant_A")) is not None:
            return given
        unstrained = LOWER if self.system.geometry == "shear" else UPPER
        return float(np.linalg.norm(self.lattices[unstrained][0]))

    @property
    def orientations_deg(self) -> np.ndarray:
        """Angle (layer,) of each layer's lattice from a1 along x, by polar decomposition."""
        return np.degrees(self._polar_decomposition[0])

    @property
    def strains(self) -> np.ndarray:
        """Strain (layer, xy, xy) of each layer from the reference lattice, by polar decomposition.

        The axes are those of a lattice with a1 along x.
        """
        return self._polar_decomposition[1]

    @property
    def _polar_decomposition(self) -> tuple[np.ndarray, np.ndarray]:
        """Angle (layer,) in radian and strain (layer, xy, xy) of each layer: F = R (1 + strain)."""
        mean = LocalGeometry(np.zeros((1, 2)), self.lattices[None], np.zeros(1))
        angles, strains = mean.polar_decomposition(self.reference_lattice_constant_A)
        return angles[0], strains[0]

    @property
    def mean_orientation(self) -> np.ndarray:
        """Rotation (3, 3) of column vectors from a lattice with a1 along x to the mean of both."""
        angle = np.radians(self.orientations_deg.mean())
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])

    @property
    def is_flat(self) -> bool:
        """Whether all atoms of each layer have the heights of the material's basis."""
        for layer in (LOWER, UPPER):
            chosen = self.layer == layer
            if chosen.any() and np.ptp(self.positions[chosen, 2] - self._heights(chosen)) > (
                FLATNESS_A
            ):
                return False
        return True

    def _heights(self, chosen: np.ndarray) -> np.ndarray:
        """Height of the basis atom nearest to each chosen atom, from the middle of its layer."""
        basis = self.material.basis
        z = self.positions[chosen, 2]
        above = z - z.mean() + np.mean([atom.height_A for atom in basis])
        heights = np.zeros(len(z))
        symbols = np.array(self.symbols)[chosen]
        for symbol in set(symbols) & set(self.material.species):
            known = np.array([atom.height_A for atom in basis if atom.species == symbol])
            own = symbols == symbol
            heights[own] = (
                known[np.abs(above[own, None] - known).argmin(axis=1)] if len(known) else 0
            )
        return heights

    @property
    def layer_distance_A(self) -> float:
        """Difference of the mean heights of the layers in angstrom."""
        z = self.positions[:, 2]
        return float(z[self.layer == UPPER].mean() - z[self.layer == LOWER].mean())

    @property
    def template_distance_A(self) -> float:
        """Layer distance in angstrom of the flat bilayers at which networks are evaluated.

        It is that of the bilayer, unless a term adds the change with the heights of the atoms.
        """
        return self.info.get("template_distance_A", self.layer_distance_A)

    # Dipole sites

    @property
    def is_site(self) -> np.ndarray:
        """Whether each atom is a dipole site: (n,)."""
        return self.numbers == self.material.site_number

    @property
    def sites(self) -> np.ndarray:
        """Indices (m,) of the dipole sites."""
        return np.flatnonzero(self.is_site)

    def sites_of(self, layer: int) -> np.ndarray:
        """Return the indices of the dipole sites of a layer."""
        return np.flatnonzero(self.is_site & (self.layer == layer))

    @property
    def site_layers(self) -> np.ndarray:
        """Layer (m,) of every dipole site."""
        return self.layer[self.is_site]

    @property
    def site_positions(self) -> np.ndarray:
        """Positions (m, 3) of the dipole sites in angstrom."""
        return self.positions[self.is_site]

    @property
    def site_signs(self) -> np.ndarray:
        """+1 (m,) for the dipole sites of the upper layer, -1 for those of the lower."""
        return np.where(self.site_layers == UPPER, 1.0, -1.0)

    @property
    def dipoles(self) -> np.ndarray:
        """Dipoles (m, 3) of the sites in e.angstrom."""
        return self.arrays["dipole"][self.is_site]

    def set_site_array(self, name: str, values: np.ndarray) -> None:
        """Store values (m, ...) of the dipole sites as an array of all atoms, NaN elsewhere."""
        array = np.full((len(self), *np.shape(values)[1:]), np.nan)
        array[self.is_site] = values
        self.arrays.pop(name, None)
        self.set_array(name, array)

    # Local stacking

    def stacking_at(self, xy: np.ndarray) -> np.ndarray:
        """Return the local stacking of the rigid layers.

        Parameters
        ----------
        xy
            Places (..., 2) in angstrom.

        Returns
        -------
        ndarray
            tau (..., 2) in [0, 1), in fractions of (a1, a2).
        """
        lower, upper = (
            (np.asarray(xy) - origin) @ np.linalg.inv(lattice)
            for origin, lattice in zip(self.origins, self.lattices, strict=True)
        )
        return (lower - upper) % 1.0

    @property
    def is_deformed(self) -> bool:
        """Whether the layers have a local geometry of their own: they are not rigid and flat."""
        return "local_stacking" in self.arrays

    @property
    def is_relaxed(self) -> bool:
        """Whether the layers are those of `moirepol.physics.relaxation.relaxed`."""
        return bool(self.info.get("relaxed_heights"))

    @property
    def has_relief(self) -> bool:
        """Whether slope, curvature and separation of the layers are stored (`set_relief`)."""
        return "local_slope" in self.arrays

    def set_relief(self, relief: Relief) -> None:
        """Store the relief of the own layer at the m dipole sites."""
        self.set_site_array("local_slope", relief.slopes)
        self.set_site_array("local_curvature", relief.curvatures_per_A)
        self.set_site_array("local_separation", relief.separations_A)

    @property
    def relief(self) -> Relief:
        """Relief of the own layer at the m dipole sites."""
        names = "local_slope", "local_curvature", "local_separation"
        return Relief(*(self.arrays[name][self.is_site] for name in names))

    @property
    def local_geometry(self) -> LocalGeometry:
        """Local geometry at the m dipole sites, that of rigid layers unless it is stored."""
        if self.is_deformed:
            names = "local_stacking", "local_lattice", "local_distance"
            return LocalGeometry(*(self.arrays[name][self.is_site] for name in names))
        places = self.site_positions[:, :2]
        lattices = np.broadcast_to(self.lattices, (len(places), *self.lattices.shape))
        distances = np.full(len(places), self.layer_distance_A)
        return LocalGeometry(self.stacking_at(places), lattices, distances)

    def set_local_geometry(self, geometry: LocalGeometry) -> None:
        """Store the local geometry at the m dipole sites; every term of a prediction uses it."""
        self.set_site_array("local_stacking", geometry.stackings)
        self.set_site_array("local_lattice", geometry.lattices)
        self.set_site_array("local_distance", geometry.distances_A)

    @property
    def pattern_2d(self) -> np.ndarray:
        """Vectors (2, 2) as rows, in angstrom, along which the local stacking changes by 1."""
        inverse = np.linalg.inv(self.lattices)
        return np.linalg.inv(inverse[LOWER] - inverse[UPPER])

    @property
    def site_stackings(self) -> np.ndarray:
        """Local stacking tau (m, 2) at every dipole site."""
        return self.local_geometry.stackings

    def stacking_points(self) -> dict[str, np.ndarray]:
        """Return where each stacking of `HIGH_SYMMETRY` is in a moiré cell.

        Returns
        -------
        dict
            Letter -> place (2,) in angstrom inside the cell.

        Raises
        ------
        ValueError
            If the cell does not contain all stackings.
        """
        inverse = np.linalg.inv(self.lattices)
        slope = inverse[LOWER] - inverse[UPPER]
        if abs(np.linalg.det(slope)) < 1e-12:
            raise ValueError(f"{self.name} is no moiré cell: it does not contain all stackings")
        shift = -self.origins[LOWER] @ inverse[LOWER] + self.origins[UPPER] @ inverse[UPPER]
        points = {}
        for letter, tau in HIGH_SYMMETRY.items():
            place = (np.array(tau) - shift) @ np.linalg.inv(slope)
            fraction = place @ np.linalg.inv(self.cell_2d)
            points[letter] = ((fraction + 1e-9) % 1.0 - 1e-9) @ self.cell_2d
        return points
