"""Build the documentation site: the pages of docs/ and a reference that is made from the code."""

import ast
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from snakemake.io import strip_wildcard_constraints

from moirepol.errors import JobError

ROOT = Path(__file__).parents[1]
#: Pages beside docs/.
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CITATION.cff", "LICENSE")
#: Parts of the project that pages show or that the reference is made from.
PARTS = ("scripts", "resources/LICENSE.md")
RULES = """# Rules

Each rule is one step of the workflow. It runs the function of the same name in `scripts/<rule>.py`.
`python scripts/<rule>.py --help` prints the same text. An input in ⟨⟩ depends on the settings.
"""
GRAPH = """
## Graph of the rules

An arrow leads from a rule to a rule that needs its files. The graph contains the rules of `./run`,
of `./run accuracy` and of `./run audit`.

```{{graphviz}}
:alt: graph of the rules
{dot}
```
"""
FUNCTION = """```{{eval-rst}}
.. autofunction:: {name}.{name}
   :no-index-entry:
```
"""
PYTHON = """# Python

The public functions and classes of the package `moirepol`. [usage.md](../usage.md#python) shows an
example.
"""


def build_site(folder: str = "build/site", work: str = "build/pages") -> None:
    """Build the site. Every warning is an error.

    Parameters
    ----------
    folder
        Folder of the HTML pages. An older one is replaced.
    work
        Folder for the pages in Markdown.

    Raises
    ------
    JobError
        If Sphinx is not installed, or if it finds a fault.
    """
    site, pages = Path(folder).resolve(), Path(work).resolve()
    for old in (site, pages):
        shutil.rmtree(old, ignore_errors=True)
    collect_pages(pages)
    reference = pages / "reference"
    reference.mkdir()
    (reference / "rules.md").write_text(rules_page(load_rules()), encoding="utf-8")
    (reference / "python.md").write_text(python_page(), encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([*command, str(pages), str(site)], env=environment, check=False)
    if done.returncode:
        raise JobError(f"Sphinx: status {done.returncode}; its warnings are above")


def collect_pages(pages: Path) -> None:
    """Copy the pages into one folder, in which docs/ is the top, and correct their links.

    Parameters
    ----------
    pages
        Folder to make.
    """
    shutil.copytree(ROOT / "docs", pages)
    for name in PAGES:
        shutil.copyfile(ROOT / name, pages / name)
    for name in PARTS:
        target = pages / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, target)
    for page in pages.rglob("*.md"):
        if page.is_relative_to(pages / "scripts"):
            continue
        depth = len(page.relative_to(pages).parts) - 1
        text = page.read_text(encoding="utf-8")
        # In the repository, docs/ is one level lower.
        text = re.sub(rf"(\]\(|{{\w+}} ){'../' * (depth + 1)}(?!\.)", rf"\1{'../' * depth}", text)
        if page.parent == pages:
            text = text.replace("](docs/", "](")
        page.write_text(text, encoding="utf-8")


def load_rules() -> list[Any]:
    """Return the rules as Snakemake reads them, in the order of their files."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

    from moirepol.workflow.job import PARENT

    os.environ.setdefault(PARENT, str(os.getpid()))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        workflow.dag()
        return list(workflow._workflow.rules)


def rules_page(rules: Iterable[Any]) -> str:
    """Return the reference of the rules.

    Parameters
    ----------
    rules
        Rules as Snakemake reads them.

    Returns
    -------
    str
        Markdown: the graph, then for each file of rules its header and its rules.
    """
    page, files = RULES + graph(), {}
    for rule in rules:
        files.setdefault(Path(rule.snakefile), []).append(rule)
    for file, members in files.items():
        page += f"\n## {file.relative_to(ROOT).as_posix()}\n\n{_header(file)}\n"
        for rule in members:
            page += "".join(_describe(rule))
    return page


def _describe(rule: Any) -> Iterator[str]:
    """Yield the section of one rule."""
    yield f"\n### `{rule.name}`\n\n"
    if not rule.script:
        yield f"Target: {_files(rule.input)}\n"
        return
    yield "| | name | file |\n| --- | --- | --- |\n"
    for kind, files in (("input", rule.input), ("output", rule.output)):
        for name, file in files.items():
            yield f"| {kind} | `{name}` | {_files([file])} |\n"
    yield f"\n{FUNCTION.format(name=rule.name)}"


def _files(files: Iterable[Any]) -> str:
    """Return files in Markdown; a function of the settings and wildcards by its meaning."""
    shown = [
        "⟨settings⟩" if callable(file) else f"`{strip_wildcard_constraints(str(file))}`"
        for file in files
    ]
    unique = list(dict.fromkeys(shown))
    return ", ".join(unique[:4]) + (f", … ({len(unique)} files)" if len(unique) > 4 else "")


def _header(file: Path) -> str:
    """Return the comment at the start of a file of rules."""
    lines = file.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    text = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    return re.sub(r"([<>*_])", r"\\\1", text)


def graph() -> str:
    """Return the graph of the rules, or nothing if Graphviz is not installed."""
    if shutil.which("dot") is None:
        warnings.warn("Graphviz is not installed; the site has no graph of the rules", stacklevel=2)
        return ""
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--forceall", "--rulegraph"]
    done = subprocess.run(
        [*command, "dot", "--", "all", "accuracy", "audit"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return GRAPH.format(dot=done.stdout[done.stdout.index("digraph") :].strip())


def python_page() -> str:
    """Return the reference of the package, a section for each module with public names.

    Returns
    -------
    str
        Markdown.
    """
    package = ROOT / "scripts" / "moirepol"
    page, topic = PYTHON, ""
    for file in sorted(package.rglob("*.py"), key=lambda file: (len(file.parts), file)):
        module = ".".join(file.relative_to(package.parent).with_suffix("").parts)
        module = module.removesuffix(".__init__")
        if not _public_names(file):
            continue
        above = module.rpartition(".")[0]
        if above != topic:
            topic = above
            page += f"\n## `{topic}`\n"
        level = "###" if above else "##"
        page += f"\n{level} `{module}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n"
        page += "   :members:\n```\n"
    return page


def _public_names(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in tree.body if isinstance(node, kinds) and node.name[0] != "_"]


if __name__ == "__main__":
    from moirepol.workflow.job import run

    run(build_site, globals().get("snakemake"))
