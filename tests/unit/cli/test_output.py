"""What commands print."""

import json
from datetime import UTC, datetime

import pytest

from perdure.cli.output import cell, print_error, print_json, print_table
from perdure.core.errors import InvalidInput


def test_json_is_one_line_with_times_in_iso_format(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "two\nlines", "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC)})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0]) == {"text": "two\nlines", "at": "2026-01-02T03:04:00+00:00"}


def test_an_error_names_the_field_once_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(InvalidInput("It is [red]empty[/].", param="customer_id"))
    print_error(InvalidInput("customer_id is empty.", param="customer_id"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: customer_id: It is [red]empty[/].",
        "error: customer_id is empty.",
    ]


def test_nothing_is_shown_as_a_dash() -> None:
    assert cell(None) == "-"
    assert cell(0) == "0"
    assert cell({"a": 1}) == '{"a": 1}'


def test_a_table_cuts_nothing_where_a_program_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    long = "pay_" + "x" * 300
    print_table(("ID", "#AMOUNT"), [(long, 5), ("[red]", None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "AMOUNT"]
    assert lines[1].split() == [long, "5"]
    assert lines[2].split() == ["[red]", "-"]
