import json
from io import StringIO

from bench.ledger import ACCOUNTS, Result, as_json, measured_table, references_table
from bench.ledger_cases import WAYS
from bench.ledger_references import REFERENCES
from rich.console import Console
from rich.table import Table


def text(table: Table) -> str:
    written = StringIO()
    Console(width=300, file=written).print(table)
    return written.getvalue()


def results() -> list[Result]:
    return [
        Result(way, accounts, [1_000.0, 3_000.0, 2_000.0 + accounts])
        for accounts in ACCOUNTS
        for way in WAYS
    ]


def test_the_table_has_a_line_for_each_way_and_a_column_for_each_number_of_accounts() -> None:
    lines = text(measured_table(results())).splitlines()

    found = [line for line in lines if "2,001 (1,000-3,000)" in line]
    assert len(found) == len(WAYS)
    assert all("3,000 (1,000-3,000)" in line for line in found)


def test_a_way_that_was_not_measured_has_no_number() -> None:
    lines = text(measured_table(results()[1:])).splitlines()

    line = next(line for line in lines if WAYS[0].name in line)
    assert [cell.strip() for cell in line.split("│")[2:4]] == ["-", "3,000 (1,000-3,000)"]


def test_every_reference_says_what_was_measured_and_where_it_is_published() -> None:
    table = text(references_table())

    for reference in REFERENCES:
        assert reference.product in table
        assert reference.measured
        assert reference.source


def test_results_keep_the_numbers_of_every_round_and_that_they_are_durable() -> None:
    kept = json.loads(json.dumps(as_json(results(), {"at": "2026-01-01T00:00:00+00:00"})))

    assert len(kept["transfers_per_s"]) == len(WAYS) * len(ACCOUNTS)
    assert kept["transfers_per_s"][0]["rounds"] == [1_000.0, 3_000.0, 2_001.0]
    assert kept["taken"]["settings"] == {"fsync": "on", "synchronous_commit": "on"}
    assert kept["taken"]["at"] == "2026-01-01T00:00:00+00:00"
