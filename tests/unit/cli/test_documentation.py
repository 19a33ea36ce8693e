"""The documentation's blocks say what they are, and its summaries name what there is.

What can be run is run by `tests/e2e/test_up.py`.
"""

import json

import pytest

from tests.documentation import blocks, command_lines, what_is_wrong

SUMMARIES = [
    pytest.param(line, id=f"{block.name} {line}")
    for block in blocks("text")
    for line in command_lines(block.text)
]


def test_every_block_says_what_it_is_f27() -> None:
    assert {block.info for block in blocks()} == {"sh", "text", "json"}
    for block in blocks("json"):
        json.loads(block.text)
    for block in blocks("text"):
        lines = [line for line in block.text.splitlines() if line.startswith("perdure ")]
        if lines:
            assert lines == block.text.splitlines(), f"{block.name} holds more than summaries"
    assert all("pm_card" not in block.text for block in blocks())


@pytest.mark.parametrize("line", SUMMARIES)
def test_a_summary_names_commands_and_options_that_there_are_f27(line: str) -> None:
    assert what_is_wrong(line) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("perdure payment list", "there is no command 'payment' in perdure"),
        ("perdure payments list --colour red", "list has no --colour"),
        ("perdure limits set registry-fr --per-second 40", "set needs --reason"),
        ("perdure operations park|hold ID --reason x", "there is no command 'hold' in operations"),
        ("perdure payments get", "get needs what it is about"),
    ],
)
def test_what_there_is_not_is_found(line: str, problem: str) -> None:
    assert what_is_wrong(line) == [problem]
