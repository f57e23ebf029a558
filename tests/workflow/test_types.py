"""Public functions of the package have complete types."""

import ast

import pytest

from support import ROOT

PACKAGE = ROOT / "scripts" / "moirepol"
MODULES = sorted(PACKAGE.rglob("*.py"))


def untyped(body, owner=""):
    """Names of public functions and methods that lack a type, with what lacks it."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from untyped(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            others = [argument for argument in (node.args.vararg, node.args.kwarg) if argument]
            for argument in arguments + others:
                if argument.annotation is None and argument.arg not in ("self", "cls"):
                    yield f"{owner}{node.name}: {argument.arg}"
            if node.returns is None:
                yield f"{owner}{node.name}: return"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_public_functions_have_complete_types(path):
    assert not list(untyped(ast.parse(path.read_text(encoding="utf-8")).body))


def test_a_lacking_type_is_found():
    code = "class A:\n def f(self, x): ...\ndef g(*a: int) -> None: ...\ndef _h(x): ..."
    assert list(untyped(ast.parse(code).body)) == ["A.f: x", "A.f: return"]
