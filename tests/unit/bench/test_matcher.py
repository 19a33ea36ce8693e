"""The matcher's benchmark measures what it says, and writes reports as the public one does."""

import hashlib
from pathlib import Path

from bench.matcher import RECORD, market, measured, report_hash, translated

from perdure.trades.book.book import Book
from perdure.trades.book.commands import Cancel, Place, Replace


def test_a_market_is_the_same_each_time_and_trades() -> None:
    commands = list(market(2_000))
    assert commands == list(market(2_000))
    assert {type(command) for command in commands} == {Place, Cancel, Replace}
    book = Book()
    events = [event for command in commands for event in book.apply(command)]
    assert book.trade_number > 100
    assert len(events) > len(commands)
    assert len(measured(commands, 1).rows) == 4


def test_a_workload_is_read_and_its_reports_are_hashed(tmp_path: Path) -> None:
    new, cancel, modify, buy, sell = 0, 1, 2, 0, 1
    messages = [
        # kind, side, ioc, pad, quantity, sequence, order, price, reserved
        (new, sell, 0, 0, 10, 0, 1, 100, 0),
        (new, buy, 0, 0, 4, 1, 2, 101, 0),
        (modify, sell, 0, 0, 7, 2, 1, 99, 0),  # six are left, and are to be seven
        (new, buy, 1, 0, 9, 3, 3, 99, 0),
        (cancel, sell, 0, 0, 7, 4, 1, 99, 0),
        (modify, sell, 0, 0, 7, 5, 1, 99, 0),
    ]
    path = tmp_path / "workload.bin"
    path.write_bytes(bytes(16) + b"".join(RECORD.pack(*message) for message in messages))
    reports = (
        *("0,0,1,1,100,10", "0,1,0,2,101,4", "1,1,100,4,1,2", "3,2,1,1,99,7", "0,3,0,3,99,9"),
        *("1,3,99,7,1,3", "2,3,0,3,99", "4,4,1", "5,5,1"),
    )
    assert report_hash(*translated(path)) == hashlib.sha256("\n".join(reports).encode()).hexdigest()
