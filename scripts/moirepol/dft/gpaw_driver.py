"""Program of `moirepol.dft.gpaw` for the Python that has GPAW: gpaw_driver.py INPUT.

`moirepol.dft.gpaw.calculate` writes INPUT (JSON). The result (.npz) contains the plane waves of the
smooth Bloch functions at every k point, and the overlaps M(k, b) = <u_k | u_k+b> of the full ones.
The contribution of the spheres to the overlaps is exact. GPAW's own interface to Wannier90 includes
it to lowest order in b only.
"""

import gzip
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Bohr
from gpaw import GPAW, PW, Mixer
from gpaw.external import ConstantElectricField
from gpaw.response.math_func import two_phi_planewave_integrals
from gpaw.setup_data import SetupData
from gpaw.sphere import lebedev
from gpaw.spherical_harmonics import Y, nablarlYL
from gpaw.xc import gga, lda, pawcorrection

#: Reciprocal lattice vectors that a neighbour k + b can lie away from its k point.
MARGIN = 3


def main(job: dict[str, Any]) -> None:
    """Compute the Bloch functions of a job and write them to its result file."""
    make_quadrature_threefold()
    atoms = Atoms(**job["atoms"])
    atoms.calc = calc = GPAW(txt="-", **parameters(job))
    energy = atoms.get_potential_energy()
    if "path" in job:
        np.savez(job["result"], energies=band_energies(calc, job))
        return

    kpoints = np.array(job["kpoints"])
    found = [bloch_functions(calc, k) for k in kpoints]
    result: dict[str, Any] = {f"miller_{n}": miller for n, (miller, *_) in enumerate(found)}
    result |= {f"waves_{n}": waves for n, (_, waves, _) in enumerate(found)}
    np.savez(
        job["result"],
        overlaps=overlaps(calc, kpoints, np.array(job["neighbours"]), found),
        energy_eV=energy,
        density_dipole_eA=atoms.get_dipole_moment()[2],
        scf_iterations=calc.get_number_of_iterations(),
        **result,
    )


def parameters(job: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of GPAW. The cell is periodic in-plane only."""
    field = job["field_V_per_A"]
    return job["grid"] | {
        "mode": PW(job["ecut_eV"]),
        "xc": "PBE",
        "setups": {element: data_set(element, file) for element, file in job["setups"].items()},
        "kpts": np.array(job["kpoints"]),
        "symmetry": {"point_group": False},
        "occupations": {"width": 0.0},
        "nbands": job["bands"],
        "poissonsolver": {"dipolelayer": "xy"},
        "external": ConstantElectricField(field) if field else None,
        "mixer": Mixer(job["mixing_beta"], 5, 50),
        "convergence": job["convergence"],
        "maxiter": 100,
    }


def band_energies(calc: GPAW, job: dict[str, Any]) -> np.ndarray:
    """Return the band energies (nk, nband) in eV at the k points of a path."""
    bands = job["path_bands"]
    fixed = calc.fixed_density(
        kpts=np.array(job["path"]),
        nbands=bands + 4,
        symmetry="off",
        convergence={"bands": bands},
    )
    return np.array([fixed.get_eigenvalues(kpt=n)[:bands] for n in range(len(job["path"]))])


def data_set(element: str, file: str) -> SetupData:
    """Read the PAW data set from this file (gzipped XML), not from the folders of GPAW."""
    data = SetupData(element, "PBE", readxml=False)
    data.read_xml(gzip.decompress(Path(file).read_bytes()))
    return data


def make_quadrature_threefold() -> None:
    """Add copies of GPAW's cubic angular quadrature, rotated by 120 and 240 degrees about z.

    GPAW sums exchange and correlation inside the spheres over 50 directions. This set does not have
    the threefold axis of a layer. Each N atom then has an in-plane dipole of 3e-5 e.A that symmetry
    forbids. The 150 directions have the symmetry of every stacking.
    """
    turn = np.array([[-0.5, 0.75**0.5, 0], [-(0.75**0.5), -0.5, 0], [0, 0, 1]])
    directions = np.concatenate([lebedev.R_nv, lebedev.R_nv @ turn, lebedev.R_nv @ turn.T])
    degrees = np.repeat(np.arange(5), 2 * np.arange(5) + 1)
    harmonics = np.array([[Y(number, *r) for number in range(25)] for r in directions])
    slopes = np.array([[nablarlYL(number, r) for number in range(25)] for r in directions])
    slopes -= (degrees * harmonics)[..., None] * directions[:, None]
    for module in (pawcorrection, gga, lda):
        module.weight_n = np.tile(lebedev.weight_n / 3, 3)
        module.Y_nL = harmonics
        module.rnablaY_nLv = slopes


def bloch_functions(calc: GPAW, k: np.ndarray) -> tuple[np.ndarray, np.ndarray, list]:
    """Return the plane waves of psi_k = sum_G c(G) exp(i (k + G) r) and its projections.

    The result is G (npw, 3), c (nband, npw) and the projections on the sphere of every atom,
    [(nband, ni)]. GPAW computes only one of k and -k. The other is its complex conjugate.
    """
    kd, grid = calc.wfs.kd, calc.wfs.pd.gd.N_c
    apart = np.array([k - kd.ibzk_kc, k + kd.ibzk_kc])
    fits = np.abs(apart - np.rint(apart)).max(axis=-1) < 1e-6
    reverse, number = np.argwhere(fits)[0]
    computed = calc.wfs.kpt_qs[number][0]
    miller = np.transpose(np.unravel_index(calc.wfs.pd.Q_qG[number], grid))
    miller = (miller + grid // 2) % grid - grid // 2
    waves = computed.psit.array * computed.psit.dv**0.5
    seen = [computed.P_ani[a] for a in range(len(calc.wfs.setups))]
    shift = np.rint(apart[reverse, number]).astype(int)
    if reverse:
        return -miller - shift, waves.conj(), [p.conj() for p in seen]
    return miller - shift, waves, seen


def overlaps(calc: GPAW, kpoints: np.ndarray, neighbours: np.ndarray, found: list) -> np.ndarray:
    """Return M (nk, nb, nband, nband). neighbours (nk, nb, 4): number of k + b, from 1, and G_b."""
    low = np.min([miller.min(axis=0) for miller, *_ in found], axis=0) - MARGIN
    shape = np.max([miller.max(axis=0) for miller, *_ in found], axis=0) - low + 1 + MARGIN
    boxes = np.zeros((len(found), len(found[0][1]), *shape), dtype=complex)
    for box, (miller, waves, _) in zip(boxes, found):
        box[(slice(None), *(miller - low).T)] = waves
    flat = boxes.reshape(*boxes.shape[:2], -1).conj()
    reciprocal = 2 * np.pi * calc.atoms.cell.reciprocal() * Bohr
    # Where GPAW has the spheres: an atom at -1e-17 is at the other side of the cell there.
    positions = calc.spos_ac @ calc.atoms.cell.array / Bohr

    @cache
    def augmentation(number, *b):
        """Return <phi_i| exp(-i b r) |phi_j> minus the smooth one (ni, ni), for one setup."""
        setup = calc.wfs.setups[number]
        return two_phi_planewave_integrals(np.array([b]), setup).reshape(setup.ni, setup.ni)

    result = np.empty((*neighbours.shape[:2], *boxes.shape[1:2] * 2), dtype=complex)
    first_of = [list(calc.wfs.setups.id_a).index(i) for i in calc.wfs.setups.id_a]
    for k, row in enumerate(neighbours):
        for j, (second, *shift) in enumerate(row):
            moved = np.roll(boxes[second - 1], np.negative(shift), axis=(1, 2, 3))
            m = flat[k] @ moved.reshape(len(moved), -1).T
            b = np.round((kpoints[second - 1] + shift - kpoints[k]) @ reciprocal, 12)
            for a, number in enumerate(first_of):
                q = augmentation(number, *b) * np.exp(-1j * b @ positions[a])
                m += found[k][2][a].conj() @ q @ found[second - 1][2][a].T
            result[k, j] = m
    return result


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
