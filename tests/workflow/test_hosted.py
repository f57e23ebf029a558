"""The workflows on GitHub: valid, pinned, and the steps of run-tests."""

import re
import shlex
import tomllib

import pytest
import yaml

from support import ROOT
from support.projects import snakemake

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))}
#: What a step may run: the two commands, scripts of the project, a container, a release.
COMMANDS = (
    r"(PATH=\S+ )?\./run( [^&|;]*)?( && \./run( [^&|;]*)?)*",
    r"\./run-tests( [^&|;]*)?",
    r"\.venv/bin/python scripts/\w+\.py( [^&|;]*)?",
    r"docker (build|run|push) [^&|;]*",
    r"gh release create [^&|;]*",
)
LOGIN = 'echo "$TOKEN" | docker login'


def jobs(name):
    return yaml.safe_load(WORKFLOWS[name])["jobs"]


def commands(name):
    """Lines that the steps of a workflow run."""
    steps = [step for job in jobs(name).values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


def steps_of_run_tests():
    """Steps that ./run-tests runs alone if they are its argument."""
    text = (ROOT / "run-tests").read_text(encoding="utf-8")
    names = re.search(r"^    ((?:\w+ \| )+\w+)\)$", text, re.M)[1].split(" | ")
    assert all(f"\n{name}() {{" in text for name in names)
    return names


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_is_complete(name):
    page = yaml.safe_load(WORKFLOWS[name])
    assert page["name"] == name
    assert page[True]  # YAML reads the key `on` as true
    assert page["permissions"] == {"contents": "read"}
    for job in page["jobs"].values():
        assert job["runs-on"] and job["timeout-minutes"] <= 120
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
        assert all("name" in step for step in job["steps"] if "run" in step)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned(name):
    used = re.findall(r"uses: (.*)", WORKFLOWS[name])
    assert used
    for action in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_an_action_has_one_version():
    used = set(re.findall(r"uses: (.*)", "".join(WORKFLOWS.values())))
    assert len(used) == len({action.split("@")[0] for action in used})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_step_runs_a_command_of_the_project(name):
    for line in commands(name):
        known = any(re.fullmatch(pattern, line) for pattern in COMMANDS)
        assert known or line.startswith(LOGIN), line


def test_the_steps_are_those_of_run_tests():
    run = commands("tests") + commands("nightly")
    for step in steps_of_run_tests():
        assert f"./run-tests {step}" in run
    assert "./run-tests" in commands("nightly")
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1].endswith('/../run-tests" "$@"')


@pytest.mark.parametrize(
    "line",
    sorted({line for name in WORKFLOWS for line in commands(name) if "--configfile" in line}),
)
def test_a_run_with_own_settings_has_a_folder(tmp_path, line):
    """Otherwise its settings are refused, because they would replace the default results."""
    words = shlex.split(line)
    assert words[:2] == ["./run", "--directory"]
    settings = words[words.index("--configfile") + 1]
    run = snakemake(ROOT, "-n", "fig2", "--directory", str(tmp_path), "--configfile", settings)
    assert run.returncode == 0, run.stdout


def test_selected_tests_exist(root):
    text = "".join(path.read_text() for path in (root / "tests").rglob("test_*.py"))
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["pytest"]
    markers = {marker.split(":")[0] for marker in settings["ini_options"]["markers"]}
    run = "\n".join(commands("tests"))
    for name in re.findall(r"-k (\w+)", run):
        assert f"def {name}(" in text
    for words in re.findall(r'-m "(.*?)"', run):
        assert set(words.split()) - {"not", "and", "or"} <= markers


@pytest.mark.parametrize("name", ["tests", "nightly"])
def test_every_supported_python_is_tested(name):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    low, high = re.findall(r"3\.(\d+)", settings["requires-python"])
    wanted = [f"3.{minor}" for minor in range(int(low), int(high))]
    matrices = [job["strategy"]["matrix"] for job in jobs(name).values() if "strategy" in job]
    assert matrices == [{"python": wanted}]


def test_the_release_packs_what_the_docs_say():
    page = (ROOT / "docs" / "release.md").read_text(encoding="utf-8")
    for line in commands("release"):
        if line.startswith((".venv", "./run --report")):
            assert line in page or line.removeprefix("./run ") in page, line


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.md")), ids=str)
def test_a_template_has_a_head(path):
    _, head, body = path.read_text(encoding="utf-8").split("---\n")
    assert yaml.safe_load(head).keys() == {"name", "about", "labels"}
    assert body.strip()


class TestCatalog:
    """What the Snakemake workflow catalog reads from a repository."""

    def test_files(self):
        readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
        assert "snakemake" in readme and "workflow" in readme
        assert (ROOT / "Snakefile").is_file() and (ROOT / "LICENSE").is_file()
        assert not (ROOT / "workflow").exists()  # the catalog would look there for the Snakefile
        assert all(path.suffix == ".smk" for path in (ROOT / "rules").iterdir())

    def test_settings(self):
        page = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
        assert set(page) == {"mandatory-flags", "software-stack-deployment", "report"}
        assert all(
            (ROOT / name).exists()
            for name in re.findall(r"[\w./-]+\.(?:json|yaml|md)", page["mandatory-flags"]["desc"])
        )
