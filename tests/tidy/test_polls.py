"""Tests wait by one helper: a number of looks is over too soon on a fast machine, or a slow one."""

import ast
from collections.abc import Iterator
from pathlib import Path

from .source import ROOT, python_files, tree


def counted_polls(path: Path) -> Iterator[int]:
    """Yield the lines where something is looked for so many times, until it is there."""
    for node in ast.walk(tree(path)):
        if not (isinstance(node, ast.For) and isinstance(node.target, ast.Name)):
            continue
        inner = [found for statement in node.body for found in ast.walk(statement)]
        leaves = any(isinstance(found, ast.Break | ast.Return) for found in inner)
        pauses = any(isinstance(found, ast.Attribute) and found.attr == "sleep" for found in inner)
        if node.target.id == "_" and leaves and pauses:
            yield node.lineno


def test_what_is_waited_for_has_a_deadline_and_not_a_number_of_looks() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in python_files(ROOT / "tests")
        for line in counted_polls(path)
    ]
    assert found == [], "wait with `eventually` of tests/polls.py instead"
