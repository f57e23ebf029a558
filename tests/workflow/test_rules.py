"""Every rule fits the function of its script, and the adapter checks the same in each job."""

import ast
import inspect
import io
import os
import runpy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from moirepol import console
from moirepol.errors import JobError
from moirepol.workflow import job
from moirepol.workflow.digest import code_digest
from moirepol.workflow.job import arguments_of, check_names, coerce_lists
from support import ROOT
from support.projects import copy_project

#: Rules that do not run again when their code changes, each with the reason.
WITHOUT_CODE = {
    "label_frame": "finished labels are expensive; their files carry the digest instead",
    "compute_polarizability": "as label_frame",
    "compute_monolayer": "as label_frame",
    "label_potential": "as label_frame",
    "compute_bands": "as label_frame",
    "ship_labels": "without output: it runs whenever it is asked for",
}


@pytest.fixture(scope="module")
def every_rule(tmp_path_factory):
    """All rules by name, as Snakemake reads them."""
    project = copy_project(ROOT, tmp_path_factory.mktemp("rules"))
    with (
        pytest.MonkeyPatch.context() as patch,
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api,
    ):
        patch.setenv(job.PARENT, str(os.getpid()))
        patch.chdir(project)
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(),
            snakefile=project / "Snakefile",
            workdir=project,
        )
        workflow.dag()
        return {rule.name: rule for rule in workflow._workflow.rules}


@pytest.fixture
def rules(every_rule):
    """The rules that run a script."""
    return {name: rule for name, rule in every_rule.items() if rule.script}


def test_targets_have_names_that_nobody_mistypes(every_rule):
    targets = {name for name, rule in every_rule.items() if not rule.script}
    assert not [name for name in targets if f"{name}s" in every_rule]


def test_every_rule_fits_its_function(rules):
    assert len(rules) > 40
    for name, rule in rules.items():
        assert Path(rule.script.format(params=rule.params)).stem == name
        function = runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))[name]
        given = {key for part in (rule.input, rule.output, rule.params) for key, _ in part.items()}
        check_names(function, given, {*rule.wildcard_names, *rule.resources, "threads"})


def test_every_rule_runs_again_when_its_code_changes(rules):
    without = {name for name, rule in rules.items() if "code" not in dict(rule.params.items())}
    assert without == set(WITHOUT_CODE)
    for name in rules.keys() - without:
        assert rules[name].params.code == code_digest(name)


def function_of(system: str, result: str, labels: Sequence[str] = (), strength: float = 1.0):
    """A function as scripts have it."""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"system", "result", "label"}, "no argument 'label'; allowed: system, result, labels"),
        ({"system", "result", "frame"}, "no argument 'frame'"),
        ({"system"}, "argument 'result' is missing"),
    ],
)
def test_names_that_do_not_fit(given, message):
    with pytest.raises(JobError, match=message):
        check_names(function_of, given)


def test_names_that_fit():
    check_names(function_of, {"result", "labels", "code"}, {"system", "seed", "threads", "mem_mb"})


@dataclass(frozen=True)
class Group:
    """Values that several functions take."""

    system: str
    labels: Sequence[str]
    strength: float = 1.0


def with_group(group: Group, result: str):
    """A function that takes a group of values."""


def test_a_dataclass_takes_the_values_of_its_fields():
    check_names(with_group, {"result", "labels", "code"}, {"system", "threads"})
    with pytest.raises(JobError, match="argument 'labels' is missing"):
        check_names(with_group, {"result"}, {"system"})
    with pytest.raises(JobError, match="no argument 'group'; allowed: system, labels, strength"):
        check_names(with_group, {"result", "labels", "group"}, {"system"})
    values = {"system": "AA", "labels": "a.nc", "result": "r.nc", "threads": 1}
    expected = {"group": Group("AA", ["a.nc"]), "result": "r.nc"}
    assert arguments_of(with_group, values) == expected


def test_a_job_with_an_unknown_input_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "_end_with_parent", lambda: None)
    monkeypatch.setattr(console, "_stream", io.StringIO())
    rule = {"rule": "make", "threads": 1, "log": [], "output": {"result": tmp_path / "result.nc"}}
    others = {"wildcards": {"system": "AA"}, "resources": {"mem_mb": 1}, "params": {"code": "1"}}
    with pytest.raises(SystemExit):
        job.run(function_of, SimpleNamespace(**rule, **others, input={"label": "a.nc"}))
    assert console._stream.getvalue().startswith(
        "error: make AA: function_of has no argument 'label'; allowed: system"
    )


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (list[str], "a.nc", ["a.nc"]),
        (Sequence[str], "a.nc", ["a.nc"]),
        (Iterable[str], "a.nc", ["a.nc"]),
        (list[float] | None, 0.5, [0.5]),
        (list[float] | None, None, None),
        (list[str], ["a.nc", "b.nc"], ["a.nc", "b.nc"]),
        (list[str], (), ()),
        (str, "a.nc", "a.nc"),
        (str | list[str], "a.nc", "a.nc"),
        (dict[str, str], {"a": "b"}, {"a": "b"}),
        (inspect.Parameter.empty, "a.nc", "a.nc"),
    ],
)
def test_one_value_for_a_list(annotation, value, expected):
    def function(argument):
        pass

    if annotation is not inspect.Parameter.empty:
        function.__annotations__["argument"] = annotation
    assert coerce_lists(function, {"argument": value}) == {"argument": expected}


def test_no_script_imports_another(root):
    scripts = {path.stem for path in (root / "scripts").glob("*.py")}
    for path in (root / "scripts").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & scripts, path.name


def test_no_test_module_imports_another(root):
    for path in (root / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ())]
            names.append(getattr(node, "module", None) or "")
            found = [
                name
                for name in names
                if name.split(".")[0] == "conftest" or name.split(".")[-1].startswith("test_")
            ]
            assert not found or not isinstance(node, ast.Import | ast.ImportFrom), path
