"""Tests wait by one helper: a number of looks is over too soon on a fast machine, or a slow one."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .source import ROOT, python_files, tree

STALL_S: Final = 30
"""How long a machine may stand still, and tests still come to their ends."""
DEADLINES: Final = {"timeout": (0, "delay"), "wait_for": (1, "timeout")}
"""Of asyncio, with where each has its seconds."""


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


def short_deadlines(path: Path) -> Iterator[int]:
    """Yield the lines where something is given up before a machine that stalls has done it.

    Less than a second is no deadline: it says that something does not come.
    """
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        position, keyword = DEADLINES.get(name, (len(node.args), ""))
        given = [*node.args[position : position + 1]]
        given += [each.value for each in node.keywords if each.arg in (keyword, "within_s")]
        for each in given:
            number = each.value if isinstance(each, ast.Constant) else None
            if isinstance(number, int | float) and 1 <= number < STALL_S:
                yield node.lineno


def test_what_is_waited_for_has_the_time_that_a_machine_may_stand_still() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in python_files(ROOT / "tests")
        for line in short_deadlines(path)
    ]
    assert found == [], f"give it {STALL_S} s or more"
