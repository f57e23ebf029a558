"""Pack a release: source, label sets, report and claims, with their checksums."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import yaml

from moirepol import __version__
from moirepol.errors import JobError
from moirepol.workflow.label_files import verify_checksum
from moirepol.workflow.provenance import sha256

ROOT = Path(__file__).parents[1]
#: Results of a release: files below the folder of results.
RESULTS = ("report.html", "claims.csv", "claims.html")
#: Top-level domain that is reserved for examples (RFC 2606).
RESERVED = re.compile(r"https://[^/]*\.example(/|$)")


def pack_release(
    folder: str = "dist", results: str = "results", project: str = str(ROOT), draft: bool = False
) -> None:
    """Write the files of a release, to be uploaded to an archive with a DOI.

    Parameters
    ----------
    folder
        Folder to write. An older one is replaced.
    results
        Folder with the report and the claims.
    project
        Git checkout of the project.
    draft
        Accept a reserved address of the repository.

    Raises
    ------
    JobError
        If version, changelog and citation disagree, if a result is missing, if a label set differs
        from its checksum, or if files are not committed.
    """
    here = Path(project)
    notes = check_release(here, draft)
    missing = [name for name in RESULTS if not (Path(results) / name).is_file()]
    if missing:
        raise JobError(f"{results} lacks {', '.join(missing)}; docs/release.md lists the commands")
    release = Path(folder)
    shutil.rmtree(release, ignore_errors=True)
    release.mkdir(parents=True)
    name = f"moirepol-{__version__}"
    _archive(here, release / f"{name}.tar.gz", name)
    _archive(here, release / f"{name}-labels.tar.gz", f"{name}-labels", "resources")
    for result in RESULTS:
        shutil.copyfile(Path(results) / result, release / f"{name}-{result}")
    (release / "NOTES.md").write_text(notes, encoding="utf-8")
    sums = "".join(f"{sha256(file)}  {file.name}\n" for file in sorted(release.iterdir()))
    (release / "SHA256SUMS").write_text(sums, encoding="utf-8")


def check_release(project: Path, draft: bool = False) -> str:
    """Check that a checkout can be released.

    Parameters
    ----------
    project
        Git checkout of the project.
    draft
        Accept a reserved address of the repository.

    Returns
    -------
    str
        The changes of this version, in Markdown.

    Raises
    ------
    JobError
        As `pack_release`.
    """
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    version, date, notes = newest_changes((project / "CHANGELOG.md").read_text(encoding="utf-8"))
    address = citation["repository-code"]
    for what, found, wanted in (
        ("the version at the top of CHANGELOG.md", version, __version__),
        ("version in CITATION.cff", citation["version"], __version__),
        ("date-released in CITATION.cff", str(citation["date-released"]), date),
        ("repository-code in CITATION.cff", address, settings["project"]["urls"]["Repository"]),
    ):
        if found != wanted:
            raise JobError(f"{what} is {found}; it must be {wanted}")
    if RESERVED.match(address) and not draft:
        raise JobError(f"{address} is a reserved address; set the address of the repository")
    for labels in sorted((project / "resources" / "labels").glob("*.nc")):
        verify_checksum(labels)
    if changed := _git(project, "status", "--porcelain", "--untracked-files=no").split():
        raise JobError(f"{changed[1]} is not committed; a release contains committed files only")
    return notes


def newest_changes(changelog: str) -> tuple[str, str, str]:
    """Return the latest entry of a changelog.

    Parameters
    ----------
    changelog
        Text of the changelog. The heading of an entry is ``## <version>, <date>``.

    Returns
    -------
    tuple
        Version, date (ISO 8601) and text of the entry.

    Raises
    ------
    JobError
        If the first heading is of another form.
    """
    heading, _, rest = changelog.partition("\n## ")[2].partition("\n")
    found = re.fullmatch(r"(\d+\.\d+\.\d+), (\d{4}-\d\d-\d\d)", heading)
    if not found:
        raise JobError(f"'## {heading}' in the changelog; allowed is '## 1.2.3, 2026-12-31'")
    return found[1], found[2], rest.partition("\n## ")[0].strip() + "\n"


def _archive(project: Path, file: Path, prefix: str, *paths: str) -> None:
    """Write committed files as an archive that is the same on every machine."""
    _git(project, "archive", f"--prefix={prefix}/", "-o", str(file.resolve()), "HEAD", *paths)


def _git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise JobError(f"git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(pack_release, globals().get("snakemake"))
