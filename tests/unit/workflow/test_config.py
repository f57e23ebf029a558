"""Settings: the shipped ones are valid, wrong ones are rejected in one line."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from jsonschema import Draft202012Validator

from moirepol.errors import ConfigError
from moirepol.structure.material import load_material
from moirepol.workflow import resolution
from moirepol.workflow.configuration import check_config
from moirepol.workflow.configuration_checks import studies_used_for
from moirepol.workflow.coverage import predictors_of
from moirepol.workflow.label_sets import changes_of, recipe_of
from moirepol.workflow.settings.base import ABSENT, Section, setting, with_defaults
from moirepol.workflow.settings.labels import Labels
from moirepol.workflow.settings.page import settings_page
from moirepol.workflow.settings.schema import resolve, settings_schema
from support.settings import put


@pytest.fixture
def config(root):
    return yaml.safe_load((root / "config.yaml").read_text())


def test_the_shipped_settings_are_valid(config):
    complete = check_config(config)
    assert check_config(complete) == complete


def test_the_material_completes_the_settings(config):
    """Every number and file of a material is in its file, unless a setting chooses another."""
    del config["labels"]["variants"]["brute_force"]
    assert not {"lattice_constant_A", "layer_distance_A"} & set(config)
    assert "pseudopotentials" not in yaml.safe_dump(config)
    found, material = check_config(config), load_material()
    assert found["lattice_constant_A"] == material.lattice_constant_A
    assert found["layer_distance_A"] == material.layer_distance_A
    for name, engine in (("standard", "espresso"), ("large", "espresso"), ("gpaw", "gpaw")):
        files = recipe_of(found, name)["pseudopotentials"]
        assert files == material.pseudopotentials[engine]


def test_a_default_is_filled_in_except_in_recipes_and_named_entries():
    class Inner(Section):
        depth_A: float = setting("Depth.", "Å", default=2)
        text: str = setting("Text.", default=ABSENT)

    class Outer(Section):
        inner: Inner = setting("Section.")
        numbers: list[int] = setting("List.", default=[0])
        named: dict[str, Inner] = setting("Sections.")

    given = {"inner": {}, "named": {"one": {}}}
    found = with_defaults(Outer, given)
    assert found == {"inner": {"depth_A": 2}, "numbers": [0], "named": {"one": {}}}
    assert given == {"inner": {}, "named": {"one": {}}}
    assert with_defaults(Outer, {"inner": 3})["inner"] == 3
    assert with_defaults(Labels, {"recipe": {}}) == {"recipe": {}}


def test_a_recipe_chooses_other_pseudopotentials(config):
    own = {"B": "B.own.UPF", "N": "N.own.UPF"}
    raw = config
    config = check_config(put(raw, "labels.recipe.pseudopotentials", own))
    assert recipe_of(config, "standard")["pseudopotentials"] == own
    assert recipe_of(config, "large")["pseudopotentials"] == own
    gpaw = load_material().pseudopotentials["gpaw"]
    assert recipe_of(config, "gpaw")["pseudopotentials"] == gpaw
    config = check_config(put(raw, "labels.variants.wfc_35.pseudopotentials", own))
    assert recipe_of(config, "wfc_35")["pseudopotentials"] == own


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(settings_schema())


def test_the_schema_allows_the_shipped_settings(config):
    Draft202012Validator(settings_schema()).validate(config)


def test_schema_and_page_are_those_of_the_present_settings(root):
    """`python scripts/describe_settings.py` writes both."""
    schema = json.loads((root / "schemas" / "config.schema.json").read_text(encoding="utf-8"))
    assert schema == settings_schema()
    assert (root / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page()


def test_every_setting_is_described_and_no_other_is_let_in():
    waiting, seen = [("config", resolve(settings_schema()))], 0
    while waiting:
        path, part = waiting.pop()
        if part.get("type") == "object":
            assert "additionalProperties" in part, path
        for key, value in part.get("properties", {}).items():
            value = resolve(value)
            assert value.get("description"), f"{path}.{key}"
            waiting.append((f"{path}.{key}", value))
            seen += 1
        for below in (part.get("additionalProperties"), part.get("items")):
            if isinstance(below, dict):
                waiting.append((f"{path}.*", resolve(below)))
    assert seen > 80


def test_a_number_with_a_unit_in_its_name_has_this_unit():
    units = {"A": "Å", "Ry": "Ry", "eA": "e·Å", "V_per_A": "V/Å", "percent": "%", "deg": "°"}
    waiting = [resolve(settings_schema())]
    while waiting:
        part = waiting.pop()
        for key, value in part.get("properties", {}).items():
            value = resolve(value)
            unit = value.get("x-unit") or value.get("items", {}).get("x-unit")
            for ending in units:
                if re.search(rf"(?<!_per)_{ending}$", key):
                    assert unit == units[ending], key
            waiting.append(value)
        below = (part.get("additionalProperties"), part.get("items"))
        waiting += [resolve(entry) for entry in below if isinstance(entry, dict)]


def test_the_settings_are_read_without_slow_libraries(root):
    """Every run reads the settings first."""
    code = (
        "import sys, yaml; from moirepol.workflow.configuration import check_config; "
        f"check_config(yaml.safe_load(open({str(root / 'config.yaml')!r}))); "
        "print(*sorted({'matplotlib', 'scipy', 'netCDF4', 'spglib'} & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(root / "scripts")}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("lattice_constant_A", 9, ["lattice_constant_A = 9", "from 2.3 to 2.7 Å"]),
        ("lattice_constant_A", None, ["lattice_constant_A = None", "number"]),
        ("typo", 1, ["unknown key 'typo' with value 1", "layer_distance_A"]),
        (
            "protocols.paper",
            {"rcut": 6},
            ["unknown key 'rcut' with value 6, did you mean"],
        ),
        ("protocols.short.steps", "many", ["steps = 'many': allowed is an integer >= 1, this is"]),
        ("protocols.short.optimizer", "adam", ["learning_rate_start is missing, optimizer = adam"]),
        ("models.aa.kind", "response", ["models.aa.field_V_per_A is missing", "> 0 V/Å"]),
        ("models.aa", {"family": "AA"}, ["models.aa.kind is missing: allowed is one of zero"]),
        ("models.aa.labels", ["twist_6_01"], ["models.aa.labels = 'twist_6_01'", "held out"]),
        ("labels.source", "download", ["labels.source = 'download'", "shipped, complete, compute"]),
        ("labels.recipe.conv_thr_Ry_per_atom", "1e-6", ["conv_thr_Ry_per_atom", "1.0e-6"]),
        ("labels.recipe.ecutrho_Ry", 100, ["ecutrho_Ry = 100", "at least 4 x ecutwfc_Ry"]),
        (
            "labels.recipe.pseudopotentials",
            {"B": "../../B.UPF", "N": "N.UPF"},
            ["B = ", "without folder"],
        ),
        (
            "labels.recipe.pseudopotentials",
            {"B": "$(date).UPF", "N": "N.UPF"},
            ["B = ", "without folder"],
        ),
        ("labels.variants", {"standard": {}}, ["labels.variants = 'standard'"]),
        ("labels.variants", {"low": {"ecutrho_Ry": 90}}, ["low", "ecutrho_Ry = 90"]),
        ("labels.sets.aa", {"recipe": "low", "systems": ["AA_twist-1-2"]}, ["recipe = 'low'"]),
        ("labels.sets.aa", {"grid": []}, ["labels.sets.aa", "unknown key 'grid'"]),
        ("labels.sets.aa", {}, ["labels.sets.aa = {}", "at least 1"]),
        ("labels.sets", {"../aa": {"systems": ["AA_twist-1-2"]}}, ["labels.sets = '../aa'"]),
        ("labels.sets.aa", {"systems": ["AA_twist-2-2"]}, ["AA_twist-2-2", "two different"]),
        ("labels.sets.aa", {"systems": ["AB_twist-1-2"]}, ["AB_twist-1-2", "allowed is AA, AAp"]),
        ("labels.sets.aa", {"systems": ["AA_twist-1-2_strain+1"]}, ["AA_twist-1-2_strain+1.00"]),
        ("models.aa.labels", ["nothing"], ["models.aa.labels = 'nothing'", "aa_field"]),
        ("models.aa.protocol", "nothing", ["models.aa.protocol = 'nothing'", "paper"]),
        ("models.aa.seeds", [1, 1], ["models.aa.seeds", "twice"]),
        ("predictors.AA", {"zero_field": "aa"}, ["predictors.AA names no response model"]),
        ("gradient.AA", ["nothing"], ["gradient.AA = 'nothing'", "strips"]),
        ("gradient.AA", ["moire"], ["gradient.AA = 'moire'", "a set of uniaxial cells"]),
        ("gradient.AAp", ["strips"], ["gradient.AAp = 'strips'", "of AAp"]),
        ("gradient.AA", [], ["gradient.AA", "at least 1 entry"]),
        ("labels.sets.strips.use", "validation", ["gradient.AA = 'strips'", "not held out"]),
        ("labels.sets.strips.recipe", "wfc_35", ["gradient.AA", "one recipe", "large and wfc_35"]),
        ("heights.AA.relaxed", ["aa_relaxed"], ["heights.AA.relaxed", "the second in a field"]),
        ("gradient.AA", None, ["studies.cells_gradient.gradient, family = 'AA'"]),
        ("studies.cells_mapped.models.mismatch", "aa", ["unknown key 'mismatch'"]),
        ("studies.cells_mapped.labels", ["nothing"], ["cells_mapped.labels = 'nothing'", "aa"]),
        ("studies.cells_mapped.models.zero_field", "aa_response", ["wanted is a zero_field model"]),
        ("studies.cells_mapped.models.response", "aap", ["wanted is a response model of AA"]),
        ("studies.cells_mapped.long_range", "AA_slide-1-1-3", ["'response' is missing"]),
        ("studies.cells_field.long_range", "AAp_slide-0-0-1", ["a slide of AA without a field"]),
        ("studies.cells_field.used_for", ["figures"], ["used_for.0 = 'figures'", "claims"]),
        ("studies.cells_field.used_for", ["errors"], ["cells_field.gradient = False", "True"]),
        ("studies.cells_field.label", "layer distance", ["cells_field.label", "distance has"]),
        ("studies.cells_field.label", "$x$", ["studies.cells_field.label = ", "without $"]),
        ("long_range", {"AA": "AA_twist-1-2"}, ["long_range.AA", "a slide of AA"]),
        ("long_range", {"AAp": "AA_slide-1-1-3"}, ["long_range.AAp", "a slide of AAp"]),
        ("figures.fig2d.plot", "pie", ["figures.fig2d.plot = 'pie'", "one of amplitudes, angles"]),
        ("figures.fig2d.systems", [], ["figures.fig2d.systems = []", "one system or conf"]),
        (
            "figures.fig2a.systems",
            ["configuration_AA"],
            ["figures.fig2a.systems = 'conf", "one sy"],
        ),
        (
            "figures.fig1a.systems",
            ["AA_twist-1-2"],
            ["fig1a.systems = 'AA_tw", "configuration_AAp"],
        ),
        ("figures.fig4a.systems", [], ["figures.fig4a.systems = []", "at least 1 system"]),
        ("figures.fig4j.sweep", "time", ["figures.fig4j.sweep = 'time'", "one of field, mismatch"]),
        ("figures.fig4j.systems", ["AA_twist-1-2"], ["fig4j.systems", "plot, sweep, caption"]),
        (
            "figures.fig2d.quantity",
            "P_par",
            ["fig2d.quantity = 'P_par'", "plot, systems, largest_eA, caption"],
        ),
        ("figures.mine", {"plot": "charge", "caption": "Mine."}, ["figures.mine", "'systems' is"]),
        ("figures.mine", {"plot": "parity"}, ["figures.mine.caption is missing"]),
        (
            "figures.Mine",
            {"plot": "parity", "caption": "Mine."},
            ["figures = 'Mine'", "lower-case letters"],
        ),
        ("predictors", {"AAp": {"zero_field": "aap"}}, ["predictors.AA names no zero_field model"]),
        ("maps.grid_points", 100, ["maps.grid_points = 100", "multiple of 6"]),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(config, path, value, words):
    with pytest.raises(ConfigError) as error:
        check_config(put(config, path, value))
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("section", ["labels", "labels.recipe", "models", "maps", "figures"])
@pytest.mark.parametrize("value", [None, 3, "text", []])
def test_a_section_of_the_wrong_kind_is_told_too(config, section, value):
    with pytest.raises(ConfigError, match=r"^[^\n]+$"):
        check_config(put(config, section, value))


def test_null_removes_an_entry_of_the_default_settings(config):
    config = put(config, "labels.sets.copies", None)
    assert "copies" not in check_config(config)["labels"]["sets"]


@pytest.mark.parametrize("old", ["cells_gradient", "moire_small", "left_out"])
def test_a_renamed_study_keeps_its_uses(config, old):
    """Uses and labels of studies follow the configuration, whatever a study is named."""
    studies = check_config(config)["studies"]
    renamed = {("renamed" if name == old else name): study for name, study in studies.items()}
    found = check_config(put(config, "studies", renamed))["studies"]
    for use in ("claims", "errors"):
        wanted = ["renamed" if name == old else name for name in studies_used_for(use, studies)]
        assert studies_used_for(use, found) == wanted != []
    assert [s.get("label") for s in found.values()] == [s.get("label") for s in studies.values()]


def test_rules_name_no_study(root, config):
    """A name in a rule would drop a renamed study from a figure or a table without a message."""
    text = "".join((root / "rules" / f"{part}.smk").read_text() for part in ("accuracy", "claims"))
    studies = set(config["studies"])
    named = {name for name in studies if re.search(rf"[\"']{name}[\"']", text)}
    assert not named


def test_null_leaves_the_short_range_alone(config):
    config = check_config(put(config, "long_range", {"AA": None}))
    assert set(predictors_of(config, "AA_twist-1-2")) == {"zero_field"}


def test_a_removed_entry_must_not_be_needed(config):
    with pytest.raises(ConfigError, match="allowed is one of"):
        check_config(put(config, "labels.sets.aa", None))


INHERITING = [
    ("protocols", "second_order", "short", "rcut_smooth_A", 2.0),
    ("models", "aa_large", "aap_large", "folds", 7),
    ("labels.variants", "large", "small", "cell_height_A", 14),
]


@pytest.fixture
def derived(config):
    """The settings with a variant that is based on another variant."""
    return put(config, "labels.variants.small", {"based_on": "large", "ecutwfc_Ry": 28})


def entries(config, section):
    for key in section.split("."):
        config = config[key]
    return config


@pytest.mark.parametrize(("section", "base", "name", "key", "value"), INHERITING)
def test_an_entry_has_the_settings_of_its_base(derived, section, base, name, key, value):
    before = entries(check_config(derived), section)
    found = entries(check_config(put(derived, f"{section}.{base}.{key}", value)), section)
    assert found[name] == before[name] | {key: value}
    assert found[base] == before[base] | {key: value}
    assert "based_on" not in found[name]


def test_an_entry_names_what_differs(derived):
    config = check_config(derived)
    protocols = config["protocols"]
    own = {key: protocols["short"][key] for key in ("description", "steps", "label_noise_eA")}
    assert protocols["short"] == protocols["second_order"] | own
    assert own["steps"] == 20
    assert list(protocols["short"]) == list(protocols["second_order"])
    assert config["models"]["aap_large"] == config["models"]["aa_large"] | {
        "family": "AAp",
        "labels": ["aap_large"],
    }
    assert recipe_of(config, "small") == recipe_of(config, "large") | {"ecutwfc_Ry": 28}
    assert changes_of(config, "wfc_60") == {"ecutwfc_Ry": 60}
    assert changes_of(config, "standard") == {}


@pytest.mark.parametrize(("section", "base", "name", "key", "value"), INHERITING)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("nothing", "based_on = 'nothing': allowed is one of "),
        (None, "based_on = None: allowed is one of "),
        (["standard"], "based_on = ['standard']: allowed is one of "),
        ("itself", "this is a cycle, {name} -> {name}"),
        ("a cycle", "this is a cycle, "),
    ],
)
def test_a_wrong_base_is_named_in_one_line(derived, section, base, name, key, value, wrong, words):
    cycles = {"itself": (name, name), "a cycle": (base, name)}
    place, wrong = cycles.get(str(wrong), (name, wrong))
    with pytest.raises(ConfigError) as error:
        check_config(put(derived, f"{section}.{place}.based_on", wrong))
    message = str(error.value)
    assert message.startswith(f"{section}.")
    assert words.format(name=name) in message
    assert "\n" not in message


def test_a_removed_base_is_named(config):
    with pytest.raises(ConfigError, match=r"based_on = 'second_order': allowed is one of [a-z]"):
        check_config(put(config, "protocols.second_order", None))


def test_an_error_is_that_of_the_entry_that_has_it(config):
    """Not that of an earlier entry, which has taken it from there."""
    protocols = {"first": {"based_on": "second_order"}} | config["protocols"]
    config = put(config, "protocols", protocols)
    with pytest.raises(ConfigError, match=r"^protocols.second_order.rcut_A = 99: allowed"):
        check_config(put(config, "protocols.second_order.rcut_A", 99))
    with pytest.raises(ConfigError, match=r"^protocols.second_order: unknown key 'rcut'"):
        check_config(put(config, "protocols.second_order.rcut", 9))
    del config["protocols"]["second_order"]["rcut_A"]
    with pytest.raises(ConfigError, match=r"^protocols.second_order.rcut_A is missing"):
        check_config(config)


def test_a_material_without_files_of_a_code_is_told(config, monkeypatch):
    only = load_material().model_copy(update={"pseudopotentials": {"espresso": {}}})
    monkeypatch.setattr(resolution, "load_material", lambda: only)
    with pytest.raises(ConfigError, match=r"^labels.variants.gpaw.engine = 'gpaw': allowed is one"):
        check_config(config)
