"""Tests of a session share a database: who changes rows of all kinds in it has one of its own."""

import re

from .source import ROOT, python_files

OF_EVERYBODY = re.compile(r"UPDATE operations SET [^\"]*WHERE finished_at IS NULL\"")


def test_who_ends_all_that_is_open_has_a_database_of_its_own() -> None:
    found = {
        path.name: "migrated_database(" in text
        for path in python_files(ROOT / "tests")
        if OF_EVERYBODY.search(text := path.read_text())
    }
    assert found, "the pattern finds none"
    assert all(found.values()), found
