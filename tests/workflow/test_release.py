"""A release: its version everywhere, its files, and what stops it."""

import re
import shutil
import subprocess
import tarfile

import pandas as pd
import pytest
import xarray as xr
import yaml

import moirepol
from moirepol.errors import JobError
from moirepol.workflow.provenance import stamp
from pack_release import check_release, newest_changes, pack_release
from support import ROOT
from tabulate_claims import tabulate_claims

PARTS = ("CHANGELOG.md", "CITATION.cff", "pyproject.toml")


def git(project, *arguments):
    names = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *names, *arguments], cwd=project, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    """A small checkout with one label set."""
    folder = tmp_path / "project"
    labels = folder / "resources" / "labels"
    labels.mkdir(parents=True)
    for name in PARTS:
        shutil.copy(ROOT / name, folder)
    for name in ("aa_gpaw.nc", "SHA256SUMS"):
        shutil.copy(ROOT / "resources" / "labels" / name, labels)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    for name in ("report.html", "claims.csv", "claims.html"):
        (folder / name).write_text(name)
    return folder


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    version, date, notes = newest_changes((ROOT / "CHANGELOG.md").read_text())
    assert moirepol.__version__ == version == citation["version"]
    assert str(citation["date-released"]) == date
    assert notes


def test_every_version_of_the_changelog_has_a_date():
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert len(headings) > 1
    assert all(re.fullmatch(r"\d+\.\d+\.\d+, \d{4}-\d\d-\d\d", heading) for heading in headings)
    dates = [heading.split(", ")[1] for heading in headings]
    assert dates == sorted(dates, reverse=True)


def test_results_carry_the_version():
    attributes = stamp(xr.Dataset(), "title").attrs
    assert attributes["moirepol_version"] == moirepol.__version__
    assert f"moirepol {moirepol.__version__}, revision" in attributes["history"]


def test_the_table_of_claims_carries_the_version(tmp_path):
    pd.DataFrame({"id": ["F1"], "verdict": ["undecided"]}).to_csv(tmp_path / "claims.csv")
    tabulate_claims(str(tmp_path / "claims.csv"), str(tmp_path / "claims.html"))
    page = (tmp_path / "claims.html").read_text()
    assert f"<p>moirepol {moirepol.__version__}, revision" in page


def test_a_release_is_complete(project, results, tmp_path):
    release = tmp_path / "dist"
    (release / "old").mkdir(parents=True)
    pack_release(str(release), str(results), str(project), draft=True)
    name = f"moirepol-{moirepol.__version__}"
    files = {path.name for path in release.iterdir()}
    assert files == {
        *(f"{name}.tar.gz", f"{name}-labels.tar.gz", f"{name}-report.html"),
        *(f"{name}-claims.csv", f"{name}-claims.html", "NOTES.md", "SHA256SUMS"),
    }
    checked = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=release, check=False)
    assert checked.returncode == 0
    with tarfile.open(release / f"{name}-labels.tar.gz") as archive:
        packed = archive.extractfile(f"{name}-labels/resources/labels/aa_gpaw.nc")
        assert packed.read() == (ROOT / "resources" / "labels" / "aa_gpaw.nc").read_bytes()
    with tarfile.open(release / f"{name}.tar.gz") as archive:
        assert f"{name}/CITATION.cff" in archive.getnames()


def test_two_packs_are_equal(project, results, tmp_path):
    for folder in ("one", "two"):
        pack_release(str(tmp_path / folder), str(results), str(project), draft=True)
    one, two = ((tmp_path / name / "SHA256SUMS").read_text() for name in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("CHANGELOG.md", "## 0", "## 9.0.0, 2026-01-01\n\n## 0", "CHANGELOG.md is 9.0.0; it must"),
        ("CHANGELOG.md", "## 0", "## Unreleased\n\n## 0", "'## Unreleased' in the changelog"),
        ("CITATION.cff", "\nversion: 0", "\nversion: 9", "version in CITATION.cff is 9"),
        ("CITATION.cff", "date-released: 2", "date-released: 3", "date-released in CITATION.cff"),
        ("CITATION.cff", '/moirepol"', '/other"', "repository-code in CITATION.cff"),
        ("pyproject.toml", "[project]", "# x\n[project]", "pyproject.toml is not committed"),
        ("resources/labels/SHA256SUMS", "0", "1", "aa_gpaw.nc"),
    ],
)
def test_what_stops_a_release(project, file, old, new, message):
    path = project / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(JobError, match=re.escape(message)):
        check_release(project, draft=True)


def test_a_reserved_address_stops_a_release(project):
    with pytest.raises(JobError, match=r"\.example/moirepol is a reserved address"):
        check_release(project)
    for name in ("CITATION.cff", "pyproject.toml"):
        text = (project / name).read_text()
        (project / name).write_text(text.replace("moirepol.example/", "forge.test/"))
    git(project, "commit", "--quiet", "--all", "--message", "address")
    assert check_release(project)


def test_a_missing_result_stops_a_release(project, results, tmp_path):
    (results / "report.html").unlink()
    with pytest.raises(JobError, match=r"lacks report\.html; docs/release\.md"):
        pack_release(str(tmp_path / "dist"), str(results), str(project), draft=True)
    assert not (tmp_path / "dist").exists()
