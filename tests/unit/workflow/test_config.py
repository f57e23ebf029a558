"""Settings: the shipped ones are valid, wrong ones are refused in one telling line."""

import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from moirepol.errors import ConfigError
from moirepol.workflow.configuration import check_config, load_schema
from moirepol.workflow.configuration_checks import studies_used_for
from moirepol.workflow.coverage import predictors_of
from support.settings import put


@pytest.fixture
def config(root):
    return yaml.safe_load((root / "config.yaml").read_text())


def test_the_shipped_settings_are_valid(config):
    assert check_config(config) == config


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(load_schema())


def test_every_setting_is_described_and_no_other_is_let_in():
    schema = load_schema()
    waiting, seen = [("config", schema)], 0
    while waiting:
        path, part = waiting.pop()
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rpartition("/")[2]] | part
        if part.get("type") == "object":
            assert "additionalProperties" in part, path
        for key, value in part.get("properties", {}).items():
            shared = schema["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
            assert value.get("description") or shared.get("description"), f"{path}.{key}"
            waiting.append((f"{path}.{key}", value))
            seen += 1
        if isinstance(part.get("additionalProperties"), dict):
            waiting.append((f"{path}.*", part["additionalProperties"]))
    assert seen > 30


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("lattice_constant_A", 9, ["lattice_constant_A = 9", "<= 2.7", "Angstrom"]),
        ("lattice_constant_A", None, ["lattice_constant_A = None", "number"]),
        ("typo", 1, ["unknown key 'typo'", "layer_distance_A"]),
        ("models.aa.labels", ["twist_6_01"], ["models.aa.labels = 'twist_6_01'", "held out"]),
        ("labels.source", "download", ["labels.source = 'download'", "shipped, complete, compute"]),
        ("labels.recipe.conv_thr_Ry_per_atom", "1e-6", ["conv_thr_Ry_per_atom", "1.0e-6"]),
        ("labels.recipe.ecutrho_Ry", 100, ["ecutrho_Ry = 100", "at least 4 x ecutwfc_Ry"]),
        ("labels.recipe.pseudopotentials.B", "../../B.UPF", ["pseudopotentials.B", "matches"]),
        ("labels.recipe.pseudopotentials.B", "$(date).UPF", ["pseudopotentials.B", "matches"]),
        ("labels.variants", {"standard": {}}, ["labels.variants = 'standard'"]),
        ("labels.variants", {"low": {"ecutrho_Ry": 90}}, ["low", "ecutrho_Ry = 90"]),
        ("labels.sets.aa", {"recipe": "low", "systems": ["AA_twist-1-2"]}, ["recipe = 'low'"]),
        ("labels.sets.aa", {"grid": []}, ["labels.sets.aa", "unknown key 'grid'"]),
        ("labels.sets.aa", {}, ["labels.sets.aa = {}", "at least 1"]),
        ("labels.sets", {"../aa": {"systems": ["AA_twist-1-2"]}}, ["labels.sets = '../aa'"]),
        ("labels.sets.aa", {"systems": ["AA_twist-2-2"]}, ["AA_twist-2-2", "two different"]),
        ("labels.sets.aa", {"systems": ["AB_twist-1-2"]}, ["AB_twist-1-2", "AA_twist-21-22"]),
        ("labels.sets.aa", {"systems": ["AA_twist-1-2_strain+1"]}, ["AA_twist-1-2_strain+1.00"]),
        ("models.aa.labels", ["nothing"], ["models.aa.labels = 'nothing'", "aa_field"]),
        ("models.aa.protocol", "nothing", ["models.aa.protocol = 'nothing'", "paper"]),
        ("models.aa.seeds", [1, 1], ["models.aa.seeds", "twice"]),
        ("predictors.AA", {"zero_field": "aa"}, ["predictors.AA names no response model"]),
        ("heterostrain.AA", "nothing", ["heterostrain.AA = 'nothing'", "strips"]),
        ("heterostrain.AA", "moire", ["heterostrain.AA = 'moire'", "a set of strips of AA"]),
        ("heterostrain.AAp", "strips", ["heterostrain.AAp = 'strips'", "a set of strips of AAp"]),
        ("labels.sets.strips.use", "validation", ["heterostrain.AA = 'strips'", "not held out"]),
        ("studies.mismatch.heterostrain", "aa", ["studies.mismatch.heterostrain", "strips of AA"]),
        ("studies.cells_6.models.mismatch", "aa", ["unknown key 'mismatch'"]),
        ("studies.cells_6.labels", ["nothing"], ["studies.cells_6.labels = 'nothing'", "aa"]),
        ("studies.cells_6.models.zero_field", "aa_response", ["wanted is a zero_field model of"]),
        ("studies.cells_6.models.response", "aap", ["wanted is a response model of AA"]),
        ("studies.cells_6.long_range", "AA_slide-1-1-3", ["cells_6", "'response' is missing"]),
        ("studies.cells_reach.long_range", "AAp_slide-0-0-1", ["a slide of AA without a field"]),
        ("studies.cells_reach.used_for", ["figures"], ["used_for.0 = 'figures'", "claims"]),
        ("studies.cells_6.used_for", ["interlayer_reach"], ["cells_6", "'long_range' is missing"]),
        (
            "studies.cells_reach.used_for",
            ["interlayer_reach"],
            ["studies.cells_reach.used_for", "one study", "cells_long_range"],
        ),
        ("studies.cells_8.label", "layer distance", ["studies.cells_8.label", "distance has"]),
        ("studies.cells_8.label", "$x$", ["studies.cells_8.label", "matches"]),
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
        ("figures.fig2d.quantity", "P_par", ["fig2d.quantity = 'P_par'", "plot, systems, caption"]),
        ("figures.mine", {"plot": "charge", "caption": "Mine."}, ["figures.mine", "'systems' is"]),
        ("figures.mine", {"plot": "parity"}, ["figures.mine", "'caption' is missing"]),
        ("figures.Mine", {"plot": "parity", "caption": "Mine."}, ["figures = 'Mine'", "[a-z]"]),
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


@pytest.mark.parametrize("old", ["cells_reach", "cells_long_range", "left_out"])
def test_a_renamed_study_keeps_its_uses(config, old):
    """Uses and labels of studies follow the configuration, whatever a study is named."""
    studies = check_config(config)["studies"]
    renamed = {("renamed" if name == old else name): study for name, study in studies.items()}
    found = check_config(put(config, "studies", renamed))["studies"]
    for use in ("claims", "interlayer_reach"):
        wanted = ["renamed" if name == old else name for name in studies_used_for(use, studies)]
        assert studies_used_for(use, found) == wanted != []
    assert [s.get("label") for s in found.values()] == [s.get("label") for s in studies.values()]


def test_rules_name_no_study(root, config):
    """A name in a rule would drop a renamed study from a figure or a table without a message."""
    text = "".join((root / "rules" / f"{part}.smk").read_text() for part in ("accuracy", "claims"))
    studies = set(config["studies"]) - {"mismatch"}  # a geometry has this name too
    named = {name for name in studies if re.search(rf"[\"']{name}[\"']", text)}
    assert not named


def test_null_leaves_the_short_range_alone(config):
    config = check_config(put(config, "long_range", {"AA": None}))
    assert set(predictors_of(config, "AA_twist-1-2")) == {"zero_field"}


def test_a_removed_entry_must_not_be_needed(config):
    with pytest.raises(ConfigError, match="allowed is one of"):
        check_config(put(config, "labels.sets.aa", None))
