"""What a simulated aggregator knows of its items: all that happened, in the order it came.

A cursor names a place in that order, or how far a loop over pages is that began at one. What is
added while a loop is under way breaks it: `MutatedError`, as of a page of it.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from perdure.core.ids import new_id
from perdure.simulators import aggregator_sample as sample
from perdure.simulators.journal import Journal

Transaction = dict[str, Any]
Change = tuple[str, Transaction]
"""`added`, `modified` or `removed`, and the transaction; of a removed one, its two ids."""

FOR_EVER: Final = 10**9


class MutatedError(Exception):
    """What happened changed while its pages were read.

    Args:
        changes: What is to happen now, of what breaks a loop by itself.
    """

    def __init__(self, *changes: Change) -> None:
        super().__init__()
        self.changes = changes


class UnknownCursorError(Exception):
    """A cursor is none of the item's."""


@dataclass(slots=True)
class Manner:
    """How an item misbehaves.

    Args:
        not_ready: So many calls more are answered that nothing can be told yet.
        login_required: The customer has to log in anew.
        mutations: At which pages of a loop, the first being 1, it is broken off, how often.
        changes: Something really is other then: the last transaction's name.
        repeats_at: The page whose cursor is that of the page again; 0: none.
        never_ends: Says that there is more for ever.
        stops_at: The page after which it says that there is no more; 0: none.
    """

    not_ready: int = 0
    login_required: bool = False
    mutations: dict[int, int] = field(default_factory=dict)
    changes: bool = False
    repeats_at: int = 0
    never_ends: bool = False
    stops_at: int = 0


@dataclass(slots=True)
class Item:
    """A login of a customer at a bank.

    Args:
        log: All that happened.
        standing: The transactions that are, by id.
        is_synced: Its pages were asked for; before, its webhooks tell of no updates.
    """

    item_id: str
    access_token: str
    public_token: str
    customer_id: str
    institution: str
    webhook: str
    accounts: list[dict[str, Any]]
    log: list[Change] = field(default_factory=list)
    standing: dict[str, Transaction] = field(default_factory=dict)
    manner: Manner = field(default_factory=Manner)
    is_synced: bool = False
    is_removed: bool = False

    def happens(self, kind: str, transaction: Transaction) -> None:
        """Have something happen to a transaction."""
        self.log.append((kind, transaction))
        if kind == "removed":
            self.standing.pop(transaction["transaction_id"], None)
        else:
            self.standing[transaction["transaction_id"]] = transaction

    def page(self, cursor: str, count: int) -> tuple[list[Change], str, bool]:
        """Return a page, the next cursor, and whether there is more.

        Raises:
            MutatedError: The loop has to begin anew.
            UnknownCursorError: The cursor is none of this item's.
        """
        start, until, done = self._place(cursor)
        number = done // count + 1
        manner = self.manner
        if manner.mutations.get(number, 0) > 0:
            manner.mutations[number] -= 1
            raise MutatedError(*(self._change_of_the_last() if manner.changes else ()))
        if done and len(self.log) != until:
            raise MutatedError
        entries = self._since(start, until)
        page = entries[done : done + count]
        next_done = done + max(len(page), 1)
        has_more = next_done < len(entries) or manner.never_ends
        if manner.stops_at == number:
            return page, self._cursor(start, until, next_done), False
        if not has_more:
            return page, self._cursor(until), False
        if manner.repeats_at == number:
            return page, cursor or self._cursor(start, until, done), True
        return page, self._cursor(start, until, next_done), True

    def _since(self, start: int | None, until: int) -> list[Change]:
        if start is not None:
            return self.log[start:until]
        # Who has no cursor is told of what is, not of what was.
        return [("added", transaction) for transaction in self.standing.values()]

    def _change_of_the_last(self) -> Iterator[Change]:
        transaction = next(reversed(self.standing.values()))
        yield "modified", transaction | {"name": f"{transaction['name']} changed"}

    def _cursor(self, start: int | None, until: int | None = None, done: int = 0) -> str:
        place = "" if start is None else str(start)
        text = f"{self.item_id}|{place}|{'' if until is None else until}|{done}"
        return base64.b64encode(text.encode()).decode()

    def _place(self, cursor: str) -> tuple[int | None, int, int]:
        """Return where a loop began, where it ends, and how much of it is done."""
        if not cursor:
            return None, len(self.log), 0
        try:
            item_id, start, until, done = (
                base64.b64decode(cursor, validate=True).decode().split("|")
            )
        except (binascii.Error, ValueError):
            raise UnknownCursorError from None
        if item_id != self.item_id:
            raise UnknownCursorError
        began = int(start) if start else None
        return began, int(until) if until else len(self.log), int(done)


class AggregatorBooks:
    """The items, kept in a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._items: dict[str, Item] = {}
        self._by_token: dict[str, Item] = {}
        self._link_tokens: dict[str, Mapping[str, str]] = {}
        for record in journal.records():
            self._read(record)

    async def sync(self) -> None:
        """Wait until what was written is on the disk."""
        await self._journal.sync()

    def items(self) -> Iterator[Item]:
        """Yield the items that there are."""
        return (item for item in self._items.values() if not item.is_removed)

    def item(self, item_id: str) -> Item | None:
        """Return an item by its id."""
        return self._items.get(item_id)

    def by_token(self, token: str) -> Item | None:
        """Return the item whose access token, or public token, it is; None: of none that is."""
        found = self._by_token.get(token)
        return None if found is None or found.is_removed else found

    def link(self, customer_id: str, webhook: str) -> str:
        """Return a token with which a customer can link."""
        token = new_id("link").replace("_", "-sandbox-")
        self._write({"kind": "link", "token": token, "customer": customer_id, "webhook": webhook})
        return token

    def linked_by(self, token: str) -> Mapping[str, str] | None:
        """Return who may link with a token, and where the item then tells us at."""
        return self._link_tokens.get(token)

    def make_item(self, made: Mapping[str, Any]) -> Item:
        """Have a customer link; returns the item."""
        record = {"kind": "item", "item_id": new_id("item").replace("_", "-"), **made}
        self._write(record)
        return self._items[record["item_id"]]

    def page(self, item: Item, cursor: str, count: int) -> tuple[list[Change], str, bool]:
        """Return a page as `Item.page`; what a broken loop changes is kept as all that happens."""
        try:
            return item.page(cursor, count)
        except MutatedError as broken:
            if broken.changes:
                self.change(item, [*broken.changes])
            raise

    def change(self, item: Item, changes: list[Change]) -> None:
        """Have something happen to an item's transactions."""
        self._write({"kind": "changes", "item_id": item.item_id, "changes": changes})

    def remove(self, item: Item) -> None:
        """Have an item be no more."""
        self._write({"kind": "removed", "item_id": item.item_id})

    def note_synced(self, item: Item) -> None:
        """Have an item's webhooks tell of updates from now on."""
        if not item.is_synced:
            self._write({"kind": "synced", "item_id": item.item_id})

    def _write(self, record: dict[str, Any]) -> None:
        self._journal.write(record)
        self._read(record)

    def _read(self, record: Mapping[str, Any]) -> None:
        match record["kind"]:
            case "link":
                told = {"customer_id": record["customer"], "webhook": record["webhook"]}
                self._link_tokens[record["token"]] = told
            case "item":
                self._keep(_item_of(record))
            case "changes":
                for kind, transaction in record["changes"]:
                    self._items[record["item_id"]].happens(kind, transaction)
            case "removed":
                self._items[record["item_id"]].is_removed = True
            case "synced":
                self._items[record["item_id"]].is_synced = True

    def _keep(self, item: Item) -> None:
        self._items[item.item_id] = item
        self._by_token[item.access_token] = self._by_token[item.public_token] = item


def _item_of(record: Mapping[str, Any]) -> Item:
    item_id = record["item_id"]
    accounts = sample.accounts(item_id, record["accounts"], record["currency"])
    item = Item(
        item_id=item_id,
        access_token=f"access-sandbox-{item_id}",
        public_token=f"public-sandbox-{item_id}",
        customer_id=record["customer_id"],
        institution=record["institution"],
        webhook=record["webhook"],
        accounts=accounts,
    )
    for transaction in sample.history(
        item_id,
        accounts,
        count=record["transactions"],
        seed=record["seed"],
        until=date.fromisoformat(record["until"]),
        days=record["days"],
        pending=record["pending"],
    ):
        item.happens("added", transaction)
    return item


def account_books(item: Item) -> list[dict[str, Any]]:
    """Return what each of an item's accounts comes to."""
    booked: dict[str, Decimal] = {}
    counts: Counter[str] = Counter()
    for transaction in item.standing.values():
        account_id = transaction["account_id"]
        counts[account_id] += 1
        amount = Decimal(0) if transaction["pending"] else Decimal(str(transaction["amount"]))
        booked[account_id] = booked.get(account_id, Decimal(0)) + amount
    return [
        {
            "id": account_id,
            "reference": f"{item.item_id}:{account_id}",
            "item_id": item.item_id,
            "account_id": account_id,
            "booked": str(booked[account_id]),
            "count": count,
        }
        for account_id, count in counts.items()
    ]


def shown(item: Item, error: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is told of an item."""
    return {
        "item_id": item.item_id,
        "institution_id": "ins_1",
        "institution_name": item.institution,
        "webhook": item.webhook,
        "error": error,
    }
