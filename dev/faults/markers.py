"""Finds the tests that are marked with numbers, without importing them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["fault", "case"]
NOT_RUN = frozenset({"skip", "skipif", "xfail"})
BY_HAND = "gpu"
"""The folder of tests that no target runs by itself."""


@dataclass(frozen=True, slots=True, order=True)
class Marked:
    """A test that shows something.

    Attributes:
        file: below the repository.
        name: of the function.
        is_run: whether it runs wherever the suite does.
    """

    file: str
    name: str
    is_run: bool


def find_marked(tests: Path) -> dict[Kind, dict[int, list[Marked]]]:
    """Tests by kind and number, each list in the order of files and lines."""
    found: dict[Kind, dict[int, list[Marked]]] = {
        "fault": defaultdict(list),
        "case": defaultdict(list),
    }
    for path in sorted(tests.rglob("test_*.py")):
        file = path.relative_to(tests.parent).as_posix()
        for function in _functions(ast.parse(path.read_text())):
            marks = list(_marks(function))
            names = {name for name, _ in marks}
            marked = Marked(file, function.name, not names & NOT_RUN and BY_HAND not in path.parts)
            for kind, numbers in found.items():
                for name, arguments in marks:
                    for number in arguments if name == kind else ():
                        numbers[number].append(marked)
    return found


def _functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _marks(
    function: ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names of `pytest.mark.<name>` decorators with their whole-number arguments."""
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = call.func if call else decorator
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "pytest.mark":
            arguments = call.args if call else []
            yield (
                target.attr,
                tuple(
                    item.value
                    for item in arguments
                    if isinstance(item, ast.Constant) and isinstance(item.value, int)
                ),
            )
