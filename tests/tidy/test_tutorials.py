"""A tutorial's code is its example's own, so that what it shows runs."""

import re
import textwrap

import pytest

from .source import ROOT

_BLOCK = re.compile(r"^```(?:python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTATIONS = ("", "    ", "        ")
"""A part of a class, or of a function, stands alone there."""


@pytest.mark.parametrize(
    ("tutorial", "example", "at_least"),
    [("new-provider", "acme-sms", 7), ("new-kind", "giftcards", 12), ("chaos", "giftcards", 1)],
)
def test_what_a_tutorial_shows_is_in_its_example(
    tutorial: str, example: str, at_least: int
) -> None:
    blocks = _BLOCK.findall((ROOT / "docs" / f"{tutorial}.md").read_text())
    files = [
        path.read_text()
        for path in (ROOT / "examples" / example).rglob("*")
        if path.suffix in {".py", ".toml"}
    ]
    missing = [
        block
        for block in blocks
        if not any(
            textwrap.indent(block, indentation) in file
            for indentation in INDENTATIONS
            for file in files
        )
    ]
    assert len(blocks) >= at_least
    assert missing == []
