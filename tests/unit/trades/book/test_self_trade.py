"""No account trades with itself; which of its orders gives way is said by the one that comes in."""

import pytest

from perdure.trades.book.book import Book
from perdure.trades.book.events import Prevented

from .notation import command, standing, told

CASES = {
    "expire_taker, after what was filled before": (
        "sell s1 2@50; sell e1 4@51 of eve; sell s2 4@52; buy e2 9@52 of eve",
        "+s1; +e1; +s2; +e2; s1>e2 2@50; e1=e2 4; -e2 7 self_trade",
        "| e1 4@51, s2 4@52",
    ),
    "expire_maker, and on to whoever is behind": (
        "sell e1 4@50 of eve; sell e2 4@50 of eve; sell s1 4@51; buy e3 9@51 of eve expire_maker",
        ("+e1; +e2; +s1; +e3; e1=e3 4; -e1 4 self_trade; e2=e3 4; -e2 4 self_trade; s1>e3 4@51"),
        "e3 5@51 |",
    ),
    "expire_both": (
        "sell s1 2@50; sell e1 4@50 of eve; sell s2 4@50; buy e2 9@50 of eve expire_both",
        "+s1; +e1; +s2; +e2; s1>e2 2@50; e1=e2 4; -e1 4 self_trade; -e2 7 self_trade",
        "| s2 4@50",
    ),
    "decrement: the one that comes in is larger": (
        "sell e1 4@50 of eve; sell s1 2@50; buy e2 9@50 of eve decrement",
        "+e1; +s1; +e2; e1=e2 4; -e1 0 self_trade; s1>e2 2@50",
        "e2 3@50 |",
    ),
    "decrement: the one that comes in is smaller": (
        "sell e1 4@50 of eve; buy e2 3@50 of eve decrement; replace e1 1@50; replace e1 2@51",
        "+e1; +e2; e1=e2 3; -e2 0 self_trade; ~e1 1@50; ~e1 2@51",
        "| e1 2@51",
    ),
    "decrement: both are of one size": (
        "sell e1 4@50 of eve; buy e2 4@50 of eve decrement",
        "+e1; +e2; e1=e2 4; -e1 0 self_trade; -e2 0 self_trade",
        "|",
    ),
    "the one that comes in decides, not the one that is there": (
        "sell e1 4@50 of eve expire_maker; buy e2 4@50 of eve expire_taker",
        "+e1; +e2; e1=e2 4; -e2 4 self_trade",
        "| e1 4@50",
    ),
    "a replacement comes in": (
        "sell e1 4@50 of eve; buy e2 4@40 of eve expire_maker; replace e2 4@50",
        "+e1; +e2; ~e2 4@50; e1=e2 4; -e1 4 self_trade",
        "e2 4@50 |",
    ),
    "a replacement that gives way is over, as if it had come in now": (
        "sell e1 4@50 of eve; buy e2 4@40 of eve; replace e2 4@50; cancel e2",
        "+e1; +e2; ~e2 4@50; e1=e2 4; -e2 4 self_trade; !e2 order_not_open",
        "| e1 4@50",
    ),
    "ioc: its rest is over once": (
        "sell e1 1@50 of eve; buy e2 4@50 of eve ioc; buy e3 4@50 of eve ioc expire_maker",
        (
            "+e1; +e2; e1=e2 1; -e2 4 self_trade; +e3; e1=e3 1; -e1 1 self_trade;"
            " -e3 4 immediate_or_cancel"
        ),
        "|",
    ),
    "fok: its own are no one to fill it": (
        "sell e1 4@50 of eve; buy e2 4@50 of eve fok expire_maker",
        "+e1; +e2; -e2 4 fill_or_kill",
        "| e1 4@50",
    ),
    "fok: its own are in the way, and would end it": (
        (
            "sell e1 1@50 of eve; sell s1 4@51; buy e2 4@51 of eve fok;"
            "buy e3 4@51 of eve fok expire_both; buy e4 4@51 of eve fok decrement"
        ),
        "+e1; +s1; +e2; -e2 4 fill_or_kill; +e3; -e3 4 fill_or_kill; +e4; -e4 4 fill_or_kill",
        "| e1 1@50, s1 4@51",
    ),
    "fok: its own give way, and others fill it": (
        "sell e1 1@50 of eve; sell s1 4@51; buy e2 4@51 of eve fok expire_maker",
        "+e1; +s1; +e2; e1=e2 1; -e1 1 self_trade; s1>e2 4@51",
        "|",
    ),
    "fok: its own are behind those that fill it": (
        "sell s1 4@50; sell e1 1@50 of eve; buy e2 4@50 of eve fok",
        "+s1; +e1; +e2; s1>e2 4@50",
        "| e1 1@50",
    ),
    "its own beyond its price are none of its business": (
        "sell e1 4@51 of eve; buy e2 4@50 of eve",
        "+e1; +e2",
        "e2 4@50 | e1 4@51",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_self_trade(case: str) -> None:
    notes, answers, left = CASES[case]
    book = Book()
    got = told(book, notes)
    assert got == [answer.strip() for answer in answers.split(";")]
    assert standing(book) == left


def test_a_prevented_trade_tells_what_it_would_have_been() -> None:
    book = Book()
    told(book, "sell e1 4@50 of eve")
    (_, prevented, _) = book.apply(command("buy e2 9@60 of eve decrement"))
    assert prevented == Prevented("decrement", "eve", 50, 4, "buy", "e2", 5, "e1", 0)
    assert book.trade_number == 0
