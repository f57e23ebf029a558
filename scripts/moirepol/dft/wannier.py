"""Wannier centres from overlaps of an isolated set of bands on a uniform k mesh.

Gauge: the trial functions of the material (`moirepol.dft.trial_functions`), which have the symmetry
of the layer, are orthonormalized by Loewdin's method. For h-BN they are three s Gaussians on the
bonds and one p_z for every N. No spread is minimized, so the gauge is a smooth function of the
structure.

Centroid: let M(k, b) be the overlaps in that gauge, and let E = exp(i b.r_N / 2) for the home r_N
of each function, in h-BN its N atom. The phases are

    phi_n(b) = -mean_k Im [ log( E M(k, b) E ) ]_nn

Their sum over the functions of one home does not depend on how these mix. Their sum over all homes
is the total polarization in every gauge, because the trace of a logarithm is the logarithm of the
determinant. phi(b) equals b . (r_n - r_N) + O(b^3). The sixth-order combination
[45 phi(b) - 9 phi(2b) + phi(3b)] / 30 has an error of O(b^7). Marzari and Vanderbilt, Phys. Rev. B
56, 12847 (1997), give the second-order formula for single functions.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import logm

from moirepol.dft.trial_functions import TrialFunctions
from moirepol.errors import JobError
from moirepol.structure.bilayer import Bilayer

#: Name of the files that Wannier90, the engine and this module share.
SEED = "wannier"
MULTIPLES = (1, 2, 3)
#: Weights of phi(b), phi(2b), phi(3b) that give b . r up to an error of order b^3, b^5, b^7.
COEFFICIENTS = {2: (1.0,), 4: (8 / 6, -1 / 6), 6: (45 / 30, -9 / 30, 1 / 30)}


@dataclass(frozen=True)
class Overlaps:
    """Overlaps M_mn(k, b) = <u_m,k | u_n,k+b> with their k points.

    Attributes
    ----------
    matrices
        Overlaps (nk, nb, nband, nband).
    second
        Index (nk, nb) of k + b.
    b_vectors
        b (nk, nb, 3) in 1/A.
    """

    matrices: np.ndarray
    second: np.ndarray
    b_vectors: np.ndarray


def write_win(
    path: Path,
    atoms: Bilayer,
    kpoints: np.ndarray,
    mesh: tuple[int, int],
    functions: TrialFunctions,
) -> None:
    """Write the input of wannier90.x: no minimization, the trial functions as guiding centres."""
    count = len(functions.orbitals)
    lines = [
        f"num_wann = {count}",
        f"num_bands = {count}",
        "num_iter = 0",
        "guiding_centres = true",
        "write_xyz = true",
        f"mp_grid = {mesh[0]} {mesh[1]} 1",
        "begin unit_cell_cart\nAng",
        *(" ".join(f"{x:.12f}" for x in vector) for vector in atoms.cell),
        "end unit_cell_cart\nbegin atoms_cart\nAng",
        *(f"{atom.symbol} " + " ".join(f"{x:.12f}" for x in atom.position) for atom in atoms),
        "end atoms_cart\nbegin projections\nAng",
    ]
    for orbital, place in zip(functions.orbitals, functions.places, strict=True):
        lines.append(f"c={','.join(f'{x:.8f}' for x in place)}:{orbital}")
    lines += ["end projections", "begin kpoints"]
    lines += [" ".join(f"{x:.14f}" for x in k) for k in kpoints]
    lines.append("end kpoints")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def extend_nnkp(path: Path) -> int:
    """Add to every k point of a .nnkp file its neighbours k + 2b and k + 3b, for one b of each +-b.

    Returns the number of neighbours before. They stay in front.
    """
    rows, text = read_nnkp(path), path.read_text(encoding="utf-8")
    near = rows.shape[1]
    (table,) = re.findall(r"begin kpoints\s+\d+\s+(.*?)end kpoints", text, re.S)
    kpoints = np.array(table.split(), dtype=float).reshape(-1, 3)
    index = {_key(k): number for number, k in enumerate(kpoints, start=1)}
    lines = []
    for number, (k, neighbours) in enumerate(zip(kpoints, rows, strict=True), start=1):
        lines += neighbours.tolist()
        for multiple in MULTIPLES[1:]:
            for row in neighbours:
                b = kpoints[row[1] - 1] + row[2:] - k
                if _leads(b):
                    end = k + multiple * b
                    second = index.get(_key(end))
                    if second is None:
                        raise JobError("the k mesh is not uniform: it does not hold k + 2b")
                    lines.append([number, second, *np.rint(end - kpoints[second - 1]).astype(int)])
    count = len(lines) // len(kpoints)
    body = "\n".join(" ".join(f"{number:6d}" for number in line) for line in lines)
    block = f"begin nnkpts\n{count:4d}\n{body}\nend nnkpts"
    path.write_text(re.sub(r"begin nnkpts.*end nnkpts", block, text, flags=re.S), encoding="utf-8")
    return near


def read_nnkp(path: Path) -> np.ndarray:
    """Read the neighbours (nk, nb, 5) of every k point in a .nnkp file.

    A row contains the numbers of both points, from 1, and the reciprocal lattice vector of k + b.
    """
    ((count, block),) = re.findall(
        r"begin nnkpts\s+(\d+)\s+(.*?)end nnkpts", path.read_text(encoding="utf-8"), re.S
    )
    return np.array(block.split(), dtype=int).reshape(-1, int(count), 5)


def _key(k):
    """Return a k point in crystal units modulo reciprocal lattice vectors, hashable."""
    return tuple((np.rint(1e6 * np.asarray(k)).astype(int) % 1_000_000).tolist())


def _leads(b):
    """Return whether the first non-zero component of b (3,) is positive."""
    return b[np.abs(b) > 1e-6][0] > 0


def read_mmn(path: Path, kpoints: np.ndarray, atoms: Bilayer) -> Overlaps:
    """Read a .mmn file for k points in crystal units."""
    with open(path, encoding="utf-8") as file:
        file.readline()
        nband, nk, nb = map(int, file.readline().split())
        matrices = np.empty((nk, nb, nband, nband), dtype=complex)
        second = np.empty((nk, nb), dtype=int)
        shifts = np.empty((nk, nb, 3), dtype=int)
        for k in range(nk):
            for b in range(nb):
                head = file.readline().split()
                if len(head) != 5 or int(head[0]) != k + 1:
                    raise JobError(f"{path.name} is damaged at k point {k + 1}")
                second[k, b] = int(head[1]) - 1
                shifts[k, b] = head[2:]
                values = np.fromfile(file, sep=" ", count=2 * nband * nband).reshape(
                    nband, nband, 2
                )
                matrices[k, b] = (values[..., 0] + 1j * values[..., 1]).T
    b_crystal = kpoints[second] + shifts - kpoints[:, None]
    return Overlaps(matrices, second, b_crystal @ (2 * np.pi * np.asarray(atoms.cell.reciprocal())))


def write_mmn(path: Path, neighbours: np.ndarray, matrices: np.ndarray) -> None:
    """Write overlaps (nk, nb, nband, nband) of `read_nnkp`'s neighbours as a .mmn file."""
    nk, nb, nband, _ = matrices.shape
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"overlaps\n{nband} {nk} {nb}\n")
        for row, of_k in zip(neighbours, matrices, strict=True):
            for numbers, m in zip(row, of_k, strict=True):
                file.write(" ".join(map(str, numbers)) + "\n")
                file.writelines(f"{x.real:18.12f}{x.imag:18.12f}\n" for x in m.T.ravel())


def copy_near_neighbours(extended: Path, path: Path, near: int) -> None:
    """Copy the first `near` neighbours of every k point of an extended .mmn file."""
    with open(extended, encoding="utf-8") as source, open(path, "w", encoding="utf-8") as target:
        target.write(source.readline())
        nband, nk, nb = map(int, source.readline().split())
        target.write(f"{nband} {nk} {near}\n")
        for _ in range(nk):
            for b in range(nb):
                block = [source.readline() for _ in range(nband * nband + 1)]
                if b < near:
                    target.writelines(block)


def projections(waves: Iterable, atoms: Bilayer, functions: TrialFunctions) -> np.ndarray:
    """Project the Bloch states on the Gaussians: A_mn(k) = <psi_m,k | g_n>.

    Any A gives a valid gauge U = A (A^+ A)^(-1/2), so pseudo-wavefunctions are sufficient.

    Parameters
    ----------
    waves
        k (3,) in crystal units, Miller indices (npw, 3) and coefficients (nband, npw) of the plane
        waves of the pseudo-wavefunctions, for every k point.
    atoms
        The bilayer.
    functions
        The trial functions: Gaussians times solid harmonics.

    Returns
    -------
    ndarray
        A (nk, nband, nwann).
    """
    reciprocal = 2 * np.pi * np.asarray(atoms.cell.reciprocal())
    shapes = list(zip(functions.orbitals, functions.sigmas_A, strict=True))
    result = []
    for k, miller, psi in waves:
        q = (miller + k) @ reciprocal
        radial = {shape: _transform(*shape, q) for shape in dict.fromkeys(shapes)}
        a = np.empty((len(psi), len(shapes)), dtype=complex)
        for part in np.array_split(np.arange(len(shapes)), max(1, len(shapes) // 64)):
            g = np.exp(-1j * q @ functions.places[part].T)
            g *= np.array([radial[shapes[n]] for n in part]).T
            a[:, part] = psi.conj() @ g
        result.append(a)
    return np.array(result)


def _transform(orbital, sigma, q):
    """Fourier transform (npw,) of a Gaussian times a solid harmonic of unit length."""
    envelope = np.exp(-0.5 * sigma**2 * (q**2).sum(axis=1))
    x, y, z = sigma * q.T
    harmonic = {
        "s": 1,
        "px": -1j * x,
        "py": -1j * y,
        "pz": -1j * z,
        "dz2": (x**2 + y**2 - 2 * z**2) / 12**0.5,
        "dxz": -x * z,
        "dyz": -y * z,
        "dx2-y2": (y**2 - x**2) / 2,
        "dxy": -x * y,
    }[orbital]
    return harmonic * envelope / np.sqrt(np.linalg.norm(envelope) ** 2)


def write_amn(path: Path, a: np.ndarray) -> None:
    """Write the projections (nk, nband, nwann) as wannier90's .amn file."""
    nk, nband, nwann = a.shape
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"projections on Gaussians\n{nband} {nk} {nwann}\n")
        for k in range(nk):
            for n in range(nwann):
                for m in range(nband):
                    value = a[k, m, n]
                    file.write(f"{m + 1} {n + 1} {k + 1} {value.real:.12e} {value.imag:.12e}\n")


def loewdin(a: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the unitary part U (nk, n, n) of A and the smallest singular value of normalized A."""
    left, values, right = np.linalg.svd(a)
    return left @ right, float(values.min() / values.max())


def shell_weights(b_vectors: np.ndarray) -> np.ndarray:
    """Return weights w_b (nb,) with sum_b w_b b b^T = 1, by least squares, of vectors (nb, 3)."""
    i, j = np.triu_indices(3)
    outer = np.einsum("bi,bj->bij", b_vectors, b_vectors)
    weights, *_ = np.linalg.lstsq(outer[:, i, j].T, np.eye(3)[i, j], rcond=None)
    if not np.allclose(np.einsum("b,bij->ij", weights, outer), np.eye(3), atol=1e-8):
        raise JobError("the neighbouring k points do not span space")
    return weights


def centre_displacements(
    overlaps: Overlaps, u: np.ndarray, atoms: Bilayer, homes: np.ndarray, near: int
) -> dict[int, np.ndarray]:
    """Compute r_n - r_N of every function from its home, by the formula of this module.

    Parameters
    ----------
    overlaps
        The `near` nearest neighbours first, then those at 2b and 3b, for one b of each +-b.
    u
        Gauge (nk, nband, nwann).
    atoms
        The bilayer.
    homes
        Home (nwann, 3) of every function in angstrom.
    near
        Number of nearest neighbours of a k point.

    Returns
    -------
    dict
        Order (2, 4, 6) -> displacements (nwann, 3) in A. The sum over the functions of a home
        does not depend on how they mix. The single displacements do.
    """
    displacements = {order: np.zeros((len(homes), 3)) for order in COEFFICIENTS}
    for k in range(len(u)):
        b_vectors = overlaps.b_vectors[k]
        crystal = b_vectors @ np.asarray(atoms.cell).T
        leading = np.flatnonzero([_leads(b) for b in crystal[:near]])
        weights = 2 * shell_weights(b_vectors[:near])[leading]
        columns = np.concatenate([leading, np.arange(near, b_vectors.shape[0])])
        phases = np.empty((len(columns), len(homes)))
        for number, column in enumerate(columns):
            m = u[k].conj().T @ overlaps.matrices[k, column] @ u[overlaps.second[k, column]]
            half = np.exp(0.5j * homes @ b_vectors[column])
            phases[number] = -log_diagonal(half[:, None] * m * half).imag
        of_multiple = phases.reshape(len(MULTIPLES), len(leading), len(homes))
        steps = weights[:, None] * b_vectors[leading] / len(u)
        for order, coefficients in COEFFICIENTS.items():
            used = np.array(coefficients)
            displacements[order] += np.einsum("c,cbn,bi->ni", used, of_multiple[: len(used)], steps)
    return displacements


def log_diagonal(matrix: np.ndarray) -> np.ndarray:
    """Return the diagonal (n,) of the principal logarithm of a nearly normal matrix (n, n)."""
    values, vectors = np.linalg.eig(matrix)
    inverse = np.linalg.inv(vectors)
    if np.abs((vectors * values) @ inverse - matrix).max() > 1e-10:
        return np.diag(logm(matrix))
    return np.einsum("ij,j,ji->i", vectors, np.log(values), inverse)


def marzari_vanderbilt_centres(
    overlaps: Overlaps, u: np.ndarray, homes: np.ndarray, near: int
) -> np.ndarray:
    """Return single centres (nwann, 3) in A by the second-order formula, as in wannier90.x.

    Marzari and Vanderbilt, Phys. Rev. B 56, 12847 (1997), Eq. (31), with phases relative to the
    homes (nwann, 3).
    """
    centres = homes.copy()
    for k in range(len(u)):
        weights = shell_weights(overlaps.b_vectors[k, :near])
        for number, b in enumerate(overlaps.b_vectors[k, :near]):
            m = np.einsum(
                "mi,mn,ni->i",
                u[k].conj(),
                overlaps.matrices[k, number],
                u[overlaps.second[k, number]],
                optimize=True,
            )
            phases = -np.angle(m * np.exp(1j * homes @ b))
            centres += weights[number] / len(u) * phases[:, None] * b
    return centres


def read_wannier90(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the final centres (n, 3) in A and spreads (n,) in A^2 that wannier90.x wrote."""
    text = (folder / f"{SEED}.wout").read_text()
    final = text.rsplit("Final State", 1)[-1]
    number = r"\s*(-?\d+\.\d+)"
    rows = re.findall(
        rf"WF centre and spread\s+\d+\s+\({number},{number},{number} \){number}", final
    )
    if len(rows) != count:
        raise JobError(f"wannier90.x gave {len(rows)} of {count} centres")
    values = np.array(rows, dtype=float)
    return values[:, :3], values[:, 3]


def version(folder: Path) -> str:
    """Return the version of the wannier90.x that ran in `folder`."""
    text = (folder / f"{SEED}.wout").read_text(errors="replace")
    found = re.search(r"Release: (\d\S+)", text)
    return found.group(1) if found else "unknown"
