"""Unfolding by time reversal: a synthetic save folder, and the real programs where installed."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from scipy.io import FortranFile

from moirepol.dft.unfold import WFC_HEADER, time_reversal_half, unfold_gamma, unfold_time_reversal
from moirepol.errors import JobError

A, C = 2.5, 8.0  # A
CELL = np.array([[A, 0, 0], [A / 2, A * np.sqrt(3) / 2, 0], [0, 0, C]])
PSEUDO = "/usr/share/espresso/pseudo"
PROGRAMS = ("pw.x", "pw2wannier90.x", "wannier90.x")


def mesh(n):
    return np.array([(i / n, j / n, 0) for i in range(n) for j in range(n)])


def wave(q, band=0):
    """A function of the wave vectors q (n, 3) with c(-q) = conj(c(q))."""
    even = 1 / (1 + np.sum(q**2, axis=1))
    return even + 1j * (band + 1) * np.sin(q @ (1.0, 0.7, 0.3)) * even


def write_folder(folder, kpoints, bands=2, cutoff=8.0):
    """A save folder with random wavefunctions, the same for the same k and the conjugate for -k."""
    folder.mkdir()
    alat = A / 0.529177210903
    reciprocal_alat = np.linalg.inv(CELL / A).T
    reciprocal = reciprocal_alat * 2 * np.pi / alat
    steps = [np.arange(-m, m + 1) for m in (5, 5, 12)]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    length = np.sum((grid @ reciprocal) ** 2, axis=1)
    grid = grid[np.argsort(length.round(8), kind="stable")][: np.sum(length < 4 * cutoff)]
    with FortranFile(folder / "charge-density.dat", "w") as records:
        records.write_record(np.array([0, len(grid), 1], "<i4"))
        records.write_record(reciprocal)
        records.write_record(grid.astype("<i4"))
        records.write_record(wave(grid @ reciprocal))
    blocks = ""
    for number, k in enumerate(kpoints, start=1):
        vectors = (grid + k) @ reciprocal
        inside = np.flatnonzero(np.sum(vectors**2, axis=1) <= cutoff)
        q = vectors[inside]
        with FortranFile(folder / f"wfc{number}.dat", "w") as records:
            records.write_record(np.array([(number, k @ reciprocal, 1, 0, 1.0)], WFC_HEADER))
            records.write_record(np.array([inside[-1] + 1, len(inside), 1, bands], "<i4"))
            records.write_record(reciprocal)
            records.write_record(grid[inside].astype("<i4"))
            for band in range(bands):
                records.write_record(wave(q, band))
        text = " ".join(f"{x:.15e}" for x in k @ reciprocal_alat)
        blocks += f"<ks_energies><k_point weight='1'>{text}</k_point></ks_energies>"
    vectors = "".join(
        f"<b{i}>{' '.join(f'{x:.15e}' for x in b)}</b{i}>"
        for i, b in enumerate(reciprocal_alat, start=1)
    )
    (folder / "data-file-schema.xml").write_text(
        f"<espresso><output><atomic_structure alat='{alat!r}'/>"
        f"<basis_set><gamma_only>false</gamma_only><ecutwfc>{cutoff / 2}</ecutwfc>"
        f"<reciprocal_lattice>{vectors}</reciprocal_lattice></basis_set>"
        "<band_structure><lsda>false</lsda><noncolin>false</noncolin>"
        f"<wf_collected>true</wf_collected><nks>{len(kpoints)}</nks>{blocks}"
        "</band_structure></output><status>0</status></espresso>"
    )
    return folder


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_half_holds_every_pair_once(n):
    kpoints, weights = time_reversal_half(mesh(n))
    assert weights.sum() == n * n
    assert len(kpoints) == (n * n + (4 if n % 2 == 0 else 1)) // 2


def test_half_of_an_open_mesh_is_rejected():
    with pytest.raises(JobError, match="not closed"):
        time_reversal_half(mesh(3)[:4])


@pytest.mark.parametrize("n", [3, 4])
def test_unfolded_folder_equals_the_full_one(tmp_path, n):
    full = write_folder(tmp_path / "full", mesh(n))
    half = write_folder(tmp_path / "half", time_reversal_half(mesh(n))[0])
    for _ in range(2):  # the second pass changes nothing
        unfold_time_reversal(half, mesh(n))
        assert sorted(f.name for f in half.iterdir()) == sorted(f.name for f in full.iterdir())
        for file in full.glob("wfc*"):
            for (kind, ours), (_, theirs) in zip(read(half / file.name), read(file)):
                np.testing.assert_allclose(ours, theirs, atol=1e-12, err_msg=kind)
    bands = ET.parse(half / "data-file-schema.xml").find("output/band_structure")
    assert int(bands.findtext("nks")) == n * n == len(bands.findall("ks_energies"))


def halve(folder):
    """Make of a folder with Gamma alone what `K_POINTS gamma` leaves behind."""

    def first(miller):
        """Gamma and the one of +G and -G that pw.x keeps."""
        return [tuple(m) >= (0, 0, 0) for m in miller.tolist()]

    with FortranFile(folder / "charge-density.dat") as records:
        sizes, reciprocal = records.read_record("<i4"), records.read_record("<f8")
        miller = records.read_record("<i4").reshape(-1, 3)
        density = records.read_record("<c16")
    kept = first(miller)
    with FortranFile(folder / "charge-density.dat", "w") as records:
        records.write_record(np.array([1, sum(kept), sizes[2]], "<i4"))
        records.write_record(reciprocal)
        records.write_record(miller[kept])
        records.write_record(density[kept])
    header, _, sizes, _, miller, *coefficients = (value for _, value in read(folder / "wfc1.dat"))
    kept = first(miller.reshape(-1, 3))
    with FortranFile(folder / "wfc1.dat", "w") as records:
        records.write_record(np.array([(header, (0, 0, 0), 1, 1, 1.0)], WFC_HEADER))
        records.write_record(np.array([0, sum(kept), 1, sizes[3]], "<i4"))
        records.write_record(reciprocal)
        records.write_record(miller.reshape(-1, 3)[kept])
        for values in coefficients:
            records.write_record(values[kept])
    spoil_gamma_only(folder)


def test_real_functions_become_complex_ones(tmp_path):
    whole = write_folder(tmp_path / "whole", mesh(1))
    real = write_folder(tmp_path / "real", mesh(1))
    halve(real)
    with pytest.raises(JobError, match="gamma_only is true"):
        unfold_time_reversal(real, mesh(1))
    for _ in range(2):  # the second pass changes nothing
        unfold_gamma(real)
        for (kind, ours), (_, theirs) in zip(read(real / "wfc1.dat"), read(whole / "wfc1.dat")):
            np.testing.assert_array_equal(ours, theirs, err_msg=kind)
        density = [folder / "charge-density.dat" for folder in (real, whole)]
        assert density[0].read_bytes() == density[1].read_bytes()
    unfold_time_reversal(real, mesh(1))


def read(path):
    with FortranFile(path) as records:
        header = records.read_record(WFC_HEADER)[0]
        yield "number", header["ik"]
        yield "k", header["k"]
        sizes = records.read_record("<i4")
        yield "sizes", sizes
        yield "reciprocal", records.read_record("<f8")
        yield "miller", records.read_record("<i4")
        for _ in range(sizes[3]):
            yield "coefficients", records.read_record("<c16")


def spoil_gamma_only(folder):
    file = folder / "data-file-schema.xml"
    file.write_text(file.read_text().replace("<gamma_only>false", "<gamma_only>true"))


def spoil_order(folder):
    shutil.copy(folder / "wfc2.dat", folder / "wfc3.dat")


def spoil_length(folder):
    file = folder / "wfc2.dat"
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_gamma_only, "gamma_only is true"),
        (spoil_order, "wfc3.dat is not k 3"),
        (spoil_length, "wfc2.dat"),
        (lambda folder: (folder / "wfc2.dat").unlink(), "wfc2.dat"),
        (lambda folder: (folder / "charge-density.dat").unlink(), "charge-density.dat"),
        (lambda folder: (folder / "data-file-schema.xml").unlink(), "data-file-schema.xml"),
    ],
)
def test_unexpected_folder_is_rejected_untouched(tmp_path, spoil, message):
    half = write_folder(tmp_path / "half", time_reversal_half(mesh(3))[0])
    spoil(half)
    before = {f.name: f.read_bytes() for f in half.iterdir()}
    with pytest.raises(JobError, match=message):
        unfold_time_reversal(half, mesh(3))
    assert before == {f.name: f.read_bytes() for f in half.iterdir()}


def test_missing_k_point_is_rejected(tmp_path):
    half = write_folder(tmp_path / "half", time_reversal_half(mesh(3))[0][:-1])
    with pytest.raises(JobError, match="neither k nor -k"):
        unfold_time_reversal(half, mesh(3))


def run_chain(folder, kpoints, weights, full):
    """pw.x, unfolding, pw2wannier90.x; returns {(k1, k2, g1, g2, g3): M (nbnd, nbnd)}."""
    folder.mkdir()
    rows = "\n".join(" ".join(f"{x:.10f}" for x in row) for row in CELL)
    points = "\n".join(" ".join(f"{x:.14f}" for x in k) + f" {w}" for k, w in zip(kpoints, weights))
    (folder / "pw.in").write_text(
        f"&control prefix='p', outdir='.', pseudo_dir='{PSEUDO}' /\n"
        "&system ibrav=0, nat=2, ntyp=2, ecutwfc=16, ecutrho=96, nbnd=4, occupations='fixed',"
        " nosym=.true., noinv=.true. /\n&electrons conv_thr=1e-15 /\n"
        "ATOMIC_SPECIES\nB 10.811 B.pbe-n-rrkjus_psl.1.0.0.UPF\nN 14.007"
        " N.pbe-n-rrkjus_psl.1.0.0.UPF\n"
        f"CELL_PARAMETERS angstrom\n{rows}\nATOMIC_POSITIONS crystal\nB 0.31 0.35 0.5\n"
        f"N 0.67 0.66 0.52\nK_POINTS crystal\n{len(kpoints)}\n{points}\n"
    )
    listing = "\n".join(" ".join(f"{x:.14f}" for x in k) for k in full)
    n = round(np.sqrt(len(full)))
    (folder / "w.win").write_text(
        f"num_wann 4\nmp_grid {n} {n} 1\nbegin projections\nrandom\nend projections\n"
        f"begin unit_cell_cart\n{rows}\nend unit_cell_cart\nbegin atoms_frac\nB 0.31 0.35 0.5\n"
        f"N 0.67 0.66 0.52\nend atoms_frac\nbegin kpoints\n{listing}\nend kpoints\n"
    )
    (folder / "pw2wan.in").write_text(
        "&inputpp outdir='.', prefix='p', seedname='w', write_mmn=.true., write_amn=.false. /\n"
    )
    options = {
        "cwd": folder,
        "check": True,
        "capture_output": True,
        "env": os.environ | {"OMP_NUM_THREADS": "1"},
    }
    subprocess.run(["pw.x", "-in", "pw.in"], **options)
    unfold_time_reversal(folder / "p.save", full)
    subprocess.run(["wannier90.x", "-pp", "w"], **options)
    subprocess.run(["pw2wannier90.x", "-in", "pw2wan.in"], **options)
    lines = (folder / "w.mmn").read_text().splitlines()[2:]
    overlaps = {}
    for start in range(0, len(lines), 17):
        values = np.loadtxt(lines[start + 1 : start + 17]) @ (1, 1j)
        overlaps[tuple(int(x) for x in lines[start].split())] = values.reshape(4, 4).T
    return overlaps


@pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)) or not os.path.isdir(PSEUDO), reason="no programs"
)
@pytest.mark.parametrize("n", [3, 4])
def test_overlaps_equal_those_of_a_full_mesh(tmp_path, n):
    full = mesh(n)
    ours = run_chain(tmp_path / "half", *time_reversal_half(full), full)
    theirs = run_chain(tmp_path / "full", full, np.ones(len(full)), full)
    assert set(ours) == set(theirs)
    for pair in theirs:
        singular = [np.linalg.svd(m[pair], compute_uv=False) for m in (ours, theirs)]
        np.testing.assert_allclose(*singular, atol=1e-6)
        assert singular[0].max() < 1 + 1e-6
    # Strings along each step return to where they began: their spectra know no gauge.
    for ours_spectrum, theirs_spectrum in zip(strings(ours, n), strings(theirs, n)):
        np.testing.assert_allclose(ours_spectrum, theirs_spectrum, atol=1e-6)


def strings(overlaps, n):
    """Characteristic polynomials of the closed strings of overlaps, in a fixed order."""
    steps = {}
    for (k1, k2, *g), matrix in overlaps.items():
        shift = (np.subtract(divmod(k2 - 1, n), divmod(k1 - 1, n)) + n * np.array(g[:2])).tolist()
        steps[k1, (*shift, g[2])] = k2, matrix
    for start, step in sorted(steps):
        k, product = start, np.eye(4)
        while True:
            k, matrix = steps[k, step]
            product = product @ matrix
            if k == start:
                break
        yield np.poly(product)
