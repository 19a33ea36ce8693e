"""Price, then time: what every book has to get right, as others got it wrong."""

import pytest

from perdure.trades.book.book import Book
from perdure.trades.book.events import Accepted, Filled
from perdure.trades.book.snapshot import Level

from .notation import command, standing, told

CASES = {
    "the head of a queue is cancelled": (
        "sell s1 4@50; sell s2 4@50; sell s3 4@50; cancel s1; buy b1 8@50 ioc",
        "+s1; +s2; +s3; -s1 4 requested; +b1; s2>b1 4@50; s3>b1 4@50",
        "|",
    ),
    "the middle of a queue is cancelled": (
        "sell s1 4@50; sell s2 4@50; sell s3 4@50; cancel s2; buy b1 8@50 ioc",
        "+s1; +s2; +s3; -s2 4 requested; +b1; s1>b1 4@50; s3>b1 4@50",
        "|",
    ),
    "here and there in a long queue": (
        "buy b1 1@9; buy b2 2@9; buy b3 3@9; buy b4 4@9; cancel b1; cancel b3; sell s1 7@9 ioc",
        (
            "+b1; +b2; +b3; +b4; -b1 1 requested; -b3 3 requested; +s1; b2>s1 2@9; b4>s1 4@9;"
            " -s1 1 immediate_or_cancel"
        ),
        "|",
    ),
    "several prices, the best first": (
        "sell s1 3@52; sell s2 3@50; sell s3 3@51; buy b1 8@52 ioc",
        "+s1; +s2; +s3; +b1; s2>b1 3@50; s3>b1 3@51; s1>b1 2@52",
        "| s1 1@52",
    ),
    "several prices, to the last lot": (
        "buy b1 1@50; buy b2 2@51; buy b3 3@52; sell s1 6@50",
        "+b1; +b2; +b3; +s1; b3>s1 3@52; b2>s1 2@51; b1>s1 1@50",
        "|",
    ),
    "what is left of a sweep is the new best": (
        "sell s1 3@50; sell s2 3@51; buy b1 8@51; sell s3 1@51 ioc",
        "+s1; +s2; +b1; s1>b1 3@50; s2>b1 3@51; +s3; b1>s3 1@51",
        "b1 1@51 |",
    ),
    "a new price crosses": (
        "sell s1 4@50; buy b1 4@48; replace b1 4@50",
        "+s1; +b1; ~b1 4@50; s1>b1 4@50",
        "|",
    ),
    "a new price beyond the other's fills at the other's, both ways": (
        "sell s1 4@50; buy b1 4@48; replace b1 4@60; buy b2 4@90; sell s2 4@95; replace s2 4@80",
        "+s1; +b1; ~b1 4@60; s1>b1 4@50; +b2; +s2; ~s2 4@80; b2>s2 4@90",
        "|",
    ),
    "who shares a price stays when the other leaves it": (
        "buy b1 4@50; buy b2 4@50; replace b1 4@49; sell s1 4@50",
        "+b1; +b2; ~b1 4@49; +s1; b2>s1 4@50",
        "b1 4@49 |",
    ),
    "the rest of what was partly filled is cancelled": (
        "sell s1 9@50; buy b1 4@50; cancel s1; buy b2 1@50 ioc",
        "+s1; +b1; s1>b1 4@50; -s1 5 requested; +b2; -b2 1 immediate_or_cancel",
        "|",
    ),
    "the rest of what was partly filled gets a new price": (
        "sell s1 9@50; buy b1 4@50; replace s1 9@51; buy b2 9@51 ioc",
        "+s1; +b1; s1>b1 4@50; ~s1 9@51; +b2; s1>b2 5@51; -b2 4 immediate_or_cancel",
        "|",
    ),
    "too late to cancel or replace what was filled": (
        "sell s1 4@50; buy b1 4@50; cancel s1; replace s1 4@51; cancel b1",
        "+s1; +b1; s1>b1 4@50; !s1 order_not_open; !s1 order_not_open; !b1 order_not_open",
        "|",
    ),
    "too late to cancel or replace what was cancelled": (
        "buy b1 4@50; cancel b1; cancel b1; replace b1 4@51",
        "+b1; -b1 4 requested; !b1 order_not_open; !b1 order_not_open",
        "|",
    ),
    "what was never there": (
        "cancel b1; replace b1 4@50",
        "!b1 order_not_open; !b1 order_not_open",
        "|",
    ),
    "first come, first served": (
        "buy b1 4@50; buy b2 4@50; sell s1 4@50",
        "+b1; +b2; +s1; b1>s1 4@50",
        "b2 4@50 |",
    ),
    "the better price before the earlier time, both ways": (
        "sell s1 2@55; sell s2 2@50; buy b1 2@55; buy b2 2@40; buy b3 2@45; sell s3 4@40",
        "+s1; +s2; +b1; s2>b1 2@50; +b2; +b3; +s3; b3>s3 2@45; b2>s3 2@40",
        "| s1 2@55",
    ),
    "two prices, their first and last cancelled": (
        "buy b1 2@50; buy b2 2@50; buy b3 2@51; buy b4 2@51; cancel b1; cancel b4; sell s1 4@50",
        "+b1; +b2; +b3; +b4; -b1 2 requested; -b4 2 requested; +s1; b3>s1 2@51; b2>s1 2@50",
        "|",
    ),
    "an id is free again after a cancel, and after a fill": (
        "buy x 2@50; cancel x; sell x 2@60; buy b1 2@60; buy x 2@60; sell s1 1@60",
        "+x; -x 2 requested; +x; +b1; x>b1 2@60; +x; +s1; x>s1 1@60",
        "x 1@60 |",
    ),
    "an id that is open is not, and the open one loses nothing": (
        "buy x 2@50; sell x 2@50; buy x 9@60; sell s1 2@50",
        "+x; !x order_already_open; !x order_already_open; +s1; x>s1 2@50",
        "|",
    ),
    "the price is that of who was there first, both ways": (
        "sell s1 2@50; buy b1 2@59; buy b2 2@90; sell s2 2@81",
        "+s1; +b1; s1>b1 2@50; +b2; +s2; b2>s2 2@90",
        "|",
    ),
    "two of one price are two trades, and the rest is open": (
        "sell s1 3@9; sell s2 4@9; buy b1 10@9; sell s3 3@9 ioc",
        "+s1; +s2; +b1; s1>b1 3@9; s2>b1 4@9; +s3; b1>s3 3@9",
        "|",
    ),
    "a price that was emptied is used again": (
        "sell s1 2@50; sell s2 2@51; buy b1 4@51; sell s3 2@50; buy b2 2@50; sell s4 1@51",
        "+s1; +s2; +b1; s1>b1 2@50; s2>b1 2@51; +s3; +b2; s3>b2 2@50; +s4",
        "| s4 1@51",
    ),
    "behind the best that was cancelled, for sellers": (
        "buy b1 4@50; buy b2 3@49; cancel b1; sell s1 3@49 ioc",
        "+b1; +b2; -b1 4 requested; +s1; b2>s1 3@49",
        "|",
    ),
    "behind the best that was cancelled, for buyers": (
        "sell s1 4@50; sell s2 3@51; cancel s1; buy b1 3@51 ioc",
        "+s1; +s2; -s1 4 requested; +b1; s2>b1 3@51",
        "|",
    ),
    "a side that was emptied": (
        "buy b1 4@50; cancel b1; sell s1 1@50 ioc; buy b2 3@45; sell s2 3@45 ioc",
        "+b1; -b1 4 requested; +s1; -s1 1 immediate_or_cancel; +b2; +s2; b2>s2 3@45",
        "|",
    ),
    "what is left of an ioc is not there for the next": (
        "sell s1 4@50; buy b1 7@50 ioc; sell s2 3@50 ioc",
        "+s1; +b1; s1>b1 4@50; -b1 3 immediate_or_cancel; +s2; -s2 3 immediate_or_cancel",
        "|",
    ),
    "an order stops at its own price": (
        "sell s1 2@50; sell s2 4@55; buy b1 5@52; sell s3 3@52",
        "+s1; +s2; +b1; s1>b1 2@50; +s3; b1>s3 3@52",
        "| s2 4@55",
    ),
    "a rest is drained to the lot": (
        "sell s1 9@50; buy b1 4@50; buy b2 5@50; buy b3 1@50 ioc",
        "+s1; +b1; s1>b1 4@50; +b2; s1>b2 5@50; +b3; -b3 1 immediate_or_cancel",
        "|",
    ),
    "who is partly filled stays first": (
        "buy b1 4@50; buy b2 4@50; buy b3 4@50; sell s1 6@50; sell s2 3@50",
        "+b1; +b2; +b3; +s1; b1>s1 4@50; b2>s1 2@50; +s2; b2>s2 2@50; b3>s2 1@50",
        "b3 3@50 |",
    ),
    "nothing is taken beyond what is wanted": (
        "sell s1 3@50; sell s2 3@50; buy b1 3@50",
        "+s1; +s2; +b1; s1>b1 3@50",
        "| s2 3@50",
    ),
    "far prices": (
        "sell s1 1@1000000000000; buy b1 1@1000000000000; buy b2 1@1; sell s2 1@1",
        "+s1; +b1; s1>b1 1@1000000000000; +b2; +s2; b2>s2 1@1",
        "|",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_price_then_time(case: str) -> None:
    notes, answers, left = CASES[case]
    book = Book()
    got = told(book, notes)
    assert got == [answer.strip() for answer in answers.split(";")]
    assert standing(book) == left


def test_five_thousand_fills_of_one_order() -> None:
    book = Book()
    for number in range(5_000):
        told(book, f"sell s{number} 1@50")
    accepted, *filled = book.apply(command("buy b1 5000@50 ioc"))
    assert isinstance(accepted, Accepted)
    assert [fill.maker_order_id for fill in filled if isinstance(fill, Filled)] == [
        f"s{number}" for number in range(5_000)
    ]
    assert book.snapshot().orders == ()
    assert book.best_minor("sell") is None


def test_a_fill_tells_both_sides() -> None:
    book = Book()
    told(book, "sell s1 9@50; buy b1 4@60")
    assert book.apply(command("buy b2 7@50"))[1:] == [
        Filled(2, 50, 5, "buy", "b2", "ann", 2, "s1", "bob", 0)
    ]
    (_, fill) = book.apply(command("sell s2 1@10"))
    assert isinstance(fill, Filled)
    assert (fill.buy_order_id, fill.buy_account_id) == ("b2", "ann")
    assert (fill.sell_order_id, fill.sell_account_id) == ("s2", "bob")
    assert (fill.taker_side, fill.maker_remaining_lots, fill.taker_remaining_lots) == ("sell", 1, 0)


def test_the_best_and_the_depth_are_of_what_is_open() -> None:
    book = Book()
    told(book, "buy b1 2@50; buy b2 3@50; buy b3 1@40; sell s1 4@60; sell s2 1@70")
    assert book.depth("buy") == [Level(50, 5, 2), Level(40, 1, 1)]
    assert book.depth("sell", 1) == [Level(60, 4, 1)]
    told(book, "cancel b1; cancel b2; buy b4 3@60")
    assert (book.best_minor("buy"), book.best_minor("sell")) == (40, 60)
    assert book.depth("sell") == [Level(60, 1, 1), Level(70, 1, 1)]
    told(book, "cancel all")
    assert (book.best_minor("buy"), book.best_minor("sell")) == (None, None)
    assert book.depth("buy") == book.depth("sell") == []
