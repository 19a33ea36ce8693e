"""Workers of the build before go on while a migration is run, and after it: so it only adds.

What takes something away is a migration of its own, in the build after: it says by `CONTRACT` why
nothing that still runs needs it any more.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from .source import PACKAGE

VERSIONS = PACKAGE / "storage" / "migrations" / "versions"
EARLIER = {"0026_legacy_operations"}
"""From before the rule, and before there was anybody whose workers went on."""

TAKES_AWAY = {
    "drops a table": r"DROP TABLE",
    "drops a column": r"DROP COLUMN",
    "renames": r"\bRENAME\b",
    "changes a column's type": r"ALTER COLUMN \w+ (SET DATA )?TYPE",
    "has a column be filled": r"SET NOT NULL",
    "adds a column that old code does not fill": r"ADD COLUMN (?!.*(DEFAULT|GENERATED)).*NOT NULL",
}


def clauses(path: Path) -> Iterator[str]:
    """Yield what a migration does, each change of a table by itself; nothing of its way back."""
    for part in ast.parse(path.read_text()).body[1:]:
        if isinstance(part, ast.FunctionDef) and part.name == "downgrade":
            continue
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "DOWN":
            continue
        for node in ast.walk(part):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for statement in node.value.split("\n\n"):
                    yield from changes(statement)


def changes(statement: str) -> list[str]:
    told = " ".join(re.sub(r"--[^\n]*", "", statement).split())
    return re.split(r",\s*(?=(?:ADD|ALTER|DROP)\b)", told)


def takes_away(parts: Iterable[str]) -> set[str]:
    return {
        what
        for part in parts
        for what, pattern in TAKES_AWAY.items()
        if re.search(pattern, part, re.IGNORECASE)
    }


def is_contract(path: Path) -> bool:
    return bool(re.search(r'^CONTRACT = "\S.*"', path.read_text(), re.MULTILINE))


MIGRATIONS = sorted(VERSIONS.glob("[0-9]*.py"))


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_takes_nothing_away_from_the_build_before(path: Path) -> None:
    found = takes_away(clauses(path))
    if path.stem in EARLIER or is_contract(path):
        assert found, f"{path.name} takes nothing away: it needs no leave to"
    else:
        assert not found, (
            f"{path.name} {', '.join(sorted(found))}: workers of the build before would fail. Add"
            " first, and take away in the build after, in a migration with CONTRACT = why."
        )


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("ALTER TABLE a DROP COLUMN b", {"drops a column"}),
        ("ALTER TABLE a RENAME COLUMN b TO c", {"renames"}),
        ("ALTER TABLE a ALTER COLUMN b SET NOT NULL", {"has a column be filled"}),
        ("ALTER TABLE a ALTER COLUMN b TYPE bigint", {"changes a column's type"}),
        (
            "ALTER TABLE a ADD COLUMN b text NOT NULL, ADD COLUMN c text DEFAULT ''",
            {"adds a column that old code does not fill"},
        ),
        ("ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT ''", set()),
        ("ALTER TABLE a ADD COLUMN b text DEFAULT '' NOT NULL", set()),
        ("ALTER TABLE a ADD COLUMN b text", set()),
        ("CREATE TABLE a (b text NOT NULL)", set()),
    ],
)
def test_what_takes_something_away_is_found(statement: str, found: set[str]) -> None:
    assert takes_away(changes(statement)) == found
