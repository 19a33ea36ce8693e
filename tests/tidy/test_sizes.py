"""Files and functions stay small enough to be read whole."""

import ast
import re
from pathlib import Path

import pytest

from .source import PACKAGE, ROOT, python_files, tracked_files, tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|manager|misc|common)$")


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_can_be_read_whole(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= FILE_LINES_MAX, f"{path} has {lines} lines; split it by what changes together"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= FUNCTION_LINES_MAX, (
                f"{path}:{node.lineno} {node.name} has {length} lines"
            )


def test_names_say_what_is_inside() -> None:
    for path in python_files(PACKAGE):
        assert not BANNED_NAMES.search(path.stem), f"{path} says nothing about what it holds"
        assert not BANNED_NAMES.search(path.parent.name), path.parent


def test_no_unfinished_code_is_left() -> None:
    unfinished = re.compile("TO" + "DO|FIX" + "ME|XX" + "X")
    for path in python_files(PACKAGE):
        assert not unfinished.search(path.read_text()), f"{path} holds unfinished work"


def test_no_file_names_this_machine_or_a_registry() -> None:
    private = re.compile(
        "/" + r"(?:root|home|work|Users)/\w|https?://[\w.-]*(?:pypi|proxy\.golang|npmjs)"
    )
    for path in tracked_files():
        if path.suffix in {".png", ".json"}:
            continue
        assert not private.search(path.read_text(errors="ignore")), f"{path} names a machine's path"
