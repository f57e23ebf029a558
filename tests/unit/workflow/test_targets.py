"""Targets and names that are wrong: the wrong part, and what is allowed, in one line."""

import pytest

from moirepol.errors import ConfigError
from moirepol.structure.names import System
from moirepol.structure.wrong_names import GEOMETRIES, OPTIONS, wrong_part
from moirepol.workflow.targets import check_targets
from support.settings import shipped_config

PATTERNS = [
    "results/views/{map,AA.*}.html",
    "results/views/{map,AA.*}.png",
    "results/{stage}/{other_name}.{ending}",
    "results/exports/{system,AA.*}.csv",
    "results/exports/{system,AA.*}_potential.cube",
    "results/sweeps/{sweep}.nc",
    "results/studies/{study,none}.nc",
]


@pytest.fixture(scope="module")
def config(root):
    return shipped_config()


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/views/AA_angel-2.html", ["'angel-2'", "angle-2.00"]),
        ("results/views/AB_angle-2.html", ["family 'AB'", "AA, AAp"]),
        ("results/views/aa_angle-2.html", ["family 'aa'", "AA, AAp"]),
        ("results/views/AA_angle--2.html", ["has a sign", "twist-22-21"]),
        ("results/views/AA_twist-5-6_field0.02.html", ["needs a sign", "field+0.02"]),
        ("results/views/AA_twist-5-6_field+0.02_d3.4.html", ["order", "d, relaxed, field"]),
        ("results/views/AA_twist-5-6_relxed.html", ["'relxed'", "similar is relaxed"]),
        ("results/views/AA_twist-5-6_relaxed_field0.02.html", ["needs a sign", "field+0.02"]),
        ("results/views/AA_twist-5-6_field+0.02001.html", ["at most 4 decimals", "0.02001"]),
        ("results/exports/AA_angel-2_potential.cube", ["'angel-2'", "angle-2.00"]),
        ("results/exports/AA_angel-2.csv", ["'angel-2'", "angle-2.00"]),
        ("results/views/AA.html", ["geometry is missing", "twist-21-22"]),
        ("results/views/AA_twist-5-6.htm", ["ending", "html, png"]),
        ("results/sweeps/fields.nc", ["sweeps has no entry 'fields'", "field, mismatch"]),
        ("results/models/ab/parity.nc", ["models has no entry 'ab'", "aa"]),
        ("results/figures/fig9z.png", ["figures has no entry 'fig9z'"]),
        ("results/labels/standart/AA_slide-0-0-1.nc", ["no entry 'standart'", "standard"]),
        ("results/labels/standard/AA_slide-9-1-3.nc", ["needs 0 <= i, j < n"]),
        ("/tmp/results/claims.csv", ["relative to the working directory"]),
        ("claim", ["no such target", "claims"]),
        ("results/studies/left_out.nc", ["label set", "not shipped", "ship_labels"]),
        ("resluts/x.nc", ["no rule makes this file"]),
    ],
)
def test_the_wrong_part_is_named(config, target, words):
    rules = ["all", "claims", "fig1", "labels"]
    with pytest.raises(ConfigError) as error:
        check_targets(config, [target], rules, PATTERNS, lambda _: "angle" not in target and False)
    text = str(error.value)
    assert text.startswith(f"{target}: ")
    assert "\n" not in text
    for word in words:
        assert word in text


def test_targets_that_are_made_pass(config):
    targets = ["fig1", "results/views/AA_angle-2.html", "results/sweeps/field.nc"]
    targets += ["results/figures/fig1.pdf", "results/figures/fig1a.pdf"]
    check_targets(config, targets, ["fig1"], PATTERNS, lambda _: True)


@pytest.mark.parametrize("geometry", [example for example, _ in GEOMETRIES.values()])
def test_the_examples_of_a_message_are_allowed(geometry):
    options = "_".join(example for example, _ in OPTIONS.values())
    assert wrong_part(f"AA_{geometry}_{options}") == ""
    if not geometry.startswith(("angle", "eta", "slide")):
        # A name has a layer distance or relaxed layers.
        System.parse(f"AA_{geometry}_{options.replace('_relaxed', '')}")
