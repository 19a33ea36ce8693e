"""What is written down of a book is read for ever, and makes the same book, letter by letter."""

import random
from pathlib import Path
from typing import Final, get_args

import pytest

from perdure.trades.book import journal
from perdure.trades.book.book import Book
from perdure.trades.book.commands import (
    Cancel,
    Command,
    Expire,
    Instrument,
    Place,
    Replace,
    SelfTrade,
    Side,
    TimeInForce,
)
from perdure.trades.book.events import CancelReason, RejectCode
from perdure.trades.book.journal import JournalEntry, ReplayDiffers, UnreadableJournal
from perdure.trades.book.snapshot import OpenOrder, Snapshot

from .notation import command, told

RECORDED: Final = Path(__file__).parent / "journals"
"""As they were written at the time; none is ever written anew."""


def recorded(path: Path) -> list[JournalEntry]:
    """Return a file's entries: a line for the command, one for its events."""
    lines = path.read_text().splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return [JournalEntry(number, *pair) for number, pair in enumerate(pairs, 1)]


@pytest.mark.parametrize("path", sorted(RECORDED.glob("*.txt")), ids=lambda path: path.stem)
def test_an_old_journal_replays_for_ever(path: Path) -> None:
    book = Book()
    journal.replay(book, recorded(path))
    assert book.sequence == len(recorded(path)) > 0


def test_the_recorded_journals_have_everything_in_them() -> None:
    entries = [entry for path in RECORDED.glob("*.txt") for entry in recorded(path)]
    commands = {type(journal.decode_command(entry.command)) for entry in entries}
    events = [event for entry in entries for event in journal.decode_events(entry.events)]
    assert commands == set(journal.COMMANDS.values())
    assert {type(event) for event in events} == set(journal.EVENTS.values())
    words = " ".join(f"{entry.command} {entry.events}" for entry in entries)
    for word in (Side, TimeInForce, SelfTrade, CancelReason, RejectCode):
        for value in get_args(word):
            # What is the default is not written.
            assert f'"{value}"' in words or value in ("gtc", "expire_taker"), value


def test_how_it_is_written() -> None:
    book = Book()
    journal.record(book, command("sell s1 5@50"))
    entry, _ = journal.record(book, command("buy b1 2@60 gtd=2000 decrement"))
    assert entry == JournalEntry(
        2,
        '[1,"place","b1","ann","buy",60,2,1000,"gtd",false,"decrement",2000]',
        '[1,["accepted","b1","ann","buy",60,2,2],["filled",1,50,2,"buy","b1","ann",0,"s1","bob",3]]',
    )
    assert journal.encode_snapshot(book.snapshot()) == (
        '[1,2,1,false,[1,1,1000000000000,1000000],[["s1","bob","sell",50,5,3,1]]]'
    )
    assert journal.encode_command(command("cancel all")) == '[1,"cancel_all"]'
    assert journal.encode_events([]) == "[1]"


def test_a_field_that_was_added_later_has_its_default() -> None:
    text = '[1,"place","b1","ann","buy",60,2,1000]'
    placed = Place("b1", "ann", "buy", 60, 2, 1000, "gtc", False, "expire_taker", None)
    assert journal.decode_command(text) == placed
    assert journal.encode_command(placed) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "null", "[]", "[1]", '[2,"cancel","b1"]', '[1,"tear","b1"]', '[1,"cancel"]'),
        *('[1,"cancel","b1",1]', '{"v":1}', '[1,["cancel","b1"]]'),
    ],
)
def test_what_cannot_be_read_is_said_to_be_so(text: str) -> None:
    with pytest.raises(UnreadableJournal):
        journal.decode_command(text)
    with pytest.raises(UnreadableJournal):
        journal.decode_snapshot(text)
    if text != "[1]":
        with pytest.raises(UnreadableJournal):
            journal.decode_events(text)


def test_a_replay_that_differs_is_found() -> None:
    book = Book()
    entries = [
        journal.record(book, command(note))[0] for note in ("buy b1 5@50", "sell s1 2@50", "halt")
    ]
    journal.replay(Book(), entries)
    with pytest.raises(ReplayDiffers, match="2 does not follow 0"):
        journal.replay(Book(), entries[1:])
    with pytest.raises(ReplayDiffers, match="3 does not follow 1"):
        journal.replay(Book(), entries[::2])
    changed = entries[0]._replace(command=journal.encode_command(command("buy b1 1@50")))
    with pytest.raises(ReplayDiffers, match="Command 1 led to"):
        journal.replay(Book(), [changed])
    narrower = Book(Instrument(tick_minor=20))
    with pytest.raises(ReplayDiffers, match="price_off_tick"):
        journal.replay(narrower, entries)


ORDER = OpenOrder("b1", "ann", "buy", 50, 5, 5, 1)


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ((ORDER, ORDER._replace(priority=2)), "there twice"),
        ((ORDER._replace(remaining_lots=0),), "has 0 lots left"),
        ((ORDER._replace(remaining_lots=6),), "has 6 lots left"),
        ((ORDER, OpenOrder("s1", "bob", "sell", 50, 5, 5, 2)), "would have been filled"),
        ((ORDER._replace(priority=9),), "after command 8"),
        ((ORDER, ORDER._replace(order_id="b2")), "place of another"),
    ],
)
def test_orders_that_are_of_no_book_are_not_taken(
    orders: tuple[OpenOrder, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Book.restore(Snapshot(8, 0, False, Instrument(), orders))


def test_a_restored_book_has_the_queues_it_had() -> None:
    """Whichever way its rows are read; and what lost its place has lost it for good."""
    book = Book()
    told(book, "buy b1 2@50; buy b2 2@50; buy b3 3@50; replace b1 3@50; replace b3 1@50; halt")
    snapshot = book.snapshot()
    for rows in (snapshot.orders[::-1], snapshot.orders):
        again = Book.restore(snapshot._replace(orders=rows))
        assert again.snapshot() == snapshot
        assert told(again, "resume; sell s1 6@50")[2:] == [
            *("b2>s1 2@50", "b3>s1 1@50", "b1>s1 3@50")
        ]
        assert again.trade_number == 3


# Killed at a thousand points.


def random_command(chance: random.Random) -> Command:
    """Return what a busy market would see: a few accounts that meet themselves now and then."""
    order_id = f"o{chance.randrange(200)}"
    price, quantity = chance.randint(95, 105), chance.randint(1, 20)
    what = chance.random()
    if what < 0.60:
        until = chance.choice([None, None, chance.randint(1_000, 1_200)])
        return Place(
            order_id,
            f"a{chance.randrange(9)}",
            chance.choice(get_args(Side)),
            price,
            quantity,
            1_000,
            "gtd" if until else chance.choice(["gtc", "gtc", "gtc", "ioc", "fok"]),
            not until and chance.random() < 0.05,
            chance.choice(get_args(SelfTrade)),
            until,
        )
    if what < 0.75:
        return Cancel(order_id)
    if what < 0.95:
        return Replace(order_id, price, quantity)
    if what < 0.99:
        return Expire(chance.randint(1_000, 1_100))
    return command(chance.choice(["halt", "resume", "resume", "resume", "cancel of a1"]))


def test_killed_at_a_thousand_points_it_is_the_same_book_and_gives_the_same_events() -> None:
    chance = random.Random(14)
    book = Book()
    entries, snapshots = [], []
    for _ in range(1_000):
        entries.append(journal.record(book, random_command(chance))[0])
        snapshots.append(journal.encode_snapshot(book.snapshot()))
    replayed = Book()
    for point, (entry, snapshot) in enumerate(zip(entries, snapshots, strict=True), 1):
        journal.replay(replayed, [entry])
        assert journal.encode_snapshot(replayed.snapshot()) == snapshot
        stored = journal.decode_snapshot(snapshot)
        rows = chance.sample(stored.orders, len(stored.orders))
        restarted = Book.restore(stored._replace(orders=tuple(rows)))
        assert journal.encode_snapshot(restarted.snapshot()) == snapshot
        journal.replay(restarted, entries[point : point + 30])
        assert journal.encode_snapshot(restarted.snapshot()) == snapshots[restarted.sequence - 1]
    assert book.trade_number > 150
    assert max(snapshot.count('["o') for snapshot in snapshots) > 20
