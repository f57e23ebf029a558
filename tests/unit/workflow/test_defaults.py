"""Own settings: read with file and line, and kept apart from the results of the shipped ones."""

import copy

import pytest

from moirepol.errors import ConfigError
from moirepol.workflow.configuration import check_config
from moirepol.workflow.defaults import changed_settings, merged, read_settings, require_own_folder
from support import ROOT
from support.settings import shipped_config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"maps:\n  grid_points: [1\nlabels: 2\n", "own.yaml, line 3, column 7: no valid YAML"),
        (b"maps:\n\tgrid_points: 1\n", "own.yaml, line 2, column 1: no valid YAML"),
        (b"- 1\n", "own.yaml: no settings, but one list"),
        ("# \xe4\n".encode("latin-1"), "own.yaml: not UTF-8 at byte 2"),
        (None, "own.yaml: cannot be read, No such file or directory"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, text, words):
    if text is not None:
        (tmp_path / "own.yaml").write_bytes(text)
    with pytest.raises(ConfigError) as error:
        read_settings(tmp_path / "own.yaml")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_file_has_no_settings(tmp_path):
    (tmp_path / "own.yaml").write_text("# nothing\n")
    assert read_settings(tmp_path / "own.yaml") == {}


@pytest.mark.parametrize(
    "own",
    [
        {"sweeps": {"mine": {"systems": ["AA_twist-5-6"]}}},
        {"labels": {"sets": {"mine": {"systems": ["AA_slide-0-0-1_d3.400"]}}}},
        {"models": {"mine": {"based_on": "aa", "labels": ["aa"]}}},
        {"extrapolation": {"strain_percent": 9}, "plans": {"labels": 3}},
        {},
    ],
)
def test_new_entries_replace_no_result(own):
    assert not changed_settings(shipped_config(), _completed(own))


@pytest.mark.parametrize(
    ("own", "keys"),
    [
        ({"layer_distance_A": 3.4}, ["layer_distance_A"]),
        ({"maps": {"grid_points": 60}}, ["maps.grid_points"]),
        ({"models": {"aa": {"labels": ["aa", "moire"]}}}, ["models.aa.labels"]),
        ({"sweeps": {"field": None}}, ["sweeps.field"]),
        ({"labels": {"source": "compute"}}, ["labels.source"]),
    ],
)
def test_a_changed_setting_needs_a_folder_of_its_own(own, keys):
    completed = _completed(own)
    if "sweeps" in own:
        completed["figures"] = {}
    assert set(keys) <= set(changed_settings(shipped_config(), completed))
    with pytest.raises(ConfigError, match="--directory NAME"):
        require_own_folder(shipped_config(), completed)


def _completed(own):
    shipped = read_settings(ROOT / "config.yaml")
    if own.get("sweeps", {}).get("field", 0) is None:
        shipped = copy.deepcopy(shipped)
        shipped["figures"] = {
            name: panel for name, panel in shipped["figures"].items() if "sweep" not in panel
        }
    return check_config(merged(shipped, own))
