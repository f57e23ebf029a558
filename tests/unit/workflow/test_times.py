"""Times: what new labels cost, announced before a run, and where the time of a run went."""

import pandas as pd
import pytest

from benchmark_rules import benchmark_rules
from moirepol.structure.names import System
from moirepol.workflow.label_cost import announcement, core_seconds
from support import ROOT

LABELS = ROOT / "resources" / "labels"
RECIPE = {"engine": "espresso", "mesh_4_atom_cell": 9}
GPAW = RECIPE | {"engine": "gpaw"}


def seconds(name, recipe=RECIPE):
    return core_seconds(System.parse(name), recipe, LABELS)


def test_new_labels_are_announced_with_number_size_and_time():
    frames = ["AA_slide-0-0-1_d3.400", "AA_slide-1-1-3_d3.400", "AA_twist-5-6_d3.400"]
    words = announcement([(frame, RECIPE) for frame in frames], LABELS)
    assert words.startswith("labels to compute by DFT: 2 of 4 atoms, 1 of 364 atoms; about ")
    assert words.endswith(" h on one core")
    assert announcement([], LABELS) == ""


def test_the_estimate_is_that_of_the_shipped_labels():
    """The shipped labels of 364 atoms took 2.3 and 2.5 hours on one core."""
    assert seconds("AA_twist-5-6") == pytest.approx(2.4 * 3600, rel=0.05)
    larger = System.parse("AA_twist-7-8").n_atoms / 364
    assert seconds("AA_twist-7-8") == pytest.approx(larger**2 * seconds("AA_twist-5-6"))
    assert 20 < seconds("AA_slide-0-0-1") < 60


def test_the_estimate_contains_the_k_points():
    """A label of 148 atoms took 920 core-seconds with one k point, and 4780 with four."""
    one, four = (seconds("AA_twist-3-4", RECIPE | {"mesh_4_atom_cell": n}) for n in (9, 12))
    assert four == pytest.approx(4 * one)
    assert 3600 < four < 5400
    assert 200 < seconds("AA_shear-9") < 260


def test_the_estimate_is_that_of_the_dft_code():
    """GPAW took 69 to 74 core-seconds for each of its shipped labels of four atoms."""
    assert 65 < seconds("AA_slide-0-0-1", GPAW) < 80
    assert "about 5 min" in announcement([("AA_slide-0-0-1", GPAW)] * 4, LABELS)
    both = [("AA_slide-0-0-1", GPAW), ("AA_slide-0-0-1", RECIPE)]
    assert "2 of 4 atoms;" in announcement(both, LABELS)


def test_the_shares_of_the_rules_add_up(tmp_path):
    for name, seconds in (("train/aa/0", 30), ("train/aa/1", 50), ("draw", 20)):
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tcpu_time\n{2 * seconds}\t{seconds}\n")
    benchmark_rules("", [], str(tmp_path / "rules.csv"), str(tmp_path / "benchmarks"))
    table = pd.read_csv(tmp_path / "rules.csv", index_col="rule")
    assert list(table.index) == ["train", "draw"]
    assert list(table["jobs"]) == [2, 1]
    assert list(table["share_percent"]) == [80.0, 20.0]
    assert list(table["wall_s"]) == [160.0, 40.0]
