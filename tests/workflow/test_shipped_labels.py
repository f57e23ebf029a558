"""Shipped labels stay what they are: restored, not computed again."""

import csv
import hashlib
from pathlib import Path

import pytest

from moirepol.workflow.label_plan import set_settings
from moirepol.workflow.label_sets import digest, frames_of
from support import ROOT
from support.projects import jobs_of, snakemake
from support.settings import shipped_config

SHIPPED = ROOT / "resources" / "labels"
CONFIG = shipped_config()


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


#: What shipped when this table was written. A new set is a new row; a changed row is a mistake.
KNOWN = rows_of(Path(__file__).with_name("shipped_digests.csv"))


@pytest.mark.parametrize("known", KNOWN, ids=lambda row: row["set"])
def test_digests_and_frames_are_unchanged(known):
    name = known["set"]
    shipped = [row for row in rows_of(SHIPPED / "index.csv") if row["set"] == name]
    names = sorted(row["frame"] for row in shipped)
    sha256 = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    assert (str(len(names)), sha256) == (known["frames"], known["names_sha256"])
    assert {row["digest"] for row in shipped} == {known["settings_digest"]}


@pytest.mark.parametrize("known", KNOWN, ids=lambda row: row["set"])
def test_the_settings_still_give_these_digests(known):
    label_set = CONFIG["labels"]["sets"][known["set"]]
    assert digest(set_settings(CONFIG, known["set"])) == known["settings_digest"]
    assert len(frames_of(label_set)) == int(known["frames"])


def test_every_shipped_set_is_in_the_table():
    assert {row["set"] for row in rows_of(SHIPPED / "index.csv")} == {row["set"] for row in KNOWN}


def test_no_shipped_label_is_computed_again(root):
    run = snakemake(root, "-n", "--forceall", "labels")
    assert run.returncode == 0, run.stdout[-3000:]
    assert "collect_labels" in jobs_of(run.stdout)
    assert "label_frame" not in jobs_of(run.stdout)
