"""What Plaid says, in its shapes, and what that is in our words.

Its numbers are read as they are written; what else it says of a transaction is left where it is.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field, TypeAdapter

from perdure.providers.aggregator import (
    CURSOR_LENGTH_MAX,
    BankAccount,
    BankCategory,
    BankTransaction,
    TransactionsPage,
)
from perdure.providers.outcomes import storable_text
from perdure.providers.plaid_webhooks import Jwk

_NOT_READY: Final = "NOT_READY"

# What PostgreSQL cannot hold is replaced, as this is read past the place where others' answers are.
_Text = Annotated[str, AfterValidator(storable_text)]
_Id = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable_text)]


@dataclass(frozen=True, slots=True)
class _LinkToken:
    link_token: str
    expiration: AwareDatetime


@dataclass(frozen=True, slots=True)
class _Exchanged:
    access_token: str
    item_id: _Id


@dataclass(frozen=True, slots=True)
class _Error:
    error_code: _Text = ""


@dataclass(frozen=True, slots=True)
class _Item:
    item_id: _Id
    institution_name: _Text | None = None
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class _ItemGot:
    item: _Item


@dataclass(frozen=True, slots=True)
class _Balances:
    current: Decimal | None = None
    iso_currency_code: _Text | None = None


@dataclass(frozen=True, slots=True)
class _Account:
    account_id: _Id
    balances: _Balances
    name: _Text
    type: _Text
    subtype: _Text | None = None
    mask: _Text | None = None


@dataclass(frozen=True, slots=True)
class _Category:
    primary: _Text
    detailed: _Text
    confidence_level: _Text | None = None
    version: _Text | None = None


@dataclass(frozen=True, slots=True)
class _Transaction:
    transaction_id: _Id
    account_id: _Id
    amount: Decimal
    on: Annotated[date, Field(alias="date")]
    pending: bool
    iso_currency_code: _Text | None
    name: _Text = ""
    merchant_name: _Text | None = None
    pending_transaction_id: _Id | None = None
    authorized_date: date | None = None
    at: Annotated[AwareDatetime | None, Field(alias="datetime")] = None
    authorized_datetime: AwareDatetime | None = None
    payment_channel: _Text | None = None
    personal_finance_category: _Category | None = None


@dataclass(frozen=True, slots=True)
class _Removed:
    transaction_id: _Id


@dataclass(frozen=True, slots=True)
class _Page:
    accounts: list[_Account]
    added: list[_Transaction]
    modified: list[_Transaction]
    removed: list[_Removed]
    next_cursor: Annotated[str, Field(max_length=CURSOR_LENGTH_MAX, pattern=r"^[A-Za-z0-9+/=_-]*$")]
    has_more: bool
    transactions_update_status: str


@dataclass(frozen=True, slots=True)
class KeyGot:
    """A key that signs webhooks, or did."""

    key: Jwk


@dataclass(frozen=True, slots=True)
class _Nothing:
    request_id: str = field(default="")


LINK_TOKEN: Final = TypeAdapter(_LinkToken)
EXCHANGED: Final = TypeAdapter(_Exchanged)
ITEM: Final = TypeAdapter(_ItemGot)
PAGE: Final = TypeAdapter(_Page)
KEY: Final = TypeAdapter(KeyGot)
NOTHING: Final = TypeAdapter(_Nothing)


def page_of(page: _Page) -> TransactionsPage:
    """Return a page in our words."""
    return TransactionsPage(
        accounts=tuple(_account(one) for one in page.accounts),
        added=tuple(_transaction(one) for one in page.added),
        modified=tuple(_transaction(one) for one in page.modified),
        removed=tuple(one.transaction_id for one in page.removed),
        next_cursor=page.next_cursor,
        has_more=page.has_more,
        is_ready=page.transactions_update_status != _NOT_READY,
    )


def _account(found: _Account) -> BankAccount:
    return BankAccount(
        id=found.account_id,
        name=found.name,
        kind=found.type,
        subtype=found.subtype,
        mask=found.mask,
        currency=found.balances.iso_currency_code,
        current=found.balances.current,
    )


def _transaction(found: _Transaction) -> BankTransaction:
    return BankTransaction(
        id=found.transaction_id,
        account_id=found.account_id,
        amount=found.amount,
        currency=found.iso_currency_code,
        on=found.on,
        name=found.name,
        pending=found.pending,
        merchant=found.merchant_name,
        pending_id=found.pending_transaction_id,
        authorized_on=found.authorized_date,
        at=found.authorized_datetime or found.at,
        channel=found.payment_channel,
        category=_category(found.personal_finance_category),
    )


def _category(found: _Category | None) -> BankCategory | None:
    if found is None:
        return None
    return BankCategory(
        found.primary,
        found.detailed,
        found.confidence_level or "UNKNOWN",
        found.version or "v2",
    )
