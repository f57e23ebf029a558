"""Labels proposed for a system: they bring its atoms nearer to labelled ones, and the config takes
them as they are."""

import copy
import re

import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from moirepol.errors import ConfigError
from moirepol.model import committee
from moirepol.structure.frames import to_dataset
from moirepol.structure.names import System
from moirepol.workflow.coverage import beyond_labels, kept_at_distance, predictors_of
from moirepol.workflow.label_sets import frames_of
from moirepol.workflow.model_plan import planned_models
from moirepol.workflow.provenance import write_netcdf
from plan_labels import plan_labels
from support.networks import SLIDES, A, D, labelled, member
from support.settings import shipped_config


@pytest.fixture(scope="module")
def config(root):
    return shipped_config()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model of little training and the labels that it has learned from."""
    folder = tmp_path_factory.mktemp("plan")
    frames = [labelled(name) for name in SLIDES]
    committee.save(member(frames, steps=2)[0], folder / "0.dp")
    write_netcdf(to_dataset(frames), folder / "labels.nc")
    return folder


def planned(files, config, system, number=4):
    """The plan as settings, and its mean and largest distances, before and after each label."""
    models = {name: config["models"][name] for name in ("aa", "aa_response")}
    path = files / "plan.yaml"
    lists = [str(files / "0.dp")], [str(files / "labels.nc")]
    plan_labels(system, *lists, str(path), models, number, 6, 30, A, D)
    text = path.read_text()
    rows = re.findall(r"^# +([0-9.]+) +([0-9.]+)  (now|with \S+)$", text, re.M)
    return yaml.safe_load(text), np.array([row[:2] for row in rows], dtype=float)


def test_a_plan_for_another_distance(files, config):
    """Of a family whose networks alone contain the layer distance."""
    config = config | {"heights": {}, "figures": {}}
    system = "AA_twist-2-3_d3.900"
    settings, distance = planned(files, config, system)
    assert (np.diff(distance[:, 0]) < 0).all()
    assert (np.diff(distance[:, 1]) <= 0).all()
    assert distance[-1, 0] < distance[0, 0] / 2
    names = frames_of(settings["labels"]["sets"]["planned"])
    assert 1 <= len(names) <= 4
    assert {System.parse(name).distance_A for name in names} == {3.9}

    merged = copy.deepcopy(config)
    update_config(merged, settings)
    assert "layer distance of 3.9 Å" in beyond_labels(config, system)
    with pytest.raises(ConfigError, match="model aa have 3.33"):
        predictors_of(config, system)
    # The long range uses the response, so its labels are planned too.
    assert set(predictors_of(merged, system)) == {"zero_field", "response"}
    kept = "the polarizability and the effect of twist and strain are those of 3.33 Å"
    assert beyond_labels(merged, system) == kept


def test_a_plan_states_what_it_keeps(files, config):
    models = {"aa": config["models"]["aa"]}
    lists = [str(files / "0.dp")], [str(files / "labels.nc")]
    path = files / "kept.yaml"
    kept = kept_at_distance(config, "AAp_twist-2-3_d3.400")
    plan_labels("AA_twist-2-3_d3.400", *lists, str(path), models, 1, 6, 30, A, D, kept)
    (line,) = (line for line in path.read_text().splitlines() if "Also with these" in line)
    assert "the polarizability and the effect" in line and "3.33 Å" in line
    assert kept_at_distance(config, "AAp_twist-2-3") == ""
    assert kept_at_distance(config, "AA_slide-1-1-3_d3.400") == ""


def test_no_plan_extends_the_layer_distance_of_fitted_heights(config):
    """The networks of this family are evaluated at the configured distance alone."""
    with pytest.raises(ConfigError, match=r"label sets in heights\.AA\.distance do"):
        planned_models(config, "AA_twist-2-3_d3.900")
    config = config | {"heights": {}}
    assert list(planned_models(config, "AAp_twist-2-3_d3.900")) == ["aap", "aap_response"]


def test_what_is_labelled_needs_no_plan(files, config):
    settings, distance = planned(files, config, "AA_slide-1-2-5")
    assert settings is None
    assert distance == pytest.approx(np.zeros((1, 2)), abs=1e-3)


def test_the_cell_itself_is_proposed_where_it_is_small(files, config):
    settings, distance = planned(files, config, "AA_twist-1-2", number=12)
    assert "AA_twist-1-2" in settings["labels"]["sets"]["planned"]["systems"]
    assert distance[-1] == pytest.approx(np.zeros(2), abs=1e-3)


def test_a_field_asks_for_pairs_of_labels(files, config):
    settings, _ = planned(files, config, "AA_twist-2-3_d3.900_field+0.0100", number=1)
    fields = [
        System.parse(name).field_V_per_A
        for name in settings["labels"]["sets"]["planned"]["systems"]
    ]
    assert fields == [0.0, -0.02, 0.02]
    assert settings["models"] == {
        "aa": {"labels": [*config["models"]["aa"]["labels"], "planned"]},
        "aa_response": {"labels": [*config["models"]["aa_response"]["labels"], "planned"]},
    }
