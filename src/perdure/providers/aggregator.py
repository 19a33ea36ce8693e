"""Bank aggregators: they read customers' accounts at other banks for us, in our own words here.

What a customer has linked is an *item*: a login at one bank, with its accounts. What happened on
them since a *cursor* is told page by page; the cursor after the last page is where the next loop
over pages starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Protocol

from perdure.providers.choice import ASKED_BY_DOCTOR, Role
from perdure.providers.simulator import Listener, Simulator

AGGREGATOR: Final = "aggregator"
"""Its name as a provider, as in its queue."""

PAGES_CHANGED: Final = "pages_changed"
"""The code where what happened changed while its pages were read: the loop over them is to be begun
again, from the cursor of its first page."""
LOGIN_REQUIRED: Final = "login_required"
"""The code where the customer has to log in at the bank anew before anything more is told."""
ITEM_GONE: Final = "item_gone"
"""The code where there is no such item (any more), or its customer has withdrawn the consent."""
TOKEN_REFUSED: Final = "public_token_refused"  # noqa: S105 - a code
"""The code of a public token that is none, or is too old."""

CURSOR_LENGTH_MAX: Final = 256
PAGE_MAX: Final = 500
"""The most changes that one page has."""


@dataclass(frozen=True, slots=True)
class LinkToken:
    """With it a customer's browser or app opens the aggregator's dialogue, in which it links.

    Args:
        expires_at: From then on another one is needed.
    """

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Linked:
    """An item that was just linked.

    Args:
        item_id: The aggregator's own id of it.
        access_token: With it everything of the item can be read: a secret.
    """

    item_id: str
    access_token: str


@dataclass(frozen=True, slots=True)
class LinkedItem:
    """An item as the aggregator knows it.

    Args:
        institution: The bank's name.
        error: `login_required`, `item_gone` or the aggregator's own code, where it does not get
            through to the bank.
    """

    item_id: str
    institution: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account of an item.

    Args:
        mask: The last characters of its number.
        kind: `depository`, `credit`, `loan`, …
        currency: Its ISO 4217 code, where it has one.
        current: What is on it, or owed where its kind is `credit` or `loan`, by the bank's word.
    """

    id: str
    name: str
    kind: str
    subtype: str | None = None
    mask: str | None = None
    currency: str | None = None
    current: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BankCategory:
    """What a transaction is for, in the aggregator's taxonomy.

    Args:
        confidence: `VERY_HIGH`, `HIGH`, `MEDIUM`, `LOW` or `UNKNOWN`.
        version: Of the taxonomy.
    """

    primary: str
    detailed: str
    confidence: str = "UNKNOWN"
    version: str = "v2"


@dataclass(frozen=True, slots=True)
class BankTransaction:
    """A transaction of an account, as the bank tells of it.

    Args:
        amount: In whole units, digit by digit; a positive one leaves the account.
        currency: Its ISO 4217 code; None: it is in something that has none.
        on: The day it was booked, or happened where it is pending.
        name: As the bank writes it.
        merchant: The merchant's own name, where the aggregator knows it.
        pending: It is not booked yet; once it is, it has another id.
        pending_id: The id it had while it was pending; None: it had none, or it is not known.
        authorized_on: The day it was authorized.
        at: The time, where the bank tells it.
        channel: `online`, `in store` or `other`.
    """

    id: str
    account_id: str
    amount: Decimal
    currency: str | None
    on: date
    name: str
    pending: bool = False
    merchant: str | None = None
    pending_id: str | None = None
    authorized_on: date | None = None
    at: datetime | None = None
    channel: str | None = None
    category: BankCategory | None = None


@dataclass(frozen=True, slots=True)
class TransactionsPage:
    """Some of what happened since a cursor.

    Args:
        added, modified: Transactions; a modified one need not be known.
        removed: Ids of transactions that are no more.
        next_cursor: The cursor of the next page, or of the next loop; empty: nothing can be told
            yet.
        has_more: There are more pages.
        is_ready: The bank has been asked at least once.
    """

    accounts: tuple[BankAccount, ...]
    added: tuple[BankTransaction, ...]
    modified: tuple[BankTransaction, ...]
    removed: tuple[str, ...]
    next_cursor: str
    has_more: bool
    is_ready: bool = True


class EventKind(StrEnum):
    """What a webhook tells."""

    UPDATES = "updates"
    """Something happened: the item's next loop has pages."""
    LOGIN_REQUIRED = "login_required"
    LOGIN_REPAIRED = "login_repaired"
    GONE = "gone"
    """The customer has withdrawn the consent."""
    OTHER = "other"
    """Nothing that anybody here waits for."""


@dataclass(frozen=True, slots=True)
class AggregatorEvent:
    """What a verified webhook tells.

    Args:
        type: In the aggregator's own words.
    """

    kind: EventKind
    item_id: str
    type: str


class BankAggregator(Protocol):
    """What Perdure needs of an aggregator.

    Every call raises `ProviderUnavailable`, `ProviderRateLimited` or `ProviderOutcomeUnknown` where
    no answer came; see `core.errors`. None of them moves money, so each may be repeated.
    """

    async def create_link_token(self, customer_id: str, reference: str) -> LinkToken:
        """Return a token with which a customer links an account.

        Args:
            reference: Ours, the same for every try.
        """
        ...

    async def exchange(self, public_token: str) -> Linked:
        """Return the item that a customer has linked, by the token that the dialogue gave.

        Raises:
            ProviderDeclined: `public_token_refused`.
        """
        ...

    async def item(self, access_token: str) -> LinkedItem:
        """Return what is known of an item.

        Raises:
            ProviderDeclined: `item_gone`.
        """
        ...

    async def remove_item(self, access_token: str) -> None:
        """Have an item's access token, and what the aggregator keeps of it, be no more.

        One that is gone already is so.
        """
        ...

    async def transactions(self, access_token: str, *, cursor: str, count: int) -> TransactionsPage:
        """Return a page of what happened since a cursor; empty: since ever.

        Args:
            count: How many changes it has at most, up to `PAGE_MAX`.

        Raises:
            ProviderDeclined: `pages_changed`, `login_required`, `item_gone`.
            InvalidInput: `provider_rejected_request`: the cursor is none of this item's.
        """
        ...

    async def read_webhook(self, headers: Mapping[str, str], body: bytes) -> AggregatorEvent:
        """Check who sent a webhook, and read it.

        Args:
            headers: Of the request; names in any case.
            body: As received, byte for byte.

        Raises:
            Unauthenticated: `invalid_signature`, `stale_callback`.
            InvalidInput: `malformed_callback`: rightly signed, but nothing that can be read.
        """
        ...

    async def is_there(self, reference: str) -> bool:
        """Ask something that has no effect, to see whether it answers us."""
        ...


AGGREGATOR_ROLE: Final[Role[BankAggregator]] = Role(
    AGGREGATOR,
    BankAggregator,
    {"plaid": "perdure.providers.plaid:PlaidAggregator"},
    default="plaid",
    ask=lambda aggregator: aggregator.is_there(ASKED_BY_DOCTOR),
    callbacks="/v1/callbacks/aggregator",
    simulator=Simulator(
        name=AGGREGATOR,
        commands={AGGREGATOR: "perdure.simulators.commands:aggregator"},
        listens=(Listener("aggregator_port", 8112),),
        has_faults=True,
    ),
)
