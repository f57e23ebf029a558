"""Settings under fire: hundreds of random ones, each accepted or rejected in one line."""

import copy
import json
import math
import re
import subprocess
import sys

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from moirepol.errors import ConfigError
from moirepol.structure.material import load_material
from moirepol.structure.names import System
from moirepol.workflow.configuration import REMOVABLE, check_config
from moirepol.workflow.settings.schema import resolve, settings_schema
from support import ROOT
from support.projects import copy_project

ROOT_SCHEMA = settings_schema()
MANY = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NASTY = st.sampled_from(
    [
        *(
            "../up",
            "/etc/passwd",
            "a/b",
            "a b",
            "a;reboot",
            "$(reboot)",
            "`reboot`",
            "a\n",
            "a\x00",
        ),
        *("", ".", "..", "-rf", "~", "*", "{frame}", "{wildcards}", "a'b", 'a"b', "é", "A", "_"),
        *("a" * 41, "con fig", "a|b", "a&b", "a>b", "%j", "\\", "1", "0x1", "null", "nan"),
    ]
)
WRONG_TYPES = st.sampled_from([None, True, [], {}, "text", math.nan, math.inf, [None], {"a": 1}])
FULL_CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
#: What the shipped settings leave out, so that every key of the schema is met with.
PSEUDOPOTENTIALS = {"B": "B.pbe-n-rrkjus_psl.1.0.0.UPF", "N": "N.pbe-n-rrkjus_psl.1.0.0.UPF"}
FULL_CONFIG["labels"]["recipe"] |= {"pseudopotentials": PSEUDOPOTENTIALS, "origin_shift_A": 0.1}
FULL_CONFIG["labels"]["variants"]["every_key"] = {
    "based_on": "large",
    "engine": "espresso",
    **FULL_CONFIG["labels"]["recipe"],
}
FULL_CONFIG["protocols"]["derived"] = {"based_on": "short", "steps": 3}
FULL_CONFIG["models"]["derived"] = {"based_on": "aa", "study": True}
RESPONSE = FULL_CONFIG["models"]["aa_response"]
FULL_CONFIG["models"] |= {
    "aa_curvature": RESPONSE | {"kind": "curvature"},
    "aap_curvature": RESPONSE | {"family": "AAp", "kind": "curvature"},
}
FULL_CONFIG["predictors"]["AA"] |= {"curvature": "aa_curvature"}
FULL_CONFIG["predictors"]["AAp"] |= {"curvature": "aap_curvature"}
FULL_CONFIG["studies"]["every_key"] = {
    "models": {"zero_field": "aa", "response": "aa_response", "curvature": "aa_curvature"},
    "labels": ["moire"],
}
FULL_CONFIG["sweeps"]["every_key"] = {
    "twist_angles_deg": [6.0],
}
SLAB = {"thickness_A": 20.0, "in_plane": 6.9, "out_of_plane": 3.8}
FULL_CONFIG["potential"] |= {"spacer": [SLAB], "cover": [SLAB], "between": [SLAB]}
FULL_CONFIG["figures"]["fig1b"]["systems"] = ["AA_twist-1-2"]
FULL_CONFIG["labels"]["recipe"]["dispersion"] = "D3-BJ"
FULL_CONFIG["structures"] = {"mine": "mine.extxyz"}


def with_defaults(value, schema):
    """A section with the default of every setting that it leaves out and takes from no other."""
    schema = resolve(schema)
    if isinstance(value, list):
        return [with_defaults(entry, schema["items"]) for entry in value]
    if not isinstance(value, dict):
        return value
    known = {key: resolve(part) for key, part in schema.get("properties", {}).items()}
    if "based_on" not in value and "default" not in known.get("based_on", {}):
        value = {k: part["default"] for k, part in known.items() if "default" in part} | value
    below = schema.get("additionalProperties")
    return {key: with_defaults(part, known.get(key, below)) for key, part in value.items()}


FULL_CONFIG = with_defaults(FULL_CONFIG, ROOT_SCHEMA)
FULL_CONFIG = json.loads(json.dumps(FULL_CONFIG))  # no list in two places


def leaves(value, schema, path=()):
    """(path, schema) of every scalar setting."""
    schema = resolve(schema)
    if isinstance(value, dict):
        for key, part in value.items():
            below = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            yield from leaves(part, below, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, schema["items"], (*path, number))
    else:
        yield path, schema


def keys(schema, path=()):
    """All settings and sections of a schema, * for an entry of any name."""
    schema = resolve(schema)
    parts = dict(schema.get("properties", {}))
    if isinstance(schema.get("additionalProperties"), dict):
        parts["*"] = schema["additionalProperties"]
    for key, below in parts.items():
        yield (*path, key)
        yield from keys(below, (*path, key))
    if "items" in schema:
        yield from keys(schema["items"], path)


def sections(value, path=()):
    """Paths of all mappings."""
    if isinstance(value, dict):
        yield path
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(part, dict | list):
            yield from sections(part, (*path, key))


LEAVES = list(leaves(FULL_CONFIG, ROOT_SCHEMA))
NUMBERS = [leaf for leaf in LEAVES if leaf[1].get("type") in ("number", "integer")]
TEXTS = [(path, schema) for path, schema in LEAVES if schema.get("type", "string") == "string"]


def test_every_key_of_the_schema_is_under_fire():
    settings = [path for path, _ in LEAVES] + list(sections(FULL_CONFIG))
    found = {tuple(key for key in path if isinstance(key, str)) for path in settings}

    def met(key):
        return any(
            len(path) == len(key) and all(k in ("*", part) for k, part in zip(key, path))
            for path in found
        )

    assert not [".".join(key) for key in keys(ROOT_SCHEMA) if not met(key)]


def put(path, value):
    config = copy.deepcopy(FULL_CONFIG)
    *parents, last = path
    section = config
    for key in parents:
        section = section[key]
    section[last] = value
    return config


def refusal(config):
    with pytest.raises(ConfigError) as error:
        check_config(config)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 1000
    return message


def outside(schema):
    """Numbers that a schema rules out."""
    ranges = []
    if "minimum" in schema:
        ranges.append(st.floats(max_value=schema["minimum"], exclude_max=True))
    if "exclusiveMinimum" in schema:
        ranges.append(st.floats(max_value=schema["exclusiveMinimum"]))
    if "maximum" in schema:
        ranges.append(st.floats(min_value=schema["maximum"], exclude_min=True))
    if "exclusiveMaximum" in schema:
        ranges.append(st.floats(min_value=schema["exclusiveMaximum"]))
    if "multipleOf" in schema:
        ranges.append(st.integers(2, 600).map(lambda n: schema["multipleOf"] * n + 1))
    if schema["type"] == "integer":
        ranges.append(st.floats(1, 100))
    return st.one_of(*ranges)


#: Keys whose value is text to show: it names no file and reaches no shell.
#: The name of a structure of the user's own stands for any path.
FREE_TEXT = ("description", "label", "caption", "mine")


@MANY
@given(st.data())
def test_a_number_out_of_range_is_rejected(data):
    path, schema = data.draw(st.sampled_from(NUMBERS))
    message = refusal(put(path, data.draw(outside(schema))))
    entry = ".".join(map(str, path))
    assert message.startswith((f"{entry} = ", f"{entry.rpartition('.')[0]} = "))  # twice in a list
    assert ": allowed is " in message


@MANY
@given(st.data())
def test_a_value_of_another_kind_is_rejected(data):
    path, schema = data.draw(st.sampled_from(LEAVES))
    value = data.draw(WRONG_TYPES)
    if value is True and schema.get("type") == "boolean":
        return
    if isinstance(value, str) and path[-1] in FREE_TEXT:
        return
    if value is None and path[:-1] in REMOVABLE:
        return
    message = refusal(put(path, value))
    assert ".".join(map(str, path)) in message or str(path[-2]) in message
    assert "allowed is" in message or "expected" in message


@MANY
@given(st.data())
def test_a_name_cannot_leave_the_folder_or_reach_a_shell(data):
    """Whatever names a file or a rule's wildcard: only plain names and names of bilayers pass."""
    path, _ = data.draw(st.sampled_from([leaf for leaf in TEXTS if leaf[0][-1] not in FREE_TEXT]))
    message = refusal(put(path, data.draw(NASTY)))
    assert "allowed is" in message or "expected" in message or "names no" in message


@MANY
@given(st.data())
def test_a_section_cannot_get_a_nasty_name(data):
    path = data.draw(st.sampled_from([p for p in sections(FULL_CONFIG) if p]))
    section = FULL_CONFIG
    for key in path:
        section = section[key]
    name = data.draw(NASTY.filter(lambda name: name not in ("null", "nan")))
    if not section:
        return
    value = next(iter(section.values()))
    refusal(put((*path, name), copy.deepcopy(value)))


@MANY
@given(st.text(max_size=30), st.text(max_size=12))
def test_only_names_of_the_grammar_are_bilayers(text, tail):
    for name in (text, f"AA_twist-1-2{tail}", f"AA_twist-1-2_{text}"):
        try:
            canonical = System.parse(name).name
        except ValueError as error:
            assert "\n" not in str(error) or "validation error" in str(error)
            continue
        assert re.fullmatch(r"[A-Za-z0-9_.+-]+", name)
        assert re.fullmatch(r"[A-Za-z0-9_.+-]{1,80}", canonical)


def inside(schema):
    """Numbers that a schema allows."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1000))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 1000))
    if schema["type"] == "integer":
        step = schema.get("multipleOf", 1)
        return st.integers(-(-low // step), min(high, 3000) // step).map(lambda n: n * step)
    return st.floats(
        low,
        high,
        exclude_min="exclusiveMinimum" in schema,
        exclude_max="exclusiveMaximum" in schema,
    )


GRIDS = st.fixed_dictionaries(
    {"family": st.sampled_from(["AA", "AAp"]), "slides_per_axis": st.integers(1, 12)},
    optional={
        "strains_percent": st.lists(
            st.integers(-2000, 2000).map(lambda n: n / 100), min_size=1, max_size=3
        ),
        "fields_V_per_A": st.lists(
            st.integers(-10000, 10000).map(lambda n: n / 10000), min_size=1, max_size=3
        ),
        "layer_distances_A": st.lists(
            st.integers(2000, 6000).map(lambda n: n / 1000), min_size=1, max_size=3
        ),
    },
)
SYSTEMS = st.builds(
    lambda family, m, strain, field: (
        System(
            family=family,
            geometry="twist",
            indices=(m, m + 1),
            strain_percent=strain / 100,
            field_V_per_A=field / 10000,
        ).name
    ),
    st.sampled_from(["AA", "AAp"]),
    st.integers(1, 40),
    st.integers(-2000, 2000),
    st.integers(-10000, 10000),
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True)


@st.composite
def valid_configs(draw):
    config = copy.deepcopy(FULL_CONFIG)
    for path, schema in draw(st.lists(st.sampled_from(NUMBERS), max_size=12)):
        if {"grids", "variants", "charge_grids", "seeds"} & set(path):
            continue
        if {"extrapolation", "sweeps"} & set(path):  # some values rule out what ships
            continue
        *parents, last = path
        section = config
        for key in parents:
            section = section[key]
        section[last] = draw(inside(schema))
    sets = config["labels"]["sets"]
    for name in draw(st.lists(NAMES, max_size=3)):
        if name not in sets:
            sets[name] = {
                "grids": draw(st.lists(GRIDS, min_size=1, max_size=3)),
                "systems": draw(st.lists(SYSTEMS, min_size=1, max_size=3)),
            }
    recipe = config["labels"]["recipe"]
    for variant in config["labels"]["variants"].values():
        variant.pop("ecutwfc_Ry", None)
        variant.pop("ecutrho_Ry", None)
    recipe["ecutrho_Ry"] = max(recipe["ecutrho_Ry"], 4 * recipe["ecutwfc_Ry"])
    for name, protocol in written_out(config["protocols"]).items():
        config["protocols"][name] |= {
            "rcut_smooth_A": min(protocol["rcut_smooth_A"], protocol["rcut_A"]),
            "axis_neurons": min(protocol["axis_neurons"], protocol["descriptor_neurons"][-1]),
        }
    return config


def written_out(entries, root=None):
    """Entries with the settings of those that they are based on, one step after another."""
    entries = copy.deepcopy(entries)
    if root is not None:
        entries = {name: {"based_on": "standard"} | entry for name, entry in entries.items()}
        entries["standard"] = root
    while any("based_on" in entry for entry in entries.values()):
        for name, entry in entries.items():
            base = entries.get(entry.get("based_on"), {"based_on": None})
            if "based_on" not in base:
                own = {key: value for key, value in entry.items() if key != "based_on"}
                entries[name] = base | own
    return {name: entry for name, entry in entries.items() if root is None or name != "standard"}


@MANY
@given(valid_configs())
def test_a_valid_setting_is_taken_as_it_is(config):
    # Those of C are ten times faster.
    found = check_config(yaml.load(yaml.dump(config, Dumper=yaml.CSafeDumper), yaml.CSafeLoader))
    for section in ("protocols", "models"):
        config[section] = written_out(config[section])
    labels = config["labels"]
    labels["variants"] = written_out(labels["variants"], labels["recipe"])
    for recipe in labels["variants"].values():
        if recipe["engine"] == "gpaw":
            recipe["pseudopotentials"] = load_material().pseudopotentials["gpaw"]
    assert found == config


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"strains_percent": [0.001]}, "grids.0.strains_percent = 0.001: allowed is a multiple"),
        ({"fields_V_per_A": [0.00001]}, "grids.0.fields_V_per_A = 1e-05: allowed is a multiple"),
        ({"layer_distances_A": [3.3333]}, "grids.0.layer_distances_A = 3.3333: allowed is a"),
    ],
)
def test_a_value_finer_than_names_can_say_is_rejected(grid, words):
    grid = {"family": "AA", "slides_per_axis": 3} | grid
    assert words in refusal(put(("labels", "sets", "aa"), {"grids": [grid]}))


@pytest.fixture(scope="module")
def project(root, tmp_path_factory):
    return copy_project(root, tmp_path_factory.mktemp("config"))


@pytest.mark.slow
@settings(MANY, max_examples=3, suppress_health_check=[*HealthCheck])
@given(config=valid_configs())
def test_a_valid_setting_dry_runs(project, config):
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--", "all", "labels"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
