"""Materials are data: the code contains no element, and a material's file is checked."""

import re

import numpy as np
import pytest
import yaml
from ase import Atoms

from moirepol.errors import JobError
from moirepol.structure import material
from moirepol.structure.bilayer import Bilayer
from moirepol.structure.building import build
from moirepol.structure.material import known_materials, load_material
from moirepol.structure.names import System, material_of, nearest
from relax_atoms import relax_atoms
from support import ROOT

MATERIALS = [load_material(name) for name in known_materials()]
#: Literals of a material: atomic numbers, element symbols as species, names.
LITERALS = (
    r"numbers? ?[=!]= ?\d",
    rf"""(?<![A-Za-z_"'])["'](?:{"|".join({e for m in MATERIALS for e in m.species})})["']"""
    r"""(?![\w"'])(?=.*(?:symbol|species|element|numbers))""",
    r"(?i)\bh-?bn\b",
    rf"\b(?:{'|'.join(m.name for m in MATERIALS)})\b",
    r"\b(?:nitrogens?|borons?)\b",
    r"FUNCTIONS_PER_N",
)
#: The claims are those of a paper on one material, panels of Fig. 1 show it.
EXEMPT = ("moirepol/claims/", "moirepol/materials/")


def code_lines(path):
    """Lines of a module without comments and docstrings."""
    text = re.sub(r'"""(?:.|\n)*?"""', lambda m: "\n" * m.group().count("\n"), path.read_text())
    for number, line in enumerate(text.splitlines(), start=1):
        yield number, line.split("#")[0]


def test_no_module_contains_literals_of_a_material():
    package = ROOT / "scripts"
    found = [
        f"{path.relative_to(package)}:{number}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        if not path.relative_to(package).as_posix().startswith(EXEMPT)
        for number, line in code_lines(path)
        if any(re.search(pattern, line) for pattern in LITERALS)
        and "DEFAULT_MATERIAL =" not in line
    ]
    assert not found


def test_structural_data_are_read_from_the_bilayer_alone():
    keys = r"""\.info\[["'](?:name|family|layer_cell|layer_origin|field_V_per_A)["']\]"""
    found = [
        f"{path.name}:{number}"
        for path in sorted((ROOT / "scripts").rglob("*.py"))
        if path.name not in ("bilayer.py", "building.py", "frames.py", "committee.py")
        for number, line in code_lines(path)
        if re.search(keys, line)
        and not re.search(r"(?:member|trained|info)\w*(?:\[0\])?\.info", line)
    ]
    assert not found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"valence_electrons": {"B": 3, "N": 4}},
            "the basis has 7 valence electrons, .* 8; allowed is the same",
        ),
        ({"valence_electrons": {"B": 3}}, "valence_electrons: allowed are exactly the species"),
        ({"lattice_constant_A": -1}, "lattice_constant_A: "),
        ({"lattice_constant_A": 2.8}, "lattice_constant_range_A = .* around .* = 2.8"),
        ({"pseudopotentials": {"espresso": {"B": "B.UPF"}}}, "pseudopotentials.espresso: allowed"),
        ({"colour": "red"}, "colour: "),
        ({"audit": {"spread_A2": 0}}, "audit.spread_A2: "),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path, monkeypatch, change, words):
    right = yaml.safe_load((material.FOLDER / "hBN.yaml").read_text())
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(right | change))
    monkeypatch.setattr(material, "FOLDER", tmp_path)
    load_material.cache_clear()
    with pytest.raises(ValueError, match=rf"^mine.yaml: {words}[^\n]*$"):
        load_material("mine")
    with pytest.raises(ValueError, match="^material = 'other': allowed is one of mine$"):
        load_material("other")
    load_material.cache_clear()


def test_another_material_is_one_file(tmp_path, monkeypatch):
    right = yaml.safe_load((material.FOLDER / "hBN.yaml").read_text())
    text = yaml.safe_dump(right).replace("B:", "Si:").replace("N:", "C:")
    other = yaml.safe_load(text) | {"valence_electrons": {"Si": 4, "C": 4}}
    other["basis"][0]["species"], other["basis"][1]["species"] = "Si", "C"
    other["dipole_site"] |= {"species": "C"}
    other["dipole_site"]["bonded"] |= {"species": "Si", "maximum_length_A": 2.1}
    other["lattice_constant_range_A"] = [2.9, 3.3]
    other["lattice_constant_A"] = 3.1
    (tmp_path / "SiC.yaml").write_text(yaml.safe_dump(other))
    monkeypatch.setattr(material, "FOLDER", tmp_path)
    load_material.cache_clear()
    bilayer = build("AA_twist-1-2", 3.1, 3.5, material="SiC")
    assert set(bilayer.symbols) == {"Si", "C"}
    assert (len(bilayer.sites), bilayer.material.site_type) == (14, 1)
    assert bilayer.material.occupied_bands(list(bilayer.symbols)) == 4 * 14
    load_material.cache_clear()


class TestFamilies:
    def test_a_family_names_its_material(self):
        system = System.parse("SiC-AAp_twist-1-2_field+0.02")
        assert (system.family, system.material, system.stacking) == ("SiC-AAp", "SiC", "AAp")
        assert system.name == "SiC-AAp_twist-1-2_field+0.0200"
        assert "antiparallel layers (SiC-AAp)" in system.description
        assert nearest("SiC-AA_angle-2.00", 10**6).name == "SiC-AA_twist-16-17"

    def test_names_without_a_material_are_of_the_default_one(self):
        assert System.parse("AA_twist-1-2").material == "hBN"
        names = "AA", "configuration_AAp", "mine", "SiC-AA", "configuration_SiC-AAp_twist-1-2"
        assert [material_of(name) for name in names] == ["hBN", "hBN", "hBN", "SiC", "SiC"]

    def test_the_force_field_is_for_the_default_material(self):
        with pytest.raises(JobError, match="^SiC-AA_twist-1-2: the force field is for hBN, there"):
            relax_atoms("SiC-AA_twist-1-2", "atoms.nc", 3.1, 3.3)

    def test_an_unknown_material_is_one_line(self):
        with pytest.raises(ValueError, match="family 'XY-AA' is wrong; allowed is AA, AAp, .*SiC"):
            System.parse("XY-AA_twist-1-2")

    @pytest.mark.parametrize("material", MATERIALS, ids=lambda material: material.name)
    def test_atoms_are_those_of_the_material(self, material):
        prefix = "" if material.name == "hBN" else f"{material.name}-"
        for stacking in ("AA", "AAp"):
            system = System.parse(f"{prefix}{stacking}_twist-1-2")
            atoms = build(system, material.lattice_constant_A, material.layer_distance_A)
            assert len(atoms) == system.n_atoms == 14 * len(material.basis)
            assert (atoms.material, atoms.family) == (material, system.family)
            assert atoms.is_flat
            assert atoms.layer_distance_A == pytest.approx(material.layer_distance_A)
            again = Bilayer.from_atoms(atoms.to_atoms())
            assert again.material == material

    def test_functions_must_hold_all_electrons(self, tmp_path, monkeypatch):
        text = (material.FOLDER / "MoS2.yaml").read_text()
        without = yaml.safe_load(text)
        without["dipole_site"]["functions"].pop()  # that of the empty hexagon
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(without))
        shared = yaml.safe_load(text)
        shared["dipole_site"]["bonded"]["sites"] = 4
        (tmp_path / "shared.yaml").write_text(yaml.safe_dump(shared))
        monkeypatch.setattr(material, "FOLDER", tmp_path)
        with pytest.raises(ValueError, match="basis has 18 valence electrons, .* hold 16"):
            load_material("mine")
        with pytest.raises(ValueError, match="bonded.sites = 4: allowed is a divisor of number"):
            load_material("shared")


class TestBilayer:
    def test_it_is_ase_atoms_and_back(self):
        bilayer = build("AA_twist-1-2_field+0.0200", 2.51, 3.33)
        atoms = bilayer.to_atoms()
        assert type(atoms) is Atoms
        again = Bilayer.from_atoms(atoms)
        assert (again.name, again.field_V_per_A) == (bilayer.name, 0.02)
        np.testing.assert_array_equal(again.lattices, bilayer.lattices)
        np.testing.assert_array_equal(again.positions, bilayer.positions)

    def test_copies_are_bilayers_of_their_own(self):
        bilayer = build("AA_slide-1-1-3", 2.51, 3.33)
        copy = bilayer.copy()
        copy.name = "AA_slide-0-0-1"
        copy.positions[0] += 1
        assert (type(copy), bilayer.name) == (Bilayer, "AA_slide-1-1-3")
        assert np.abs(copy.positions - bilayer.positions).max() == 1

    @pytest.mark.parametrize(("missing", "words"), [("layer", "array 'layer'"), ("name", "name")])
    def test_what_is_missing_is_named(self, missing, words):
        atoms = build("AA_slide-1-1-3", 2.51, 3.33).to_atoms()
        atoms.arrays.pop(missing, None)
        atoms.info.pop(missing, None)
        with pytest.raises(ValueError, match=words):
            Bilayer.from_atoms(atoms)

    def test_orientations_are_those_of_the_lattices(self):
        lower, upper = build("AA_twist-3-4", 2.51, 3.33).orientations_deg
        assert upper - lower == pytest.approx(9.43, abs=0.01)
        sheared = build("AA_shear-9", 2.51, 3.33).orientations_deg
        assert sheared[0] == pytest.approx(0)
        assert sheared[1] == pytest.approx(-3.67, abs=0.1)  # half of the shear 1 / (9 cos 30)

    def test_site_arrays_are_nan_elsewhere(self):
        bilayer = build("AA_slide-1-1-3", 2.51, 3.33)
        bilayer.set_site_array("dipole", np.ones((2, 3)))
        assert np.isfinite(bilayer.dipoles).all()
        assert np.isnan(bilayer.arrays["dipole"][~bilayer.is_site]).all()
