"""Structures of the user's own: recognized from coordinates alone, or rejected in one line."""

import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import mx2
from ase.io import write
from scipy.spatial.transform import Rotation

from moirepol.errors import ConfigError
from moirepol.physics.gradient import local_gradients
from moirepol.structure.building import build
from moirepol.structure.recognition import read_structure, recognize
from moirepol.workflow import own_structures
from moirepol.workflow.coverage import beyond_labels, predictors_of
from moirepol.workflow.figure_plan import map_of_one_period, mapped_structure
from support.settings import shipped_config

A, D = 2.51, 3.33
NAMES = [
    "AA_twist-2-3",
    "AA_twist-3-2",
    "AAp_twist-2-3",
    "AA_mismatch-9-8",
    "AAp_mismatch-9-10",
    "AA_moire-3-4-2-4",
    "AA_shear-9",
    "AAp_strip-9-10",
    "AA_slide-1-2-5",
    "AA_slide-1-1-3_strain+1.00",
]


def exported(name):
    """Atoms of a bilayer with 12 decimals, as a file has them, and nothing else."""
    built = build(name, A, D)
    cell = np.round(built.cell.array, 12)
    return Atoms(built.numbers, np.round(built.positions, 12), cell=cell, pbc=True)


def shuffled(atoms, seed):
    """The same structure: moved, rotated, in another cell, wrapped elsewhere, in another order."""
    random = np.random.default_rng(seed)
    turn = Rotation.random(rng=random).as_matrix()
    order = random.permutation(len(atoms))
    cell = (atoms.cell.array @ turn.T)[[2, 0, 1]]
    cell[1] += 2 * cell[2]
    positions = (atoms.positions + random.normal(scale=5, size=3))[order] @ turn.T
    positions += random.integers(-2, 3, (len(atoms), 3)) @ cell
    return Atoms(atoms.numbers[order], positions, cell=cell, pbc=True), turn, order


@pytest.mark.parametrize("name", NAMES)
def test_a_bilayer_is_recognized_in_any_orientation_cell_image_and_order(name):
    """Its sites have the geometry of the system by name, up to a rotation by 120 degrees."""
    built = build(name, A, D)
    for seed in (0, 1):
        atoms, _, order = shuffled(exported(name), seed)
        found = recognize(atoms, "mine", A).bilayer
        assert found.family == built.family
        assert (found.numbers == built.numbers[order]).all()
        assert (found.layer == built.layer[order]).all()
        assert found.reference_lattice_constant_A == pytest.approx(
            built.reference_lattice_constant_A, abs=1e-10
        )
        expected = local_gradients(built)[0]
        size = np.linalg.norm(local_gradients(found) - expected, axis=1)
        assert size.max() < (1e-9 if built.system.n_periods else 0.2)
        np.testing.assert_allclose(found.local_geometry.distances_A, D, atol=1e-10)
        assert np.abs(found.displacement).max() < 1e-10


@pytest.mark.parametrize(
    ("name", "copies", "periods"),
    [
        ("AA_twist-2-3", 1, 1),
        ("AA_twist-2-3", 2, 4),
        ("AA_slide-0-0-1", 3, 0),
        ("AA_mismatch-9-8", 1, 1),
    ],
)
def test_the_cell_contains_whole_periods(name, copies, periods):
    found = recognize(exported(name) * (copies, copies, 1), "mine", A)
    assert found.n_periods == periods
    if periods == 1:
        sampled = found.sample(6)
        assert sampled.stacking_points()["G"] == pytest.approx([0, 0], abs=1e-6)
        away = (sampled.site_stackings[:1] + 0.5) % 1 - 0.5
        assert np.abs(away).max() < 1e-9


@pytest.mark.parametrize("ending", ["extxyz", "vasp", "cif", "lmp", "traj"])
def test_files_of_common_formats_are_read(ending, tmp_path):
    path = tmp_path / f"mine.{ending}"
    atoms = exported("AA_twist-2-3")
    frames = [Atoms("B", cell=np.eye(3)), atoms] if ending in ("extxyz", "traj") else atoms
    options = {"lmp": {"format": "lammps-data", "masses": True}}.get(ending, {})
    write(path, frames, **options)
    found = recognize(read_structure(path), "mine", A)
    assert found.bilayer.family == "AA"
    assert found.twist_angle_deg == pytest.approx(13.174, abs=1e-3)
    assert found.roughness_A[0] < 1e-5


def test_a_displaced_site_is_separated_from_its_bonds():
    """The centre of the bonds of a site moves by a third with each of its neighbours."""
    flat = recognize(exported("AA_twist-2-3"), "mine", A).bilayer
    assert np.abs(flat.relief.separations_A).max() < 1e-9
    site, step = flat.sites[4], np.array([0.01, -0.02, 0.03])

    def separations(index):
        atoms = exported("AA_twist-2-3")
        atoms.positions[index] += step
        return recognize(atoms, "mine", A).bilayer.relief.separations_A

    # The smooth lattice follows the atom a little, because it is fitted to about 29 atoms.
    assert separations(site)[4] == pytest.approx(step, rel=0.1)
    bonded = np.argsort(flat.get_distances(site, range(len(flat)), mic=True))[1]
    assert separations(bonded)[4] == pytest.approx(-step / 3, rel=0.15)


def test_a_curved_layer_has_a_slope_and_a_curvature_and_no_separation():
    """The fit smooths a ripple of 24 angstrom by a tenth."""
    atoms = exported("AA_twist-5-6")
    q = 2 * np.pi * np.linalg.inv(atoms.cell.array[:2, :2])[:, 0]
    phase = atoms.positions[:, :2] @ q
    atoms.positions[:, 2] += 0.05 * np.cos(phase)
    found = recognize(atoms, "mine", A)
    relief, phase = found.bilayer.relief, phase[found.bilayer.sites]
    slope = -0.05 * np.outer(np.sin(phase), q) @ found.rotation[:2, :2].T
    assert relief.slopes == pytest.approx(slope, abs=0.12 * np.abs(slope).max())
    curvature = -0.05 * q @ q * np.cos(phase)
    assert relief.curvatures_per_A == pytest.approx(curvature, abs=0.15 * np.abs(curvature).max())
    unsubtracted = 2.51**2 / 12 * np.abs(curvature).max()
    assert np.abs(relief.separations_A).max() < 0.15 * unsubtracted


def bad(change):
    """A twisted bilayer that a function changes."""
    atoms = exported("AA_twist-2-3")
    changed = change(atoms)
    return atoms if changed is None else changed


def moved(index, by):
    def change(atoms):
        atoms.positions[index] += by

    return change


def with_cell(function):
    def change(atoms):
        atoms.cell = function(atoms.cell.array)

    return change


def nitrogen_for_boron(atoms):
    atoms.numbers[np.flatnonzero(atoms.numbers == 5)[0]] = 7


def third_layer(atoms):
    more = atoms[atoms.positions[:, 2] > 10]
    more.positions[:, 2] += D
    return atoms + more


def ribbon(atoms):
    """A layer that is periodic in one direction only."""
    atoms.cell[0] *= 3


def bulk(atoms):
    atoms.cell[2, 2] = 2 * D


WRONG = {
    "foreign atoms": (lambda a: mx2("MoS2", vacuum=10), "atoms of Mo, S: allowed are B and N"),
    "no atoms": (lambda a: a[:0], "no atoms"),
    "one layer": (lambda a: a[a.positions[:, 2] < 10], "1 layer: allowed are 2"),
    "three layers": (third_layer, "3 layers: allowed are 2"),
    "bulk": (bulk, "a vacuum of 3.33 Å: allowed is at least 6 Å"),
    "a vacancy": (lambda a: a[1:], "has 2 bonds of up to 1.8 Å: allowed are 3"),
    "an adatom": (lambda a: a + Atoms("N", [[0, 0, 13.2]]), "bonds of up to 1.8 Å: allowed are 3"),
    "the same atom twice": (lambda a: a + a[:1], "are 0.000 Å apart"),
    "an antisite": (nitrogen_for_boron, "are both N and 1.45 Å apart"),
    "a position that is no number": (moved(3, np.nan), "the position of atom 3 is not a number"),
    "no cell": (with_cell(lambda c: 0 * c), "no periodic cell: allowed are at least two"),
    "a cell without volume": (with_cell(lambda c: c[[0, 0, 2]]), "allowed is above 0"),
    "a cell that is too large": (with_cell(lambda c: 1.2 * c), "bonds of up to 1.8 Å"),
    "a cell that is too small": (with_cell(lambda c: 0.8 * c), "apart: allowed"),
    "a ribbon": (ribbon, "bonds of up to 1.8 Å: allowed are 3"),
    "a broken bond": (moved(3, [0.5, 0, 0]), "bonds of up to 1.8 Å: allowed are 3"),
    "only boron": (lambda a: a[a.numbers == 5], "has 0 bonds"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_structure_that_is_no_bilayer_is_rejected_in_one_line(case):
    change, words = WRONG[case]
    with pytest.raises(ValueError, match="allowed|not a number") as error:
        recognize(bad(change), "mine", A)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def configured(path):
    return shipped_config() | {"structures": {"mine": str(path)}}


def write_changed(path, change, name="AA_twist-2-3"):
    atoms = exported(name)
    changed = change(atoms)
    write(path, atoms if changed is None else changed)
    return configured(path)


def upper(atoms):
    return atoms.positions[:, 2] > 10


def raised(atoms):
    atoms.positions[upper(atoms), 2] += 0.42


def corrugated(atoms):
    """Both layers are flat on average; the distance varies by 0.4 angstrom over the cell."""
    phase = 2 * np.pi * atoms.get_scaled_positions()[:, 0]
    atoms.positions[:, 2] += 0.2 * np.where(upper(atoms), 1, -1) * np.cos(phase)


def stretched(atoms):
    atoms.set_cell(atoms.cell.array * [[1.12], [1.12], [1]], scale_atoms=True)


OUTSIDE = {
    "layers that are too far apart": (raised, "a layer distance of 3.75 Å"),
    "corrugated layers": (corrugated, "layer distance of "),
    "stretched layers": (stretched, "a strain of a layer of 12 %"),
    "an atom away from its lattice": (moved(3, [0, 0, 0.4]), "away from the smooth lattice"),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_structure_outside_the_range_of_the_labels_is_rejected_in_one_line(case, tmp_path):
    change, words = OUTSIDE[case]
    config = write_changed(tmp_path / "mine.extxyz", change)
    with pytest.raises(ConfigError, match=words) as error:
        predictors_of(config, "mine")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is no file"),
        (b"", "is no structure that ASE reads"),
        (b"\x00\x01garbage\n" * 20, "is no structure that ASE reads"),
        (b"3\nLattice=nonsense\nB 0 0\n", "is no structure that ASE reads"),
    ],
)
def test_a_file_that_is_no_structure_is_rejected_in_one_line(content, words, tmp_path):
    path = tmp_path / "mine.extxyz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as error:
        own_structures.find(configured(path), "mine")
    assert str(error.value).startswith("structures.mine = ")
    assert "\n" not in str(error.value)


def test_a_strained_structure_within_the_range_is_predicted_and_roughness_is_stated(tmp_path):
    def change(atoms):
        atoms.set_cell(atoms.cell.array * [[1.01], [1.01], [1]], scale_atoms=True)
        atoms.positions[5, 0] += 0.02

    config = write_changed(tmp_path / "mine.extxyz", change)
    assert predictors_of(config, "mine")["zero_field"] == "aa"
    words = beyond_labels(config, "mine")
    rough = float(re.search(r"atoms up to (\S+) Å", words)[1])
    assert 0.005 < rough < 0.02
    assert "smooth lattices" in beyond_labels(config, "mine_field+0.0200")


def test_maps_need_all_stackings_and_charges_one_period(tmp_path):
    config = write_changed(tmp_path / "a.extxyz", lambda a: a * (2, 2, 1))
    assert mapped_structure(config, "mine") == str(tmp_path / "a.extxyz")
    with pytest.raises(ConfigError, match="contains 4 periods"):
        map_of_one_period(config, "mine")
    config = write_changed(tmp_path / "b.extxyz", lambda a: None, "AA_slide-0-0-1")
    with pytest.raises(ConfigError, match="does not contain all stackings"):
        mapped_structure(config, "mine")
