"""What of a page is kept: amounts in minor units, exactly; and what is not believed of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from perdure.core.errors import ProviderDisagrees
from perdure.core.money import AMOUNT_MINOR_MAX, MINOR_UNIT_DIGITS
from perdure.providers.aggregator import BankTransaction, TransactionsPage


@dataclass(frozen=True, slots=True)
class Staged:
    """A transaction as a sync has read it.

    Args:
        amount_minor: A positive one leaves the account.
    """

    id: str
    account_id: str
    amount_minor: int
    currency: str
    on: date
    name: str
    pending: bool
    merchant: str | None = None
    pending_id: str | None = None
    authorized_on: date | None = None
    at: datetime | None = None
    channel: str | None = None
    category: Mapping[str, str] | None = None


REMOVED: Final = "removed"


def to_minor(amount: Decimal, currency: str | None, *, of: str) -> int:
    """Return an amount in minor units.

    Args:
        of: The transaction's id, for messages.

    Raises:
        ProviderDisagrees: `unknown_currency`, or `amount_not_exact`: it is no whole number of them.
    """
    digits = MINOR_UNIT_DIGITS.get(currency or "")
    if digits is None:
        raise ProviderDisagrees(
            f"The transaction {of} is in {currency or 'something without a code'}, which is no"
            " currency taken here.",
            code="unknown_currency",
        )
    # Not by arithmetic: that would round what is longer than its context.
    sign, figures, exponent = amount.as_tuple()
    assert isinstance(exponent, int), "an amount is a number"
    zeros = exponent + digits
    lost = figures[zeros:] if zeros < 0 else ()
    kept = figures[:zeros] if zeros < 0 else figures
    fits = zeros <= len(str(AMOUNT_MINOR_MAX)) and len(kept) <= 2 * len(str(AMOUNT_MINOR_MAX))
    whole: int | None = None
    if fits:
        whole = int("".join(map(str, kept)) or "0") * int(10 ** max(zeros, 0))
    if any(lost) or whole is None or whole > AMOUNT_MINOR_MAX:
        raise ProviderDisagrees(
            f"The transaction {of} is of {amount} {currency}, which is no whole number of minor"
            " units that can be kept.",
            code="amount_not_exact",
        )
    return -whole if sign else whole


def staged(page: TransactionsPage, known_accounts: frozenset[str]) -> list[Any]:
    """Return what happened, in its order, as a row keeps it; of what is removed its id alone.

    Raises:
        ProviderDisagrees: `unknown_currency`, `amount_not_exact`, `unknown_account`.
    """
    accounts = known_accounts | {account.id for account in page.accounts}
    return [
        *(_staged(one, accounts) for one in (*page.added, *page.modified)),
        *({"id": removed, REMOVED: True} for removed in page.removed),
    ]


def _staged(found: BankTransaction, accounts: frozenset[str]) -> Staged:
    if found.account_id not in accounts:
        raise ProviderDisagrees(
            f"The transaction {found.id} is on {found.account_id}, which is none of the item's"
            " accounts.",
            code="unknown_account",
        )
    category = found.category
    return Staged(
        id=found.id,
        account_id=found.account_id,
        amount_minor=to_minor(found.amount, found.currency, of=found.id),
        currency=str(found.currency),
        on=found.on,
        name=found.name,
        pending=found.pending,
        merchant=found.merchant,
        pending_id=found.pending_id,
        authorized_on=found.authorized_on,
        at=found.at,
        channel=found.channel,
        category=None
        if category is None
        else {
            "primary": category.primary,
            "detailed": category.detailed,
            "confidence": category.confidence,
            "version": category.version,
        },
    )


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page that was kept.

    Args:
        changes: As `staged` returns them.
        merchants, categories, flags: What the looks say of them, by the transaction's id; None:
            they have not looked yet.
    """

    number: int
    changes: list[dict[str, Any]]
    merchants: Mapping[str, Any] | None = None
    categories: Mapping[str, Any] | None = None
    flags: Mapping[str, Any] | None = None

    def transactions(self) -> Iterator[Staged]:
        """Yield what was added or modified."""
        for change in self.changes:
            if REMOVED not in change:
                yield staged_of(change)


def staged_of(kept: Mapping[str, Any]) -> Staged:
    """Return a transaction as it was kept."""
    authorized_on, at = kept["authorized_on"], kept["at"]
    return Staged(
        **{
            **kept,
            "on": date.fromisoformat(kept["on"]),
            "authorized_on": date.fromisoformat(authorized_on) if authorized_on else None,
            "at": datetime.fromisoformat(at) if at else None,
        }
    )
