"""What a rule's result depends on in this repository's own code."""

import ast
import hashlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).parents[1]
# Modules without a bearing on any number: how a job is started, and what is stamped on its file.
PLUMBING = frozenset({"__init__", "code", "config", "job", "locks", "provenance"})


def code_digest(*names: str) -> str:
    """Digest of scripts or package modules and of every package module that they import.

    Names are those of scripts/<name>.py or of scripts/moirepol/<name>.py. Comments, docstrings
    and layout do not count. Given to a rule as a parameter, it reruns the rule when its code
    changes, which Snakemake by itself does not notice in imported modules.
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
    for path in (SCRIPTS / f"{name}.py", SCRIPTS / "moirepol" / f"{name}.py"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"no script or module of moirepol is named {name!r}")


@cache
def _parse(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Normalized source, and the package modules imported anywhere in it."""
    tree = ast.parse(path.read_text())
    modules: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules |= {name.name for name in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                base = "moirepol" + (f".{module}" if module else "") if level else module
                modules |= {base} | {f"{base}.{name.name}" for name in names}
            case ast.Module() | ast.ClassDef() | ast.FunctionDef():
                if ast.get_docstring(node) is not None:
                    node.body = node.body[1:]
    stems = {m.split(".")[1] for m in modules if m.startswith("moirepol.")} - PLUMBING
    paths = (SCRIPTS / "moirepol" / f"{stem}.py" for stem in sorted(stems))
    return ast.dump(tree), tuple(path for path in paths if path.is_file())
