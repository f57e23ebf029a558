"""Trial functions of a bilayer: where they are, and which dipole sites they belong to.

A function is centred on a dipole site, on a bond, on a bonded neighbour of the site, or at a place
without an atom. The last two belong in equal shares to the nearest sites. The trace formula of
`moirepol.dft.wannier` measures a centre from the function's home: its site, its neighbour, or its
place. The sum over the functions of one home does not depend on how they mix.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from ase.geometry import find_mic

from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.conventions import LOWER, PRIMITIVE, UPPER
from moirepol.structure.names import stacking_of

#: Functions of a shell, in the notation of Wannier90.
ORBITALS = {
    "p": ("px", "py", "pz"),
    "d": ("dz2", "dxz", "dyz", "dx2-y2", "dxy"),
}
#: Largest distance of a place without an atom from that of the function there, in angstrom.
SAME_PLACE_A = 0.3


@dataclass(frozen=True)
class TrialFunctions:
    """The n trial functions of a bilayer with m dipole sites.

    Attributes
    ----------
    orbitals
        Angular parts (n,) in the notation of Wannier90.
    places
        Centres (n, 3) in angstrom.
    sigmas_A
        Widths (n,) in angstrom.
    homes
        Places (n, 3) in angstrom that the Wannier centres are measured from.
    shares
        Share (m, n) of each function in the dipole of each site. It is 1 in total for a function.
    vectors
        Vectors (m, n, 3) in angstrom from each site to the homes of its functions.
    """

    orbitals: tuple[str, ...]
    places: np.ndarray
    sigmas_A: np.ndarray
    homes: np.ndarray
    shares: np.ndarray
    vectors: np.ndarray

    def centroid_shifts(self, displacements: np.ndarray) -> np.ndarray:
        """Sum the centres that belong to each site, relative to the site.

        Parameters
        ----------
        displacements
            Wannier centres (n, 3) relative to their homes, in angstrom.

        Returns
        -------
        ndarray
            Sums (m, 3) in angstrom.
        """
        return np.einsum("mn,mni->mi", self.shares, self.vectors + displacements)


def trial_functions(bilayer: Bilayer, bond_fraction: float, sigma_A: float) -> TrialFunctions:
    """Place the trial functions of a bilayer's material.

    Parameters
    ----------
    bilayer
        The bilayer.
    bond_fraction
        Distance of a bond-centred function from its site, as a fraction of the bond.
    sigma_A
        Width in angstrom of functions without a width of their own.

    Returns
    -------
    TrialFunctions
        The functions, those of the first site first.

    Raises
    ------
    JobError
        If a site has another number of bonds than the material.
    """
    site = bilayer.material.dipole_site
    ends, vectors = bonded_neighbours(bilayer)
    positions = bilayer.site_positions
    owned = _owned_neighbours(bilayer, vectors)
    orbitals: list[str] = []
    rows: list[tuple[np.ndarray, np.ndarray, float]] = []
    members: list[list[tuple[int, np.ndarray]]] = []  # sites of each function, with vectors

    def add(function, place, home, belongs):
        for orbital in ORBITALS.get(function.orbital, (function.orbital,)):
            orbitals.append(orbital)
            rows.append((place, home, function.sigma_A or sigma_A))
            members.append(belongs)

    sharers: dict[int, list[tuple[int, np.ndarray]]] = {}
    for number, (atoms, bonds) in enumerate(zip(ends, vectors, strict=True)):
        for atom, bond in zip(atoms, bonds, strict=True):
            sharers.setdefault(int(atom), []).append((number, bond))
    for number, position in enumerate(positions):
        bonds = iter(vectors[number])
        for function in site.functions:
            alone = [(number, np.zeros(3))]
            match function.centre:
                case "site":
                    add(function, position, position, alone)
                case "bond":
                    add(function, position + bond_fraction * next(bonds), position, alone)
                case "neighbour":
                    for k in owned[number]:
                        home = position + vectors[number, k]
                        add(function, home, home, sharers[int(ends[number, k])])
                case place:
                    steps = _steps_to(bilayer, place.fraction, bilayer.site_layers[number])
                    home = position + steps[0]
                    add(function, home, home, _sites_around(bilayer, home, number, steps))
    places, homes, sigmas = (np.array(column) for column in zip(*rows, strict=True))
    shares = np.zeros((len(positions), len(rows)))
    apart = np.zeros((*shares.shape, 3))
    for column, belongs in enumerate(members):
        for number, vector in belongs:
            shares[number, column] += 1 / len(belongs)
            apart[number, column] += vector / len(belongs)
    apart = np.divide(apart, shares[..., None], out=apart, where=shares[..., None] > 0)
    return TrialFunctions(tuple(orbitals), places, sigmas, homes, shares, apart)


def bonded_neighbours(bilayer: Bilayer) -> tuple[np.ndarray, np.ndarray]:
    """Find the bonds of every dipole site to the neighbours whose charge belongs to it.

    Parameters
    ----------
    bilayer
        The bilayer.

    Returns
    -------
    neighbours : ndarray
        Atoms (m, bonds).
    vectors : ndarray
        Vectors (m, bonds, 3) in angstrom from each site to its bonded neighbours in its layer.

    Raises
    ------
    JobError
        If a site has another number of bonds than the material.
    """
    from ase.neighborlist import neighbor_list  # slow to import, and a plan does not need it

    bonded = bilayer.material.dipole_site.bonded
    i, j, vectors = neighbor_list("ijD", bilayer, bonded.maximum_length_A)
    layer, partner = bilayer.layer, bilayer.symbols == bonded.species
    bond = bilayer.is_site[i] & partner[j] & (layer[i] == layer[j])
    sites = bilayer.sites
    order = np.argsort(i[bond], kind="stable")
    counts = np.bincount(i[bond], minlength=len(bilayer))[sites]
    if not (counts == bonded.number).all():
        wrong = sites[counts != bonded.number][0]
        raise JobError(
            f"atom {wrong} ({bilayer.symbols[wrong]}) has {counts[counts != bonded.number][0]} "
            f"bonded {bonded.species} atoms, allowed is {bonded.number}"
        )
    shape = len(sites), bonded.number
    return j[bond][order].reshape(shape), vectors[bond][order].reshape(*shape, 3)


def bonds_of_sites(bilayer: Bilayer) -> np.ndarray:
    """Return the vectors (m, bonds, 3) of `bonded_neighbours` in angstrom."""
    return bonded_neighbours(bilayer)[1]


def _basis_vector(bilayer, fraction, layer):
    """Vector (2,) in fractions from the basis atom of the dipole site to a place of its cell."""
    of = bilayer.material
    (start,) = [a.fraction for a in of.basis if a.species == of.dipole_site.species][:1]
    turned = stacking_of(bilayer.family) == "AAp" and layer == UPPER
    return (-1 if turned else 1) * (np.array(fraction) - start)


def _owned_neighbours(bilayer, vectors):
    """Numbers of the bonds (m, k) to the neighbours in the primitive cell of each site."""
    of = bilayer.material
    partners = [atom for atom in of.basis if atom.species == of.dipole_site.bonded.species]
    (height,) = [a.height_A for a in of.basis if a.species == of.dipole_site.species][:1]
    found = np.zeros((len(vectors), len(partners)), dtype=int)
    for layer in (LOWER, UPPER):
        chosen = bilayer.site_layers == layer
        for k, atom in enumerate(partners):
            step = _basis_vector(bilayer, atom.fraction, layer) @ bilayer.lattices[layer]
            wanted = np.array([*step, atom.height_A - height])
            found[chosen, k] = np.linalg.norm(vectors[chosen] - wanted, axis=-1).argmin(axis=1)
    return found


def _steps_to(bilayer, fraction, layer):
    """Vectors (k, 3) in angstrom from a site to the nearest copies of a place."""
    start = _basis_vector(bilayer, fraction, layer)
    copies = start + np.array(list(product((0, 1, -1), repeat=2)))
    lengths = np.linalg.norm(copies @ PRIMITIVE, axis=1)
    nearest = copies[lengths < lengths.min() + 1e-6]
    return np.column_stack([nearest @ bilayer.lattices[layer], np.zeros(len(nearest))])


def _sites_around(bilayer, home, number, steps):
    """Sites with vectors to a place, of the layer of one of them."""
    same = np.flatnonzero(bilayer.site_layers == bilayer.site_layers[number])
    found = []
    for step in steps:
        apart, _ = find_mic(home - step - bilayer.site_positions[same], bilayer.cell)
        distances = np.linalg.norm(apart, axis=1)
        nearest = distances.argmin()
        if distances[nearest] > SAME_PLACE_A:
            raise JobError(f"no dipole site {np.round(-step, 2)} A from a place without an atom")
        found.append((int(same[nearest]), step + apart[nearest]))
    return found
