"""What an order may ask for, what it may not, and what changes while it is open."""

from typing import get_args

import pytest

from perdure.trades.book.book import Book
from perdure.trades.book.commands import PRICE_MAX_MINOR, QUANTITY_MAX_LOTS
from perdure.trades.book.events import REJECTIONS, Accepted, RejectCode, Replaced

from .notation import command, standing, told

CASES = {
    "ioc: what there is": (
        "sell s1 4@50; buy b1 9@50 ioc; buy b2 1@50 ioc",
        "+s1; +b1; s1>b1 4@50; -b1 5 immediate_or_cancel; +b2; -b2 1 immediate_or_cancel",
        "|",
    ),
    "fok: everything": (
        "sell s1 4@50; sell s2 4@51; buy b1 8@51 fok",
        "+s1; +s2; +b1; s1>b1 4@50; s2>b1 4@51",
        "|",
    ),
    "fok: or nothing, be it for the price or the quantity": (
        "sell s1 4@50; sell s2 4@51; buy b1 8@50 fok; buy b2 9@51 fok; buy b3 1@49 fok",
        "+s1; +s2; +b1; -b1 8 fill_or_kill; +b2; -b2 9 fill_or_kill; +b3; -b3 1 fill_or_kill",
        "| s1 4@50, s2 4@51",
    ),
    "fok: what is left counts, not what there was": (
        "sell s1 4@50; buy b1 3@50; buy b2 2@50 fok; buy b3 1@50 fok",
        "+s1; +b1; s1>b1 3@50; +b2; -b2 2 fill_or_kill; +b3; s1>b3 1@50",
        "|",
    ),
    "post-only stays, or is refused where it would take": (
        "buy b1 4@50 post; sell s1 4@50 post; sell s2 4@51 post; buy b2 4@51 post",
        "+b1; !s1 would_take; +s2; !b2 would_take",
        "b1 4@50 | s2 4@51",
    ),
    "post-only is refused before its own orders give way": (
        "sell s1 4@5 of eve; buy b1 4@5 of eve post expire_maker; buy b2 4@5 post of eve decrement",
        "+s1; !b1 would_take; !b2 would_take",
        "| s1 4@5",
    ),
    "gtd: until its time, and at that time no more": (
        "buy b1 1@5 gtd=1999; buy b2 1@5 gtd=2000; buy b3 1@5 gtd=2001; expire 2000; expire 2000",
        "+b1; +b2; +b3; -b1 1 expired; -b2 1 expired",
        "b3 1@5 |",
    ),
    "gtd: its time is over as it comes": (
        "buy b1 1@50 gtd=1000; buy b2 1@50 gtd=1001",
        "!b1 already_expired; +b2",
        "b2 1@50 |",
    ),
    "those that expire together go by their time, then as they came": (
        "buy b1 1@50 gtd=2000; sell s1 1@60 gtd=1500; buy b2 1@51 gtd=2000; expire 9000",
        "+b1; +s1; +b2; -s1 1 expired; -b1 1 expired; -b2 1 expired",
        "|",
    ),
    "what was filled, cancelled or placed anew does not expire by its old time": (
        "buy x 2@50 gtd=2000; sell s1 2@50; buy y 1@50 gtd=2000; cancel y; buy x 1@40; expire 2000",
        "+x; +s1; x>s1 2@50; +y; -y 1 requested; +x",
        "x 1@40 |",
    ),
    "a new price keeps the time an order is good until": (
        "buy b1 2@50 gtd=2000; replace b1 2@49; expire 1999; expire 2000",
        "+b1; ~b1 2@49; -b1 2 expired",
        "|",
    ),
    "terms that contradict one another": (
        "buy b1 1@50 gtd; buy b2 1@50 ioc gtd=2000 ioc; buy b3 1@50 ioc post; buy b4 1@50 fok post",
        "!b1 invalid_order; !b2 invalid_order; !b3 invalid_order; !b4 invalid_order",
        "|",
    ),
    "quantities and prices that are none": (
        "buy b1 0@50; buy b2 -4@50; buy b3 1@0; buy b4 1@-50; sell s1 1000001@50",
        (
            "!b1 invalid_quantity; !b2 invalid_quantity; !b3 price_outside_band;"
            " !b4 price_outside_band; !s1 quantity_too_large"
        ),
        "|",
    ),
    "an asset's tick, band and largest quantity, each at its edge": (
        (
            "instrument 5 100..200 9; buy b1 9@100; sell s1 9@200; buy b2 10@100; buy b3 1@95;"
            "sell s2 1@205; buy b4 1@101"
        ),
        (
            "instrument; +b1; +s1; !b2 quantity_too_large; !b3 price_outside_band;"
            " !s2 price_outside_band; !b4 price_off_tick"
        ),
        "b1 9@100 | s1 9@200",
    ),
    "what is open stays when the asset's rules change, can shrink, and is filled": (
        (
            "buy b1 8@33; instrument 10 30..90 5; replace b1 7@33; replace b1 7@60;"
            "replace b1 5@34; sell s1 5@30; cancel b1"
        ),
        (
            "+b1; instrument; ~b1 7@33; !b1 quantity_too_large; !b1 price_off_tick; +s1;"
            " b1>s1 5@33; -b1 2 requested"
        ),
        "|",
    ),
    "rules that make no sense": (
        "instrument 0 1..9 9; instrument 1 0..9 9; instrument 1 9..8 9; instrument 1 1..9 0",
        "! invalid_instrument; ! invalid_instrument; ! invalid_instrument; ! invalid_instrument",
        "|",
    ),
    "rules that would go beyond what money can be": (
        f"instrument 1 1..{PRICE_MAX_MINOR + 1} 1; instrument 1 1..1 {QUANTITY_MAX_LOTS + 1}",
        "! invalid_instrument; ! invalid_instrument",
        "|",
    ),
    "halted: nothing comes in, what is open can shrink and go": (
        (
            "buy b1 5@50; buy b2 5@50 gtd=2000; buy b3 5@50; halt; sell s1 1@50 ioc;"
            "replace b1 5@51; replace b1 6@50; replace b1 4@50; cancel b3; expire 2000; resume;"
            "sell s2 1@50"
        ),
        (
            "+b1; +b2; +b3; halted; !s1 trading_halted; !b1 trading_halted; !b1 trading_halted;"
            " ~b1 4@50; -b3 5 requested; -b2 5 expired; resumed; +s2; b1>s2 1@50"
        ),
        "b1 3@50 |",
    ),
    "all of one account, then all, as they came to where they are": (
        (
            "sell s1 1@60; buy b1 1@50; buy e1 1@40 of eve; buy b2 1@51; replace b1 2@50;"
            "cancel of ann; cancel of ann; cancel all"
        ),
        (
            "+s1; +b1; +e1; +b2; ~b1 2@50; -b2 1 requested; -b1 2 requested; -s1 1 requested;"
            " -e1 1 requested"
        ),
        "|",
    ),
    "a mere reduction keeps its place": (
        "buy b1 5@50; buy b2 5@50; replace b1 2@50; replace b1 2@50; sell s1 3@50",
        "+b1; +b2; ~b1 2@50; ~b1 2@50; +s1; b1>s1 2@50; b2>s1 1@50",
        "b2 4@50 |",
    ),
    "a larger quantity loses it, another price too, be it only there and back": (
        (
            "buy b1 1@50; buy b2 1@50; buy b3 1@50; replace b1 2@50; replace b2 1@49;"
            "replace b2 1@50; sell s1 4@50"
        ),
        "+b1; +b2; +b3; ~b1 2@50; ~b2 1@49; ~b2 1@50; +s1; b3>s1 1@50; b1>s1 2@50; b2>s1 1@50",
        "|",
    ),
    "a lower quantity at another price loses it": (
        "buy b1 5@50; buy b2 5@51; replace b1 2@51; sell s1 6@51",
        "+b1; +b2; ~b1 2@51; +s1; b2>s1 5@51; b1>s1 1@51",
        "b1 1@51 |",
    ),
    "the quantity is the whole order's: what was filled is not bought again": (
        "buy b1 9@50; sell s1 5@50; replace b1 5@50; replace b1 4@49; replace b1 6@50",
        "+b1; +s1; b1>s1 5@50; !b1 quantity_already_filled; !b1 quantity_already_filled; ~b1 6@50",
        "b1 1@50 |",
    ),
    "a replacement that is refused changes nothing": (
        (
            "instrument 5 10..90 9; sell s1 1@60; buy b1 4@50 post; buy b2 4@50;"
            "replace b1 4@60; replace b1 4@51; replace b1 4@95; replace b1 10@55; replace b1 0@50;"
            "sell s2 5@50"
        ),
        (
            "instrument; +s1; +b1; +b2; !b1 would_take; !b1 price_off_tick;"
            " !b1 price_outside_band; !b1 quantity_too_large; !b1 invalid_quantity;"
            " +s2; b1>s2 4@50; b2>s2 1@50"
        ),
        "b2 3@50 | s1 1@60",
    ),
    "a replacement that crosses is filled, and its rest is open": (
        "sell s1 3@50; buy b1 9@40; sell s2 2@40; replace b1 9@55; sell s3 1@55 ioc",
        "+s1; +b1; +s2; b1>s2 2@40; ~b1 9@55; s1>b1 3@50; +s3; b1>s3 1@55",
        "b1 3@55 |",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_terms(case: str) -> None:
    notes, answers, left = CASES[case]
    book = Book()
    got = told(book, notes)
    assert got == [answer.strip() for answer in answers.split(";")]
    assert standing(book) == left


def test_every_reason_to_refuse_is_told_and_was_met() -> None:
    assert set(REJECTIONS) == set(get_args(RejectCode))
    answers = " ".join(answers for _, answers, _ in CASES.values())
    unmet = {code for code in REJECTIONS if code not in answers}
    assert unmet == {"order_already_open", "order_not_open"}  # those are in test_matching.py


def test_a_price_without_bounds_is_the_highest_one_would_pay() -> None:
    """There is no order without a price: who takes any says ioc, and pays what sellers ask."""
    book = Book()
    told(book, "sell s1 1@50; sell s2 1@70")
    assert told(book, "buy b1 3@1000 ioc") == [
        *("+b1", "s1>b1 1@50", "s2>b1 1@70", "-b1 1 immediate_or_cancel")
    ]


def test_who_keeps_a_place_keeps_its_priority() -> None:
    book = Book()
    (placed,) = book.apply(command("buy b1 5@50"))
    (reduced,) = book.apply(command("replace b1 4@50"))
    (repriced,) = book.apply(command("replace b1 4@51"))
    assert isinstance(placed, Accepted)
    assert isinstance(reduced, Replaced)
    assert isinstance(repriced, Replaced)
    assert (placed.priority, reduced.priority, repriced.priority) == (1, 1, 3)


def test_the_next_expiry_is_of_what_is_open() -> None:
    book = Book()
    told(book, "buy b1 1@50 gtd=3000; buy b2 1@50 gtd=2000; buy b3 1@50")
    assert book.next_expiry_ms() == 2000
    told(book, "cancel b2")
    assert book.next_expiry_ms() == 3000
    told(book, "replace b1 1@51; expire 3000")
    assert book.next_expiry_ms() is None
