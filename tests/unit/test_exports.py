"""What `perdure` exports: typed, documented, and imported when it is asked for."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import perdure
from perdure.reference import reference

KEPT = Path(__file__).parents[2] / "docs" / "reference.md"


def test_what_is_exported_is_what_type_checkers_see() -> None:
    tree = ast.parse(Path(perdure.__file__).read_text())
    seen = {
        (node.module, name.name, name.asname)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("perdure.")
        for name in node.names
    }
    assert seen == {
        (place, name, name) for place, names in perdure.PLACES.items() for name in names
    }


def test_each_name_is_there_and_says_what_it_is() -> None:
    for place, names in perdure.PLACES.items():
        for name in names:
            assert getattr(perdure, name) is getattr(import_module(place), name)
    with pytest.raises(AttributeError, match="exports no Payments"):
        _ = perdure.Payments  # type: ignore[attr-defined]


def test_importing_perdure_imports_nothing_of_it() -> None:
    program = "import sys, perdure; print([n for n in sys.modules if n.startswith('perdure.')])"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert told.stdout.decode().strip() == "[]"


def test_the_reference_is_up_to_date() -> None:
    assert KEPT.read_text() == reference(), "run `make reference`"
