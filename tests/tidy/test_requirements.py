"""The requirements page and the tests say the same."""

import ast
import re

import pytest

from .source import PACKAGE, ROOT, python_files, tree

PAGE = (ROOT / "docs" / "requirements.md").read_text()
ROWS = re.findall(r"^\| ([A-Z]+-\d+) \|[^|]+\|([^|]+)\|([^|]+)\|$", PAGE, re.MULTILINE)
PAYMENTS = {f"BR-{n}" for n in range(1, 11)} | {f"FR-{n}" for n in range(1, 11)}
RENEWALS = {f"R-{n}" for n in range(1, 14)}
SHOWN = (
    PAYMENTS
    | RENEWALS
    | {
        "P-11",
        "P-12",
        "P-13",
        "P-15",
        "E-1",
        "E-2",
        "E-3",
        "E-4",
        "E-5",
        "E-6",
        "E-7",
        "E-8",
        "E-9",
        "E-10",
        "E-11",
        "E-12",
        "E-13",
    }
    | {f"T-{n}" for n in range(1, 11)}
)


def numbers_of(test_name: str) -> set[str]:
    found = re.findall(r"_(br|fr|p|e|t|r)(\d+)(?=_|$)", test_name)
    return {f"{kind.upper()}-{number}" for kind, number in found}


def test_every_requirement_built_is_on_the_page() -> None:
    assert {number for number, _, _ in ROWS} == SHOWN


@pytest.mark.parametrize(("number", "where", "shown_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_requirement_is_named_by_a_test_in_the_file_the_page_gives(
    number: str, where: str, shown_by: str
) -> None:
    for name in re.findall(r"`([^`]+)`", where):
        folder = ROOT if name.startswith("deploy/") else PACKAGE
        assert (folder / name).exists(), f"{number}: there is no {name}"
    files = [ROOT / name for name in re.findall(r"`([^`]+)`", shown_by)]
    for path in files:
        names = [
            node.name
            for node in ast.walk(tree(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        assert any(number in numbers_of(name) for name in names), (
            f"no test in {path} names {number}"
        )


def test_no_test_names_a_requirement_that_is_not_on_the_page() -> None:
    for path in python_files(ROOT / "tests"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_"):
                assert numbers_of(node.name) <= SHOWN, f"{path}: {node.name}"
