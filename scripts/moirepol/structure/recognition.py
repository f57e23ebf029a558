"""Recognize a bilayer in the coordinates of its atoms alone.

The atoms may have any order and any periodic image. The cell may have any orientation, with the
vacuum along any of its vectors. Nothing but positions, species and cell is used:

1. The largest empty interval along a cell vector is the vacuum. z is normal to the other two
   vectors and points along the first one. The upper layer lies above the lower one along z.
2. Two atoms that are closer than the longest bond of the material are bonded. Each atom has the
   bonds of the material. The bonds connect the atoms of exactly two layers.
3. The bonds of a layer have three directions. A walk along them counts the lattice coordinate of
   each atom. Every closed walk must lead back to the same coordinate. It follows which integer
   superlattice the cell is, and from it the mean lattice of the layer.
4. Each lattice has three equivalent orientations. The smallest angle between the lattices of both
   layers is the twist. The family is parallel (AA) if the two layers have the same kind of atom at
   the same place of their cells, otherwise antiparallel (AA').
5. The in-plane cell vectors are replaced by those along which the local stacking changes by a1 and
   a2, if the cell contains one period of the pattern.

The local geometry is that of `moirepol.structure.local_geometry`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from ase import Atoms
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, PRIMITIVE, UPPER
from moirepol.structure.local_geometry import LayerField, Relief, local_geometry
from moirepol.structure.material import DEFAULT_MATERIAL, Material, load_material
from moirepol.structure.names import split_own_name
from moirepol.structure.periodic import images_within, wrapped

#: Smallest vacuum in angstrom: above the largest layer distance that a name may have.
MINIMUM_VACUUM_A = 6.0
#: Vacuum in angstrom of the cell that a bilayer gets.
VACUUM_A = 20.0
#: Two atoms that are closer than this fraction of the free bond overlap.
OVERLAP = 0.6
#: Largest angle in degrees between a bond and its direction in the mean lattice.
LARGEST_BOND_ANGLE_DEG = 25.0
#: Steps in thirds of (a1, a2) along a bond from the first to the second atom of the basis, by
#: direction: at 30, 150 and 270 degrees from a1.
STEPS = np.array([[1, 1], [-2, 1], [1, -2]])
#: Lattice vectors after a rotation by 120 degrees, in the vectors before it.
THIRD = np.array([[-1, 1], [-1, 0]])


@dataclass(frozen=True)
class Recognized:
    """A bilayer that was recognized in a structure.

    Attributes
    ----------
    structure
        The atoms as they were given.
    bilayer
        The bilayer with the local geometry at its sites. Its atoms have the order of the structure.
    rotation
        Rotation (3, 3) of column vectors from the structure to the bilayer.
    layers
        The layers as functions of the place.
    n_periods
        Number of periods of the pattern in the cell; 0 if it does not contain all stackings.
    """

    structure: Atoms
    bilayer: Bilayer
    rotation: np.ndarray
    layers: tuple[LayerField, LayerField]
    n_periods: int

    def sample(self, points_per_period: int) -> Bilayer:
        """Sample the bilayer on a regular grid: a dipole site of each layer at each point.

        Parameters
        ----------
        points_per_period
            Points along each vector of a period of the moire pattern.

        Returns
        -------
        Bilayer
            Sites alone, as of `moirepol.structure.building.sample`. A stacking G of the mean
            lattices is at its origin. ``info["origin"]`` is the place of that point in the bilayer.

        Raises
        ------
        ValueError
            If the cell does not contain all stackings.
        """
        own = self.bilayer
        origin = own.stacking_points()["G"]
        cell = own.cell_2d
        n = points_per_period * max(1, ceil(sqrt(self.n_periods)))
        points = np.indices((n, n)).reshape(2, -1).T @ cell / n
        height = own.cell.array[2, 2] / 2 + np.repeat([-0.5, 0.5], len(points)) * (
            own.layer_distance_A
        )
        species = own.material.dipole_site.species
        positions = np.column_stack([np.tile(points, (2, 1)), height])
        atoms = Atoms([species] * len(height), positions, cell=own.cell, pbc=True)
        atoms.set_array("layer", np.repeat([LOWER, UPPER], len(points)))
        atoms.info = {
            **own.info,
            "layer_origin": own.origins - origin,
            "site_cell": np.stack([cell / n, cell / n]),
            "origin": origin,
        }
        sampled = Bilayer.from_atoms(atoms)
        places = np.tile(points + origin, (2, 1))
        sampled.set_local_geometry(local_geometry(self.layers, places))
        sampled.set_relief(
            by_layer(sampled.site_layers, lambda own, here: self.layers[own].relief(places[here]))
        )
        return sampled

    def in_structure_frame(self, vectors: np.ndarray) -> np.ndarray:
        """Rotate vectors (..., 3) of the bilayer into the frame of the structure."""
        return vectors @ self.rotation

    @property
    def area_strains_percent(self) -> tuple[float, float]:
        """Smallest and largest local biaxial strain of a layer, in percent of the free layer."""
        free = self.bilayer.info["free_lattice_constant_A"]
        strains = 100 * self.bilayer.local_geometry.area_strains(free)
        return float(strains.min()), float(strains.max())

    @property
    def distances_A(self) -> tuple[float, float]:
        """Smallest and largest local layer distance in angstrom."""
        distances = self.bilayer.local_geometry.distances_A
        return float(distances.min()), float(distances.max())

    @property
    def roughness_A(self) -> tuple[float, int]:
        """Largest distance in angstrom of an atom from its smooth sublattice, and its index."""
        own = self.bilayer
        rough = np.zeros((len(own), 3))
        for layer, smooth in enumerate(self.layers):
            here = own.layer == layer
            coordinates, lattices, heights = smooth.at(own.positions[here, :2])
            step = (own.displacement[here, :2] - own.positions[here, :2] + smooth.origin) @ (
                np.linalg.inv(smooth.lattice)
            ) + coordinates
            step -= np.rint(step)
            rough[here, :2] = np.einsum("ni,nij->nj", step, lattices)
            rough[here, 2] = own.displacement[here, 2] - (heights - smooth.height)
            half = np.where(own.is_site[here], 0.5, -0.5)
            separations = smooth.relief(own.positions[here, :2]).separations_A
            rough[here] -= half[:, None] * separations
        away = np.linalg.norm(rough, axis=1)
        return float(away.max()), int(away.argmax())

    @property
    def twist_angle_deg(self) -> float:
        """Twist angle of the mean lattices in degrees, counter-clockwise."""
        return float(np.diff(self.bilayer.orientations_deg)[0])

    @property
    def description(self) -> str:
        """Description of the bilayer for readers."""
        own = self.bilayer
        parallel = "parallel" if own.family == "AA" else "antiparallel"
        low, high = self.distances_A
        apart = f"{low:.3f}" if high - low < 5e-4 else f"{low:.3f} to {high:.3f}"
        eta = 1 - sqrt(own.areas[LOWER] / own.areas[UPPER])
        parts = [f"structure {own.name}", f"{parallel} layers ({own.family})"]
        if abs(self.twist_angle_deg) > 5e-4:
            parts.append(f"twisted by {self.twist_angle_deg:.3f}°")
        if abs(eta) > 5e-5:
            parts.append(f"mismatch η = {eta:+.4f}")
        parts.append(f"layers {apart} Å apart")
        if own.field_V_per_A:
            parts.append(f"field {own.field_V_per_A:+g} V/Å")
        return ", ".join([*parts, f"{len(own)} atoms"])


def read_structure(path: str | Path) -> Atoms:
    """Read the last structure of a file of any format that ASE reads.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Atoms
        The structure.

    Raises
    ------
    ValueError
        In one line, if there is no such file, or if ASE cannot read it.
    """
    from ase.io import read  # slow to import, and systems with a name do not need it

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    # ASE knows LAMMPS data files by their format alone, not by their name.
    is_lammps = b" xlo xhi" in path.read_bytes()[:4096]
    try:
        found = read(path, index=-1, format="lammps-data" if is_lammps else None)
    except Exception as error:  # every format of ASE raises its own
        words = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} is no structure that ASE reads ({words[:200]})") from None
    if not isinstance(found, Atoms) or len(found) == 0:
        raise ValueError(f"{path} contains no atoms")
    return found


def recognize_file(path: str | Path, name: str, lattice_constant_A: float) -> Recognized:
    """Recognize the bilayer in the last structure of a file.

    Parameters
    ----------
    path
        The file.
    name
        Name of the bilayer; it contains the field.
    lattice_constant_A
        Lattice constant of the free layer in angstrom.

    Returns
    -------
    Recognized
        The bilayer.

    Raises
    ------
    JobError
        In one line, if the file contains no bilayer.
    """
    _, field = split_own_name(name)
    try:
        return recognize(read_structure(path), name, lattice_constant_A, field)
    except ValueError as error:
        raise JobError(f"{name}: {error}") from None


def recognize(
    atoms: Atoms,
    name: str,
    lattice_constant_A: float,
    field_V_per_A: float = 0.0,
    material: str = DEFAULT_MATERIAL,
) -> Recognized:
    """Recognize a bilayer in a structure.

    Parameters
    ----------
    atoms
        Any periodic structure; only species, positions and cell are used.
    name
        Name that the bilayer gets.
    lattice_constant_A
        Lattice constant of the free layer in angstrom. Strains refer to the layer whose mean
        lattice constant is closest to it.
    field_V_per_A
        Electric field from the lower to the upper layer in V/angstrom.
    material
        Name of the material.

    Returns
    -------
    Recognized
        The bilayer.

    Raises
    ------
    ValueError
        In one line, if the structure is no bilayer of the material: what is wrong, its value, what
        is allowed.
    """
    kind = load_material(material)
    _check_species(atoms, kind)
    positions, cell, rotation = _upright(atoms)
    height = positions[:, 2]
    first, second, vectors, shifts = _bonds(atoms, positions, cell, kind)
    graph = coo_array((np.ones(len(first)), (first, second)), (len(atoms), len(atoms))).tocsr()
    count, part = connected_components(graph, directed=False)
    if count != 2:
        raise ValueError(f"{count} layer{'s' if count != 1 else ''}: allowed are 2")
    upper = int(height[part == 1].mean() > height[part == 0].mean())
    layer = np.where(part == upper, UPPER, LOWER)

    found: list[tuple[np.ndarray, np.ndarray]] = []
    supercells = []
    for own in (LOWER, UPPER):
        here = layer[first] == own
        bonds = first[here], second[here], vectors[here], shifts[here]
        coordinates, lattice, supercell = _lattice(own, layer, bonds, atoms, cell, kind)
        if own == UPPER:
            family, turn = _nearest_orientation(lattice, found[LOWER][1])
            coordinates, lattice = coordinates @ np.linalg.inv(turn), turn @ lattice
            supercell = np.rint(supercell @ np.linalg.inv(turn)).astype(int)
        found.append((coordinates, lattice))
        supercells.append(supercell)
    pattern = supercells[LOWER] - supercells[UPPER]
    n_periods = abs(round(np.linalg.det(pattern)))
    if n_periods == 1:
        cell = np.linalg.inv(pattern) @ cell
        cell = cell if np.linalg.det(cell) > 0 else cell[::-1]

    separations = _separations(first, second, vectors, len(atoms), kind)
    layers = [
        LayerField(positions[layer == own], coordinates, lattice, cell, separations[layer == own])
        for own, (coordinates, lattice) in enumerate(found)
    ]
    displacement = np.zeros((len(atoms), 3))
    for own in (LOWER, UPPER):
        displacement[layer == own] = layers[own].displacement
    box = np.zeros((3, 3))
    box[:2, :2], box[2, 2] = cell, np.ptp(height) + VACUUM_A
    middle = np.append(np.zeros(2), box[2, 2] / 2 - (height.max() + height.min()) / 2)
    standing = Atoms(atoms.numbers, positions + middle, cell=box, pbc=True)
    standing.set_array("layer", layer)
    standing.set_array("displacement", displacement)
    lattices = np.stack([one.lattice for one in layers])
    constants = np.sqrt(np.linalg.det(lattices) / np.linalg.det(PRIMITIVE))
    away = np.abs(constants - lattice_constant_A)
    nearest = LOWER if away[LOWER] < away[UPPER] - 1e-6 else UPPER
    standing.info["reference_lattice_constant_A"] = float(constants[nearest])
    standing.info["free_lattice_constant_A"] = lattice_constant_A
    bilayer = Bilayer.from_atoms(
        standing,
        name=name,
        family=family,
        lattices=lattices,
        origins=np.stack([one.origin for one in layers]),
        field_V_per_A=field_V_per_A,
        material=None if material == DEFAULT_MATERIAL else material,
    )
    both = layers[LOWER], layers[UPPER]
    bilayer.set_local_geometry(local_geometry(both, bilayer.site_positions[:, :2]))
    sites = bilayer.sites
    bilayer.set_relief(
        by_layer(
            bilayer.site_layers,
            lambda own, here: both[own].relief_at_sites(
                bilayer.site_positions[here, :2], separations[sites[here]]
            ),
        )
    )
    return Recognized(atoms, bilayer, rotation, both, n_periods)


def by_layer(layers: np.ndarray, relief: Callable[[int, np.ndarray], Relief]) -> Relief:
    """Collect the relief of both layers at sites.

    Parameters
    ----------
    layers
        Layer (m,) of each site.
    relief
        Function: layer, indices of its sites -> their relief.

    Returns
    -------
    Relief
        Relief at the m sites.
    """
    n = len(layers)
    found = Relief(np.empty((n, 2)), np.empty(n), np.empty((n, 3)))
    for own in (LOWER, UPPER):
        here = np.flatnonzero(layers == own)
        part = relief(own, here)
        for name in ("slopes", "curvatures_per_A", "separations_A"):
            getattr(found, name)[here] = getattr(part, name)
    return found


def _separations(first, second, vectors, n, material):
    """Displacement (n, 3) of the dipole site against its bonds, at every atom."""
    found = np.zeros((n, 3))
    for ends in (first, second):
        np.add.at(found, ends, vectors)
    sign = 1.0 if material.basis[1].species == material.dipole_site.species else -1.0
    return sign * found / material.dipole_site.bonded.number


def _check_species(atoms: Atoms, material: Material) -> None:
    if len(atoms) == 0:
        raise ValueError("no atoms: allowed are the atoms of two layers")
    if not np.isfinite(atoms.positions).all():
        wrong = int(np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))[0])
        raise ValueError(f"the position of atom {wrong} is not a number: {atoms.positions[wrong]}")
    foreign = sorted(set(atoms.get_chemical_symbols()) - set(material.species))
    if foreign:
        allowed = " and ".join(material.species)
        raise ValueError(f"atoms of {', '.join(foreign)}: allowed are {allowed}")


def _upright(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (n, 3) with the layers normal to z and in one piece, in-plane cell, rotation."""
    given = np.asarray(atoms.cell)
    lengths = np.linalg.norm(given, axis=1)
    if (lengths > 0).sum() < 2:
        raise ValueError("no periodic cell: allowed are at least two cell vectors")
    box = np.asarray(atoms.cell.complete())
    if not np.isfinite(box).all() or abs(np.linalg.det(box)) < 1e-3:
        raise ValueError(f"a cell of volume {abs(np.linalg.det(box)):.3g} Å³: allowed is above 0")
    if (lengths == 0).any():
        box[lengths == 0] *= np.ptp(atoms.positions @ box[lengths == 0][0]) + VACUUM_A
    scaled = atoms.positions @ np.linalg.inv(box)
    heights = 1 / np.linalg.norm(np.linalg.inv(box), axis=0)
    gaps, starts = np.zeros(3), np.zeros(3)
    for axis in range(3):
        places = np.sort(scaled[:, axis] % 1.0)
        empty = np.diff(places, append=places[0] + 1)
        gaps[axis] = empty.max() * heights[axis]
        starts[axis] = places[(empty.argmax() + 1) % len(places)]
    axis = int(gaps.argmax())
    if gaps[axis] < MINIMUM_VACUUM_A:
        raise ValueError(
            f"a vacuum of {gaps[axis]:.2f} Å: allowed is at least {MINIMUM_VACUUM_A:g} Å"
        )
    plane, normal = [(axis + 1) % 3, (axis + 2) % 3], box[axis]
    up = np.cross(*box[plane])
    if up @ normal < 0:
        plane, up = plane[::-1], -up
    # Half of the vacuum below the layers: rounding at its end cannot move an atom across.
    below = starts[axis] - gaps[axis] / heights[axis] / 2
    moved = np.floor(scaled[:, axis] - below)
    positions = atoms.positions - moved[:, None] * normal
    up /= np.linalg.norm(up)
    rotation = np.eye(3)
    if np.linalg.norm(up - [0, 0, 1]) > 1e-10:
        rotation = Rotation.align_vectors([[0, 0, 1]], [up])[0].as_matrix()
    return positions @ rotation.T, (box[plane] @ rotation.T)[:, :2], rotation


def _bonds(atoms, positions, cell, material):
    """Bonds from the first to the second species: atoms, atoms, vectors (b, 3), shifts (b, 2)."""
    longest = material.dipole_site.bonded.maximum_length_A
    free = material.lattice_constant_A / sqrt(3)
    scaled = wrapped(positions[:, :2], cell)
    which, shifts = images_within(scaled, cell, longest)
    inside = np.column_stack([scaled @ cell, positions[:, 2]])
    images = np.column_stack([(scaled[which] + shifts) @ cell, positions[which, 2]])
    pairs = cKDTree(inside).sparse_distance_matrix(cKDTree(images), longest, output_type="ndarray")
    first, image = pairs["i"], pairs["j"]
    second = which[image]
    proper = (first != second) | shifts[image].any(axis=1)
    first, image, second = first[proper], image[proper], second[proper]
    length = pairs["v"][proper]
    symbols = np.array(atoms.get_chemical_symbols())
    if (length < OVERLAP * free).any():
        worst = length.argmin()
        raise ValueError(
            f"atoms {first[worst]} and {second[worst]} are {length[worst]:.3f} Å apart: "
            f"allowed is at least {OVERLAP * free:.2f} Å"
        )
    if (like := symbols[first] == symbols[second]).any():
        one, other = first[like][0], second[like][0]
        raise ValueError(
            f"atoms {one} and {other} are both {symbols[one]} and {length[like][0]:.2f} Å apart: "
            f"allowed are bonds of {' and '.join(material.species)}"
        )
    count, allowed = np.bincount(first, minlength=len(atoms)), material.dipole_site.bonded.number
    if (count != allowed).any():
        wrong = int(np.flatnonzero(count != allowed)[0])
        raise ValueError(
            f"atom {wrong} ({symbols[wrong]}) has {count[wrong]} bonds of up to {longest:g} Å: "
            f"allowed are {allowed}"
        )
    start = symbols[first] == material.basis[0].species
    first, image, second = first[start], image[start], second[start]
    return first, second, images[image] - inside[first], shifts[image]


def _lattice(own, layer, bonds, atoms, cell, material):
    """Lattice coordinates (n, 2) of the atoms of a layer, its lattice and its supercell (2, 2)."""
    first, second, vectors, shifts = bonds
    word = "upper" if own == UPPER else "lower"
    flat = vectors[:, 0] + 1j * vectors[:, 1]
    orientation = np.angle(((flat / np.abs(flat)) ** 3).sum()) / 3
    apart = np.angle(flat * np.exp(-1j * orientation)) / (2 * np.pi / 3)
    direction = np.rint(apart).astype(int)
    worst = float(120 * np.abs(apart - direction).max())
    if worst > LARGEST_BOND_ANGLE_DEG:
        raise ValueError(
            f"a bond of the {word} layer is turned by {worst:.0f}° from the mean lattice: "
            f"allowed are up to {LARGEST_BOND_ANGLE_DEG:g}°"
        )
    steps = STEPS[direction % 3]

    # Walk along the bonds from one atom to all others, and count thirds of the lattice vectors.
    members = np.flatnonzero(layer == own)
    index = np.full(len(layer), -1)
    index[members] = np.arange(len(members))
    i, j = index[first], index[second]
    size = (len(members), len(members))
    single = np.unique(i * len(members) + j, return_index=True)[1]  # not its periodic images
    bond_of = coo_array((single + 1, (i[single], j[single])), size).tocsr()
    order, before = breadth_first_order(bond_of, 0, directed=False)
    parents, children = before[order[1:]], order[1:]
    forward = np.asarray(bond_of[parents, children]).ravel()
    chosen = np.where(forward > 0, forward, np.asarray(bond_of[children, parents]).ravel()) - 1
    sign = np.where(forward > 0, 1, -1)[:, None]
    thirds, crossed = np.zeros((len(members), 2), int), np.zeros((len(members), 2), int)
    for parent, child, step, shift in zip(
        parents, children, sign * steps[chosen], sign * shifts[chosen], strict=True
    ):
        thirds[child] = thirds[parent] + step
        crossed[child] = crossed[parent] + shift
    # A closed walk across the border of the cell counts a vector of the superlattice.
    loops = crossed[i] + shifts - crossed[j]
    counted = thirds[i] + steps - thirds[j]
    if np.linalg.matrix_rank(loops) < 2:
        raise ValueError(f"the {word} layer is not periodic in two directions")
    supercell = np.rint(np.linalg.lstsq(loops, counted / 3, rcond=None)[0]).astype(int)
    if (3 * loops @ supercell != counted).any() or len(members) != len(material.basis) * abs(
        round(np.linalg.det(supercell))
    ):
        raise ValueError(f"the {word} layer is no hexagonal lattice with one cell: it has defects")
    start = material.basis[0 if atoms.numbers[members[0]] == atoms.numbers[first[0]] else 1]
    coordinates = thirds / 3 + np.array(start.fraction) - crossed @ supercell
    return coordinates, np.linalg.inv(supercell) @ cell, supercell


def _nearest_orientation(lattice, reference):
    """Family, and the integer matrix of the equivalent lattice that is nearest to a reference."""
    turns = {
        (family, power): sign * np.linalg.matrix_power(THIRD, power)
        for family, sign in (("AA", 1), ("AAp", -1))
        for power in range(3)
    }

    def angle(key):
        F = np.linalg.inv(reference) @ turns[key] @ lattice
        return abs(np.arctan2(F[0, 1] - F[1, 0], F[0, 0] + F[1, 1]))

    nearest = min(turns, key=angle)
    return nearest[0], turns[nearest]
