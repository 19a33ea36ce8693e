"""What applying a sync comes to: rows to write, rows to delete, ledger entries; decided, not done.

A transaction that is booked has one entry that stands. It is reversed, never changed, where the
transaction is removed, or is another one in what the entry says; the new entry is another one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from perdure.bank_sync.staging import REMOVED, ReadPage, Staged, staged_of
from perdure.core.ids import ACCOUNT, TRANSFER, derived_id
from perdure.ledger.model import NewTransfer

BOOKED: Final = "bank_transaction"
REVERSED: Final = "bank_transaction_reversed"
"""The codes of the entries."""


@dataclass(frozen=True, slots=True)
class Known:
    """What of a transaction's row decides what becomes of its entry.

    Args:
        entry_id: The entry that stands; None: it is pending, or of nothing.
    """

    id: str
    account_id: str
    amount_minor: int
    currency: str
    entry_id: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """A transaction as it is to be, with what the looks say of it.

    Args:
        flags: Why it stands out; empty: it does not.
        entry_id: The entry that stands for it then.
    """

    transaction: Staged
    merchant: Mapping[str, Any] = field(default_factory=dict)
    category: Mapping[str, Any] = field(default_factory=dict)
    flags: Sequence[Mapping[str, Any]] = ()
    entry_id: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be done.

    Args:
        added: How many of those that are written were not known.
        entries: In an order in which they can be written.
        mirrors: The currencies of each account that entries are of.
    """

    written: list[Told]
    removed: list[str]
    added: int
    entries: list[NewTransfer]
    mirrors: set[tuple[str, str]]

    @property
    def modified(self) -> int:
        """How many of those that are written were known."""
        return len(self.written) - self.added

    @property
    def flagged(self) -> int:
        """How many of those that are written stand out."""
        return sum(bool(one.flags) for one in self.written)


class Latest:
    """What the pages of a loop come to: of each transaction, what was told of it last."""

    def __init__(self) -> None:
        self.told: dict[str, Told] = {}
        self.removed: set[str] = set()

    def take(self, page: ReadPage) -> None:
        """Take the next page."""
        merchants, categories = page.merchants or {}, page.categories or {}
        flags = page.flags or {}
        for change in page.changes:
            transaction_id = change["id"]
            if REMOVED in change:
                self.told.pop(transaction_id, None)
                self.removed.add(transaction_id)
                continue
            self.removed.discard(transaction_id)
            self.told[transaction_id] = Told(
                staged_of(change),
                merchants.get(transaction_id, {}),
                categories.get(transaction_id, {}),
                flags.get(transaction_id, ()),
            )


def mirror_id(item_id: str, account_id: str, currency: str) -> str:
    """Return the ledger account that mirrors an account at a bank, in one currency."""
    return derived_id(ACCOUNT, item_id, f"mirror:{account_id}:{currency}")


def outside_id(currency: str) -> str:
    """Return the ledger account of what is outside: where mirrored money comes from and goes."""
    return f"sys_bank_mirror_{currency}"


def changes(
    latest: Latest, known: Iterable[Known], *, item_id: str, operation_id: str, is_full: bool
) -> Changes:
    """Decide what is to be done.

    Args:
        latest: What was told.
        known: The rows of what was told; all of the item's, where everything was told.
        is_full: What was not told is no more.
    """
    rows = {row.id: row for row in known}
    gone = set(rows) - set(latest.told) if is_full else latest.removed & set(rows)
    entries = _Entries(item_id, operation_id)
    for transaction_id in sorted(gone):
        entries.reverse(rows[transaction_id])
    written = [
        replace(told, entry_id=entries.standing(rows.get(transaction_id), told.transaction))
        for transaction_id, told in latest.told.items()
    ]
    added = sum(transaction_id not in rows for transaction_id in latest.told)
    return Changes(written, sorted(gone), added, entries.made, entries.mirrors)


class _Entries:
    """The entries of one sync, and the accounts they are of."""

    def __init__(self, item_id: str, operation_id: str) -> None:
        self.made: list[NewTransfer] = []
        self.mirrors: set[tuple[str, str]] = set()
        self._item_id = item_id
        self._operation_id = operation_id

    def standing(self, row: Known | None, transaction: Staged) -> str | None:
        """Return the entry that stands for a transaction, with what it takes to make it so."""
        is_booked = not transaction.pending and transaction.amount_minor != 0
        if row is not None and row.entry_id is not None:
            if is_booked and _says(row) == _says(transaction):
                return row.entry_id
            self.reverse(row)
        if not is_booked:
            return None
        return self._make("book", transaction.id, _says(transaction), BOOKED)

    def reverse(self, row: Known) -> None:
        """Have the entry of a row stand no more."""
        if row.entry_id is not None:
            account_id, amount_minor, currency = _says(row)
            self._make("reverse", row.id, (account_id, -amount_minor, currency), REVERSED)

    def _make(
        self, purpose: str, transaction_id: str, said: tuple[str, int, str], code: str
    ) -> str:
        account_id, amount_minor, currency = said
        mirror, outside = mirror_id(self._item_id, account_id, currency), outside_id(currency)
        # An asset grows on its debit side: what leaves the account is its credit.
        debit, credit = (outside, mirror) if amount_minor > 0 else (mirror, outside)
        entry_id = derived_id(TRANSFER, self._operation_id, f"{purpose}:{transaction_id}")
        self.mirrors.add((account_id, currency))
        self.made.append(
            NewTransfer(
                id=entry_id,
                debit_account_id=debit,
                credit_account_id=credit,
                amount_minor=abs(amount_minor),
                currency=currency,
                code=code,
                operation_id=self._operation_id,
            )
        )
        return entry_id


def _says(one: Known | Staged) -> tuple[str, int, str]:
    return one.account_id, one.amount_minor, one.currency
