"""Commands and events as a person would note them down, so that a case is read at a glance.

buy b1 10@100                 ann buys and bob sells, unless it says `of eve`
sell s1 5@101 ioc             also fok, post, gtd=2000; and how it meets its own: decrement, …
cancel b1 / cancel all / cancel of ann / replace b1 8@99 / expire 2000
halt / resume / instrument 5 100..200 50

+b1                 accepted
s1>b1 10@100        b1 was filled from s1, which was there first
s1=b1 10            a trade with itself that was not made
~b1 8@99            replaced
-b1 5 requested     5 lots of it will not be filled any more
!b1 would_take      rejected
"""

from perdure.trades.book.book import Book
from perdure.trades.book.commands import (
    Cancel,
    CancelAll,
    ChangeInstrument,
    Command,
    Expire,
    Place,
    Replace,
    SetHalted,
)
from perdure.trades.book.events import (
    Accepted,
    Cancelled,
    Event,
    Filled,
    HaltChanged,
    InstrumentChanged,
    Prevented,
    Rejected,
    Replaced,
)

NOW_MS = 1_000


def command(note: str) -> Command:
    told: Command
    match note.split():
        case ["buy" | "sell", *_]:
            told = _place(note)
        case ["cancel", "all"]:
            told = CancelAll()
        case ["cancel", "of", account]:
            told = CancelAll(account)
        case ["cancel", order_id]:
            told = Cancel(order_id)
        case ["replace", order_id, lots_at_price]:
            quantity, price = lots_at_price.split("@")
            told = Replace(order_id, int(price), int(quantity))
        case ["expire", at]:
            told = Expire(int(at))
        case ["instrument", tick, band, largest]:
            low, high = band.split("..")
            told = ChangeInstrument(int(tick), int(low), int(high), int(largest))
        case ["halt" | "resume" as word]:
            told = SetHalted(word == "halt")
        case _:
            raise AssertionError(note)
    return told


def _place(note: str) -> Place:
    side, order_id, lots_at_price, *terms = note.split()
    quantity, price = lots_at_price.split("@")
    is_buy = side == "buy"
    placed = Place(
        order_id,
        "ann" if is_buy else "bob",
        "buy" if is_buy else "sell",
        int(price),
        int(quantity),
        NOW_MS,
    )
    words = iter(terms)
    for word in words:
        match word:
            case "of":
                placed = placed._replace(account_id=next(words))
            case "post":
                placed = placed._replace(post_only=True)
            case "gtc" | "gtd" | "ioc" | "fok":
                placed = placed._replace(time_in_force=word)
            case "expire_taker" | "expire_maker" | "expire_both" | "decrement":
                placed = placed._replace(self_trade=word)
            case _:
                assert word.startswith("gtd="), note
                placed = placed._replace(time_in_force="gtd", expires_at_ms=int(word[4:]))
    return placed


def noted(event: Event) -> str:
    match event:
        case Accepted():
            note = f"+{event.order_id}"
        case Rejected():
            note = f"!{event.order_id} {event.code}"
        case Filled():
            lots_at_price = f"{event.quantity_lots}@{event.price_minor}"
            note = f"{event.maker_order_id}>{event.taker_order_id} {lots_at_price}"
        case Prevented():
            note = f"{event.maker_order_id}={event.taker_order_id} {event.quantity_lots}"
        case Replaced():
            note = f"~{event.order_id} {event.quantity_lots}@{event.price_minor}"
        case Cancelled():
            note = f"-{event.order_id} {event.cancelled_lots} {event.reason}"
        case InstrumentChanged():
            note = "instrument"
        case HaltChanged():
            note = "halted" if event.is_halted else "resumed"
    return note


def told(book: Book, notes: str) -> list[str]:
    """Tell a book what is noted, one command after another; return what it answers."""
    return [noted(event) for note in notes.split(";") for event in book.apply(command(note))]


def standing(book: Book) -> str:
    """Return all that is open, buyers first, the best of each side first: `b1 5@100 | s1 3@101`."""
    sides = []
    for side in ("buy", "sell"):
        rows = [row for row in book.snapshot().orders if row.side == side]
        rows.sort(key=lambda row: -row.price_minor if side == "buy" else row.price_minor)
        sides.append(
            ", ".join(f"{row.order_id} {row.remaining_lots}@{row.price_minor}" for row in rows)
        )
    return " | ".join(sides).strip()
