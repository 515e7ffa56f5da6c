"""Tests by their names: a row of a table says which test shows it, and that test must be there and must run."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

__all__ = ["problem_of"]

ROOT = Path(__file__).parents[2]
_NEVER_RUN = {"skip", "skipif", "xfail"}


def problem_of(node: str) -> str | None:
    """Return what keeps a test from showing anything; None where it is there and is always run.

    Parameters:
        node: `cli/test_tree.py::test_something`, below `tests`.
    """
    file, _, name = node.partition("::")
    if not (ROOT / "tests" / file).is_file():
        return f"there is no file tests/{file}"
    decorators = _functions(file).get(name)
    if decorators is None:
        return f"tests/{file} has no test {name}"
    return f"{name} is not always run" if decorators & _NEVER_RUN else None


@cache
def _functions(file: str) -> dict[str, set[str]]:
    """Return the test functions of a file, each with the words of its decorators."""
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    return {
        each.name: {
            inner.attr
            for decorator in each.decorator_list
            for inner in ast.walk(decorator)
            if isinstance(inner, ast.Attribute)
        }
        for each in ast.walk(tree)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
    }
