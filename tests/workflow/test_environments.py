"""Conda environments, container and locks agree with each other and with the code."""

import ast
import re
import subprocess
import sys

import pytest
import yaml

from moirepol.workflow import digest
from pin_conda import CONDA_NAMES, ENVIRONMENTS, pin, pin_conda
from support import ROOT

#: Modules whose package has another name.
PACKAGES = {"yaml": "pyyaml", "netCDF4": "netcdf4", "PIL": "pillow", "pydantic_core": "pydantic"}
PACKAGES |= {
    "moire_metrology": "moire-metrology",
    "deepmd": "deepmd-kit",
    "tensorflow": "deepmd-kit",
}
#: Optional programs, which no default target needs.
OPTIONAL = {"gpaw"}


def locked(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.M))


def requirements(environment):
    page = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text(encoding="utf-8"))
    return page["dependencies"]


def test_conda_environments_are_those_of_the_lock(tmp_path):
    pin_conda(folder=str(tmp_path))
    for name in ENVIRONMENTS:
        written = (ROOT / "envs" / f"{name}.yaml").read_text(encoding="utf-8")
        assert written == (tmp_path / f"{name}.yaml").read_text(encoding="utf-8"), name


def test_another_lock_gives_other_environments(tmp_path):
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    other = tmp_path / "other.lock"
    other.write_text(re.sub(r"^scipy==\S+", "scipy==9.8.7.post6", text, flags=re.M))
    pin_conda(str(other), str(tmp_path))
    assert "scipy =9.8.7\n" in (tmp_path / "train.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("package", "version", "requirement"),
    [
        ("numpy", "2.4.6", "numpy =2.4.6"),
        ("matplotlib", "3.11.2", "matplotlib-base =3.11.2"),
        ("netcdf4", "1.7.5.1.post1", "netcdf4 =1.7.5"),
    ],
)
def test_a_pin(package, version, requirement):
    assert pin(package, version) == requirement


def scripts_of(environment):
    """Scripts of the rules that use a conda environment."""
    for file in (ROOT / "rules").glob("*.smk"):
        for rule in re.split(r"^(?:    )?rule ", file.read_text(encoding="utf-8"), flags=re.M)[1:]:
            if f"envs/{environment}.yaml" in rule:
                yield from re.findall(r"scripts/(\w+)\.py", rule)


def modules_of(script):
    """Modules from elsewhere that a script imports, directly or through the package."""
    waiting, seen = [digest._find(script)], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        waiting += digest._parse(path)[1]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_has_what_its_scripts_import(environment):
    plain = [line for line in requirements(environment) if isinstance(line, str)]
    by_pip = [line for line in requirements(environment) if isinstance(line, dict)]
    has = {line.split(" ")[0] for line in plain}
    has |= {line.split("==")[0] for part in by_pip for line in part["pip"]}
    own = {"moirepol"} | {path.stem for path in (ROOT / "scripts").glob("*.py")} | OPTIONAL
    scripts = set(scripts_of(environment))
    assert scripts, environment
    for script in scripts:
        for module in set(modules_of(script)) - sys.stdlib_module_names - own:
            package = PACKAGES.get(module, module)
            assert CONDA_NAMES.get(package, package) in has, (script, module)


def test_every_environment_of_a_rule_is_written_by_the_script():
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "rules").glob("*.smk"))
    assert set(re.findall(r"envs/(\w+)\.yaml", text)) == set(ENVIRONMENTS)


def test_the_docs_do_not_change_what_the_workflow_uses():
    docs, workflow = locked("requirements-docs.lock"), locked("requirements.lock")
    assert docs.keys() & workflow.keys()
    assert {name: docs[name] for name in docs.keys() & workflow.keys()} == {
        name: workflow[name] for name in docs.keys() & workflow.keys()
    }


class TestContainer:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    apptainer = (ROOT / "apptainer.def").read_text(encoding="utf-8")

    def test_both_images_have_the_same_base(self):
        base = re.search(r"^FROM (\S+)$", self.dockerfile, re.M)[1]
        assert f"\nFrom: {base}\n" in self.apptainer
        assert re.fullmatch(r"debian:[a-z]+-slim", base)

    def test_both_images_run_the_same_commands(self):
        post = self.apptainer.partition("%post")[2].partition("%runscript")[0]
        folder = re.search(r"^WORKDIR (\S+)$", self.dockerfile, re.M)[1]
        variables = re.findall(r"^ENV (.*)$", self.dockerfile, re.M)
        commands = re.findall(r"^RUN (.*)$", self.dockerfile, re.M)
        lines = [f"export {variable}" for variable in variables]
        assert [line.strip() for line in post.split("\n") if line.strip()] == [
            *lines,
            f"cd {folder}",
            *commands,
        ]
        environment = self.apptainer.partition("%environment")[2].partition("%post")[0]
        assert [line.strip() for line in environment.split("\n") if line.strip()] == lines

    def test_what_git_ignores_is_not_in_the_image(self):
        ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert {".venv", "results", "logs", "benchmarks", ".snakemake"} <= set(ignored)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive without git")
def test_no_link_is_tracked():
    """A link to a folder of one machine, such as a Python environment, breaks every other one."""
    listed = ["git", "ls-files", "--stage"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert files
    assert not [line for line in files.splitlines() if line.startswith("120000")]
