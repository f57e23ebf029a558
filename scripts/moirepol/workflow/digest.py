"""Digests of the code that a result depends on.

Snakemake does not detect changes of modules that a script imports. Each rule therefore has
`code_digest` of its script as a parameter, and runs again when the digest changes.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parents[2]
#: Modules that do not change a number: start of a job, and provenance of its file.
PLUMBING = frozenset(
    {
        "moirepol",  # its `load` is for Python users
        "moirepol.console",
        "moirepol.errors",
        "moirepol.structure.wrong_names",
        "moirepol.workflow.configuration",
        "moirepol.workflow.configuration_checks",
        "moirepol.workflow.digest",
        "moirepol.workflow.interrupts",
        "moirepol.workflow.job",
        "moirepol.workflow.locks",
        "moirepol.workflow.provenance",
    }
)
#: Parts of a syntax tree that depend on the Python version or have no effect.
IGNORED_FIELDS = frozenset({"kind", "type_comment", "type_ignores", "type_params"})


def code_digest(*names: str) -> str:
    """Return a digest of scripts and of every project module that they import, directly or not.

    Comments, docstrings, layout and `__version__` do not change it; neither do the locale and the
    Python version.

    Parameters
    ----------
    *names
        Scripts (`train_model` for ``scripts/train_model.py``) or modules (`moirepol.dft.wannier`).

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        If no script and no module has one of the names.
    """
    sources: dict[str, str] = {}
    waiting = [_find(name) for name in names]
    while waiting:
        path = waiting.pop()
        key = path.relative_to(SCRIPTS).as_posix()
        if key not in sources:
            sources[key], imported = _parse(path)
            waiting.extend(imported)
    text = "\n".join(f"{key} {source}" for key, source in sorted(sources.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _find(name: str) -> Path:
    path = _file_of(name)
    if path is None:
        raise FileNotFoundError(f"no script or module of this project is named {name!r}")
    return path


def _file_of(module: str) -> Path | None:
    """File of a script or project module, None for a module from elsewhere."""
    base = SCRIPTS.joinpath(*module.split("."))
    for path in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _parse(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the normalized source, and the files of the project that it imports anywhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.relative_to(SCRIPTS).parent.parts
    modules: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules |= {name.name for name in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                parents = package[: len(package) - level + 1] if level else ()
                base = ".".join((*parents, *([module] if module else [])))
                modules |= {base} | {f"{base}.{name.name}" for name in names}
            case ast.Module() | ast.ClassDef() | ast.FunctionDef():
                if ast.get_docstring(node) is not None:
                    node.body = node.body[1:]
            case ast.Assign(targets=[ast.Name(id="__version__")]):
                tree.body.remove(node)  # a release does not repeat the jobs
    modules |= {name.rpartition(".")[0] for name in modules if name.startswith("moirepol.")}
    files = [_file_of(module) for module in sorted(modules - PLUMBING - {""})]
    if path.name == "__init__.py" and "importlib" in modules:  # it imports its modules by name
        files += sorted(path.parent.glob("[!_]*.py"))
    return _dump(tree), tuple(file for file in files if file is not None)


def _dump(node: object) -> str:
    """Text of a syntax tree that is the same in every supported Python version."""
    if isinstance(node, ast.AST):
        fields = (
            f"{name}={_dump(value)}"
            for name, value in ast.iter_fields(node)
            if name not in IGNORED_FIELDS and value is not None and value != []
        )
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_dump, node))}]"
    return repr(node)
