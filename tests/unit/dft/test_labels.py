"""Labels: what is kept along with a frame, and small live calculations where programs exist."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import FortranFile

from moirepol.dft import espresso, grids, labels, programs
from moirepol.dft.audit import AUDIT_UNITS, total_dipole
from moirepol.dft.label_file import clear_scratch
from moirepol.dft.pseudopotentials import check_pseudopotentials_read, md5
from moirepol.errors import JobError
from moirepol.structure.building import build
from moirepol.structure.frames import from_dataset, to_dataset
from support.settings import shipped_config

A, D = 2.51, 3.33
LOOSE = {"ecutwfc_Ry": 25, "ecutrho_Ry": 150, "mesh_4_atom_cell": 3, "cell_height_A": 18}
live = pytest.mark.skipif(
    not all(map(shutil.which, programs.PROGRAMS)), reason="needs the first-principles programs"
)


@pytest.fixture(scope="module")
def recipe(root):
    return shipped_config()["labels"]["recipe"] | LOOSE


def labelled(name, recipe, folder):
    """The label of one bilayer with all its files in `folder`."""
    folder.mkdir()
    atoms = build(name, A, D, recipe["cell_height_A"])
    return labels.label(atoms, recipe, A, folder)


def test_numbers_that_some_frames_lack_stay_apart():
    old, new = build("AA_slide-0-0-1", A, D), build("AA_slide-1-1-3", A, D)
    new.info.update(qe_dipole_eA=-3.3e-3, scf_iterations=13, programs="pw.x")
    for frames in ([old, new], [new, old]):
        ds = to_dataset(frames, units=AUDIT_UNITS)
        assert ds["qe_dipole_eA"].attrs["units"] == "e.angstrom"
        back = {frame.name: frame.info for frame in from_dataset(ds)}
        assert back["AA_slide-1-1-3"]["qe_dipole_eA"] == -3.3e-3
        assert back["AA_slide-1-1-3"]["programs"] == "pw.x"
        assert not {"qe_dipole_eA", "scf_iterations", "programs"} & set(back["AA_slide-0-0-1"])


@pytest.mark.parametrize("gamma_only", [0, 1])
def test_dipole_of_a_known_density(tmp_path, gamma_only):
    """Gaussians of 8 electrons on each N, the upper displaced by 0.01 A: -0.08 e.A."""
    atoms = build("AA_slide-1-1-3", A, D)
    reciprocal = 2 * np.pi * atoms.cell.reciprocal().array * grids.BOHR_A
    heights = atoms.positions[atoms.is_site, 2] + (0, 0.01)
    index = np.arange(0 if gamma_only else -200, 201)
    q = index * reciprocal[2, 2] / grids.BOHR_A
    volume = atoms.get_volume() / grids.BOHR_A**3
    density = 8 / volume * np.exp(-0.045 * q**2) * np.exp(-1j * np.outer(heights, q)).sum(axis=0)
    with FortranFile(tmp_path / "charge-density.dat", "w") as file:
        file.write_record(np.array([gamma_only, len(index), 1], "<i4"))
        file.write_record(reciprocal)
        file.write_record(np.column_stack([0 * index, 0 * index, index]).astype("<i4"))
        file.write_record(density)
    upf = {}
    for element, charge in (("B", 3), ("N", 5)):
        upf[element] = tmp_path / f"{element}.UPF"
        upf[element].write_text(f'<PP_HEADER\n z_valence="    {charge}.000E+00"\n/>')
    assert espresso.density_dipole(tmp_path, atoms, upf) == pytest.approx(-0.08, abs=1e-9)


@live
@pytest.mark.slow
def test_the_cells_dipole_is_that_of_the_density(recipe, tmp_path):
    """Summed centres, the density's dipole and the one that pw.x prints."""
    frame = labelled("AA_slide-1-1-3_field+0.0200", recipe, tmp_path / "run")
    dipole = frame.info["qe_dipole_eA"]
    assert frame.info["density_dipole_eA"] == pytest.approx(dipole, abs=5e-6)
    assert total_dipole(frame)[2] == pytest.approx(dipole, abs=5e-5)
    assert frame.info["core_s"] > 0


@live
@pytest.mark.slow
def test_real_functions_at_gamma_give_the_complex_label(recipe, tmp_path, monkeypatch):
    """The same cell at Gamma alone, asked for as real and as complex functions."""
    recipe = recipe | {"mesh_4_atom_cell": 1, "electrostatics": "dipole"}
    recipe |= {"cell_height_A": 15, "conv_thr_Ry_per_atom": 1e-16}
    monkeypatch.setattr(labels, "check", lambda frame: None)  # one k point is too few for a label
    real = labelled("AA_slide-1-2-5", recipe, tmp_path / "real")
    assert "K_POINTS gamma" in (tmp_path / "real" / "pw.in").read_text()
    write = espresso.write_pw_input

    def complex_input(path, *arguments):
        write(path, *arguments)
        path.write_text(path.read_text().replace("gamma", "crystal\n1\n0 0 0 1"))

    monkeypatch.setattr(espresso, "write_pw_input", complex_input)
    complex_ = labelled("AA_slide-1-2-5", recipe, tmp_path / "complex")
    nitrogens = real.is_site
    ours, theirs = real.arrays["dipole"][nitrogens], complex_.arrays["dipole"][nitrogens]
    assert ours == pytest.approx(theirs, abs=1e-7)
    for name in ("largest_singular_value", "smallest_singular_value", "smallest_projection"):
        assert real.info[name] == pytest.approx(complex_.info[name], abs=1e-6)
    assert real.info["density_dipole_eA"] == pytest.approx(
        complex_.info["density_dipole_eA"], abs=1e-7
    )


def test_time_to_go_of_a_scf():
    text = "".join(
        f"iteration # {n}\n total cpu time spent up to now is {60.0 * n} secs\n"
        f"estimated scf accuracy    <       {10.0**-n} Ry\n"
        for n in (1, 2, 3)
    )
    assert espresso.scf_progress("", 1e-9) is None
    assert espresso.scf_progress(text[:100], 1e-9)[2] is None
    number, accuracy, left = espresso.scf_progress(text + "iteration # 4\n", 1e-9)
    assert (number, accuracy, left) == (3, 1e-3, pytest.approx(360))


@pytest.fixture
def in_three_chunks(tmp_path, monkeypatch):
    """A folder with an input, and a stand-in for pw.x that needs three chunks for it."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "pw.x"
    program.write_text(
        "#!/bin/sh\ncat > seen.in; cat seen.in >> ../seen; echo x >> bilayer.state\n"
        'echo "estimated scf accuracy < 1e-3 Ry"; echo "iteration # 1"\n'
        'if [ $(wc -l < bilayer.state) -lt 3 ]; then echo "Maximum CPU time exceeded"\n'
        'echo "Calculation stopped in scf loop"; exit 2; fi\necho finished\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "pw.in").write_text("&control\n/\n&electrons\n conv_thr = 1e-9\n/\n")
    return folder


@pytest.mark.parametrize("starts_with_checkpoint", [False, True])
def test_a_stopped_scf_goes_on(in_three_chunks, tmp_path, starts_with_checkpoint):
    """The second call finds one of the chunks done."""
    folder = in_three_chunks
    if starts_with_checkpoint:
        kept = folder / programs.CHECKPOINT
        kept.mkdir()
        (kept / "pw.in").write_text((folder / "pw.in").read_text() + "! processes: 1\n")
        (kept / "bilayer.state").write_text("x\n")
        (folder / "bilayer.state").write_text("broken\nbroken\nbroken\n")
    assert "finished" in espresso._in_chunks(folder, 1, 100)
    modes = [
        line for line in (tmp_path / "seen").read_text().splitlines() if "restart_mode" in line
    ]
    assert (
        modes
        == ["  restart_mode = 'from_scratch'", *["  restart_mode = 'restart'"] * 2][
            starts_with_checkpoint:
        ]
    )


@pytest.mark.parametrize("kill_at", [1, 2, 3])
def test_a_checkpoint_is_whole_whenever_it_is_killed(in_three_chunks, monkeypatch, kill_at):
    """Before each renaming that puts the second chunk's state in the place of the first's."""
    renamings = iter(range(1, 100))
    rename = Path.rename

    def rename_or_die(source, target):
        if next(renamings) == kill_at:
            raise KeyboardInterrupt
        return rename(source, target)

    given = (in_three_chunks / "pw.in").read_text()
    monkeypatch.setattr(Path, "rename", rename_or_die)
    with pytest.raises(KeyboardInterrupt):
        espresso._in_chunks(in_three_chunks, 1, 100)
    clear_scratch(in_three_chunks)
    kept = in_three_chunks / programs.CHECKPOINT
    assert not kept.exists() or sorted(p.name for p in kept.iterdir()) == ["bilayer.state", "pw.in"]
    in_three_chunks.mkdir(exist_ok=True)
    (in_three_chunks / "pw.in").write_text(given)
    assert "finished" in espresso._in_chunks(in_three_chunks, 1, 100)
    assert (in_three_chunks / "bilayer.state").read_text() == "x\n" * 3


@live
@pytest.mark.slow
def test_an_interrupted_scf_ends_as_an_uninterrupted_one(recipe, tmp_path, monkeypatch):
    """Real chunks: the dipole of a scf that was stopped on its way."""
    recipe = recipe | {"ecutwfc_Ry": 30, "ecutrho_Ry": 200}
    whole = labelled("AA_slide-1-2-5", recipe, tmp_path / "whole")
    monkeypatch.setattr(espresso, "RESTARTABLE_ATOMS", 4)
    monkeypatch.setattr(espresso, "CHUNK_S", 2)
    pieces = labelled("AA_slide-1-2-5", recipe, tmp_path / "pieces")
    nitrogens = whole.is_site
    ours, theirs = pieces.arrays["dipole"][nitrogens], whole.arrays["dipole"][nitrogens]
    assert ours == pytest.approx(theirs, abs=2e-6)


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("AA_slide-1-3-10", (30, 30, 225)),
        ("AA_slide-1-3-10_strain-2.00", (30, 30, 225)),  # pw.x alone would take 27
        ("AA_slide-1-1-3_strain-2.00", (27, 27, 225)),
        ("AA_twist-1-2", None),
    ],
)
def test_every_atom_stands_on_a_column_of_the_grid(name, grid):
    atoms = build(name, 2.51, 3.33, 20)
    assert grids.grid_on_atoms(atoms, 350) == grid
    if grid:
        columns = atoms.get_scaled_positions()[:, :2] * grid[0]
        np.testing.assert_allclose(columns, np.rint(columns), atol=1e-6)


class TestPseudopotentialsOfARun:
    """pw.x reads the files whose checksums a label records, wherever they are found."""

    B, N = "B.pbe-n-rrkjus_psl.1.0.0.UPF", "N.pbe-n-kjpaw_psl.0.1.UPF"  # this N is not listed
    INSTALLED = Path("/usr/share/espresso/pseudo")

    @pytest.fixture
    def run(self, recipe, tmp_path):
        """The scf of 4 atoms at Gamma: a function that returns the check sums that pw.x prints."""
        recipe = recipe | {"ecutwfc_Ry": 15, "ecutrho_Ry": 90, "cell_height_A": 12}
        recipe |= {"pseudopotentials": {"B": self.B, "N": self.N}, "conv_thr_Ry_per_atom": 1e-3}
        recipe |= {"electrostatics": "dipole"}
        bilayer = build("AA_slide-1-1-3", A, D, recipe["cell_height_A"])

        def run(chunk_s=None):
            folder = tmp_path / "run"
            folder.mkdir(exist_ok=True)
            path = folder / "pw.in"
            espresso.write_pw_input(path, bilayer, np.zeros((1, 3)), np.ones(1), recipe)
            espresso.run_scf(folder, 1, chunk_s)
            return re.findall(r"MD5 check sum: (\w+)", (folder / "pw.out").read_text())

        return run

    @pytest.fixture
    def own(self, tmp_path, monkeypatch):
        """A folder of the user with another N file of the same name as the installed one."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "own").mkdir()
        content = (self.INSTALLED / self.N).read_text()
        (tmp_path / "own" / self.N).write_text(content + "<!-- own -->\n")
        monkeypatch.setenv("ESPRESSO_PSEUDO", str(tmp_path / "own"))
        return tmp_path / "own"

    @live
    def test_a_folder_with_one_of_two_files(self, run, own):
        assert run() == [md5(self.INSTALLED / self.B), md5(own / self.N)]

    @live
    def test_a_relative_folder(self, run, own, monkeypatch):
        (own / self.B).write_bytes((self.INSTALLED / self.B).read_bytes())
        monkeypatch.setenv("ESPRESSO_PSEUDO", "own")
        assert run() == [md5(own / self.B), md5(own / self.N)]
        assert run(chunk_s=100) == [md5(own / self.B), md5(own / self.N)]

    @live
    def test_another_file_than_the_one_found_is_rejected(self, run, own):
        run()
        link = own.parent / "run" / "pseudo" / self.N
        link.unlink()
        link.symlink_to(self.INSTALLED / self.N)
        text = (own.parent / "run" / "pw.out").read_text()
        with pytest.raises(JobError, match=rf"^pw.x did not read .*{self.N}: its MD5 is "):
            check_pseudopotentials_read(own.parent / "run", text)

    def test_other_pseudopotentials_make_another_input(self, recipe, tmp_path, monkeypatch):
        """So a checkpoint of other files is not used."""
        monkeypatch.setenv("ESPRESSO_PSEUDO", str(tmp_path))
        recipe = recipe | {"pseudopotentials": {"B": "B.own.UPF", "N": "N.own.UPF"}}
        bilayer = build("AA_slide-1-1-3", A, D, recipe["cell_height_A"])
        inputs = []
        for content in ("one", "other"):
            for name in recipe["pseudopotentials"].values():
                (tmp_path / name).write_text(content)
            path = tmp_path / "pw.in"
            espresso.write_pw_input(path, bilayer, np.zeros((1, 3)), np.ones(1), recipe)
            inputs.append(path.read_text())
        assert inputs[0] != inputs[1]
