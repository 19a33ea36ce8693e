"""How commands, events and snapshots are written down, and read again for ever.

Text, one JSON array each, the version of the format first: `[1,"cancel","ord_…"]`. The same value
is always the same text, so what is replayed is compared with what is stored letter by letter.
Fields at the end that have their defaults are left out: one that is added later changes nothing
that was written before it. Keep it in a column of text: `jsonb` would write it anew.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from perdure.core.errors import PerdureError
from perdure.trades.book.book import Book
from perdure.trades.book.commands import (
    Cancel,
    CancelAll,
    ChangeInstrument,
    Command,
    Expire,
    Instrument,
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
from perdure.trades.book.snapshot import OpenOrder, Snapshot

VERSION: Final = 1

COMMANDS: Final[Mapping[str, type[Command]]] = {
    "place": Place,
    "cancel": Cancel,
    "replace": Replace,
    "cancel_all": CancelAll,
    "expire": Expire,
    "change_instrument": ChangeInstrument,
    "set_halted": SetHalted,
}
EVENTS: Final[Mapping[str, type[Event]]] = {
    "accepted": Accepted,
    "rejected": Rejected,
    "filled": Filled,
    "prevented": Prevented,
    "replaced": Replaced,
    "cancelled": Cancelled,
    "instrument_changed": InstrumentChanged,
    "halt_changed": HaltChanged,
}
_text: Final = json.JSONEncoder(separators=(",", ":")).encode
_NAMES: Final = {of: name for named in (COMMANDS, EVENTS) for name, of in named.items()}


class JournalEntry(NamedTuple):
    """One command and what came of it, as they are stored."""

    sequence: int
    command: str
    events: str


class UnreadableJournal(PerdureError):
    """Something is written down in a way that this release does not know."""

    code = "journal_unreadable"


class ReplayDiffers(PerdureError):
    """A command does not lead to what it led to when it was stored."""

    code = "replay_differs"


def record(book: Book, command: Command) -> tuple[JournalEntry, list[Event]]:
    """Apply a command; return what to store of it, and its events."""
    events = book.apply(command)
    return JournalEntry(book.sequence, encode_command(command), encode_events(events)), events


def replay(book: Book, entries: Iterable[JournalEntry]) -> None:
    """Apply to a book what its journal says came next.

    Raises:
        ReplayDiffers: It is not the next command, or its events are not the ones that are stored.
    """
    for entry in entries:
        if entry.sequence != book.sequence + 1:
            raise ReplayDiffers(f"Command {entry.sequence} does not follow {book.sequence}.")
        events = encode_events(book.apply(decode_command(entry.command)))
        if events != entry.events:
            raise ReplayDiffers(
                f"Command {entry.sequence} led to {entry.events}, and now to {events}."
            )


def encode_command(command: Command) -> str:
    """Return it as it is stored."""
    return _text((VERSION, *_fields(command)))


def decode_command(text: str) -> Command:
    """Return what was stored.

    Raises:
        UnreadableJournal: A later release wrote it, or it is damaged.
    """
    return cast("Command", _value(_body(text), COMMANDS, text))


def encode_events(events: Sequence[Event]) -> str:
    """Return what came of one command, as it is stored."""
    return _text((VERSION, *map(_fields, events)))


def decode_events(text: str) -> list[Event]:
    """Return what was stored.

    Raises:
        UnreadableJournal: A later release wrote it, or it is damaged.
    """
    return [cast("Event", _value(fields, EVENTS, text)) for fields in _body(text)]


def encode_snapshot(snapshot: Snapshot) -> str:
    """Return a book as text: the same for equal books."""
    orders = [_without_defaults(order) for order in snapshot.orders]
    return _text((VERSION, *snapshot[:-1], orders))


def decode_snapshot(text: str) -> Snapshot:
    """Return what `Book.restore` takes.

    Raises:
        UnreadableJournal: A later release wrote it, or it is damaged.
    """
    try:
        sequence, trade_number, is_halted, instrument, orders = _body(text)
        rows = tuple(OpenOrder(*order) for order in orders)
        return Snapshot(sequence, trade_number, is_halted, Instrument(*instrument), rows)
    except (TypeError, ValueError) as error:
        raise UnreadableJournal(f"This is no snapshot of a book: {text[:200]}") from error


def _fields(of: Command | Event) -> list[Any]:
    return [_NAMES[type(of)], *_without_defaults(of)]


def _without_defaults(of: Any) -> Sequence[Any]:
    defaults = type(of)._field_defaults
    if not defaults:
        return cast("Sequence[Any]", of)
    fields = list(of)
    for name in reversed(type(of)._fields):
        if name not in defaults or fields[-1] != defaults[name]:
            break
        fields.pop()
    return fields


def _value(fields: list[Any], named: Mapping[str, type[Any]], text: str) -> object:
    try:
        name, *values = fields
        return named[name](*values)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableJournal(f"This is none of {', '.join(named)}: {text[:200]}") from error


def _body(text: str) -> list[Any]:
    try:
        version, *body = cast("list[Any]", json.loads(text))
    except (TypeError, ValueError) as error:
        raise UnreadableJournal(f"This is no entry of a journal: {text[:200]}") from error
    if version != VERSION:
        raise UnreadableJournal(f"This is in format {version}, not {VERSION}: {text[:200]}")
    return body
