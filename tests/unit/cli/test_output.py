"""What commands print."""

import json
import sys
import time
from datetime import UTC, datetime

import pytest
from rich.console import Console

from perdure.cli import output
from perdure.cli.output import (
    cell,
    print_error,
    print_fields,
    print_json,
    print_table,
    wants_json,
)
from perdure.core.errors import InvalidInput
from perdure.core.ids import new_id


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


def test_an_error_is_json_with_its_code_where_that_is_asked_for_f28(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["perdure", "payments", "get", "x", "-o", "json"])
    print_error(InvalidInput("It is empty.", code="invalid_id", param="id"))
    print_error("It cannot be reached.", code="database_unavailable")
    captured = capsys.readouterr()
    assert captured.out == ""
    told = [json.loads(line)["error"] for line in captured.err.splitlines()]
    assert told == [
        {"code": "invalid_id", "message": "It is empty.", "param": "id"},
        {"code": "database_unavailable", "message": "It cannot be reached.", "param": None},
    ]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("payments list", False),
        ("payments list -o json", True),
        ("payments list --output json --limit 1", True),
        ("payments list --output=json", True),
        ("payments list -ojson", True),
        ("payments list -o json -o text", False),
        ("payments get json", False),
    ],
)
def test_json_is_wanted_as_the_option_is_written(line: str, wanted: bool) -> None:
    assert wants_json(line.split()) is wanted


def test_values_are_written_for_people() -> None:
    assert cell(None) == "-"
    assert cell(0) == "0"
    assert cell({"a": 1}) == '{"a": 1}'


def test_every_time_there_is_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    try:
        for zone in ("UTC", "Asia/Tokyo"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert cell(last) == "9999-12-31 23:59:59+00:00"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert cell({"after": last}) == '{"after": "9999-12-31T23:59:59+00:00"}'
    assert cell(["payments:read", "payments:write"]) == "payments:read payments:write"


def test_a_time_says_its_zone_f28() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert datetime.fromisoformat(cell(at)) == at.replace(microsecond=0)


def test_a_table_is_printed_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    long = "pay_" + "x" * 300
    print_table(("ID", "#AMOUNT"), [(long, 5), ("[red] order:tada:1", None)])
    print_fields({"id": long, "reference": "[red]:tada:"})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "AMOUNT"]
    assert lines[1].split() == [long, "5"]
    assert lines[2].split() == ["[red]", "order:tada:1", "-"]
    assert lines[3:] == [f"id         {long}", "reference  [red]:tada:"]


def test_on_a_terminal_texts_are_wrapped_and_ids_are_not_f28(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        output, "out", Console(width=80, force_terminal=True, color_system=None, soft_wrap=True)
    )
    found, other = new_id("pay"), new_id("rfd")
    text = f"{'The gateway cannot be reached. ' * 4}See {other}"
    print_table(("ID", "CUSTOMER", "AT", "WHY"), [(found, "cus_1", datetime.now(UTC), text)])
    shown = capsys.readouterr().out
    assert found in shown
    assert other in shown
    assert len(shown.splitlines()) > 4
