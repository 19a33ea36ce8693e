"""What the ledger is made of: accounts, their balances, and transfers between them.

The vocabulary is TigerBeetle's (https://docs.tigerbeetle.com/coding/data-modeling/): a transfer
debits one account and credits another; it is posted at once, or first pending (a hold) and then
posted, voided or expired.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Side(StrEnum):
    """The two sides of an entry."""

    DEBIT = "debit"
    CREDIT = "credit"


class AccountKind(StrEnum):
    """What an account stands for, which decides the side it grows on."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"

    @property
    def normal_side(self) -> Side:
        """The side that makes the account larger."""
        return Side.DEBIT if self in {AccountKind.ASSET, AccountKind.EXPENSE} else Side.CREDIT


class AccountStatus(StrEnum):
    """Whether an account takes transfers.

    Frozen takes no new transfer, but the holds placed before can be settled: what they stand for
        may already have happened outside. Closed is empty and final.
    """

    OPEN = "open"
    FROZEN = "frozen"
    CLOSED = "closed"


class TransferKind(StrEnum):
    """What a transfer does: moves money, holds it, or settles a hold."""

    POSTED = "posted"
    PENDING = "pending"
    POST_PENDING = "post_pending"
    VOID_PENDING = "void_pending"
    EXPIRE_PENDING = "expire_pending"


class HoldState(StrEnum):
    """What became of a pending transfer."""

    PENDING = "pending"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


SETTLED_AS = {
    TransferKind.POST_PENDING: HoldState.POSTED,
    TransferKind.VOID_PENDING: HoldState.VOIDED,
    TransferKind.EXPIRE_PENDING: HoldState.EXPIRED,
}
"""The state a hold is in after a transfer of this kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to open.

    Args:
        id: `acc_…`, or the fixed id of a system account.
        name: A label for people; not part of what makes two requests the same.
        kind: What it stands for.
        currency: ISO 4217 code; every transfer of the account is in it.
        customer_id: Whose it is; none for the house's own accounts.
        may_go_negative: False gives the account a floor: its available balance stays at zero or
            above.
    """

    id: str
    name: str
    kind: AccountKind
    currency: str
    customer_id: str | None = None
    may_go_negative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as it is kept; see `NewAccount` for the fields it was opened with."""

    id: str
    name: str
    kind: AccountKind
    currency: str
    customer_id: str | None
    may_go_negative: bool
    status: AccountStatus
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Everything debited and credited so far, in minor units of the account's currency."""

    normal_side: Side
    debits_pending_minor: int = 0
    debits_posted_minor: int = 0
    credits_pending_minor: int = 0
    credits_posted_minor: int = 0

    @property
    def posted_minor(self) -> int:
        """What is on the account, holds not counted; negative when it grew on its other side."""
        net_credit = self.credits_posted_minor - self.debits_posted_minor
        return net_credit if self.normal_side is Side.CREDIT else -net_credit

    @property
    def available_minor(self) -> int:
        """What can leave the account: outgoing holds are off already, incoming ones not yet on."""
        if self.normal_side is Side.CREDIT:
            return self.posted_minor - self.debits_pending_minor
        return self.posted_minor - self.credits_pending_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTransfer:
    """A transfer to post, or to hold.

    Args:
        id: `ltr_…`, made by the caller: the same id again is the same transfer, not a second one.
        debit_account_id: The account on the debit side.
        credit_account_id: The account on the credit side.
        amount_minor: Between 1 and 2^63-1 minor units.
        currency: ISO 4217 code, that of both accounts.
        code: What it is for, as a stable word: `deposit`, `payment`, `fee`, `refund`.
        operation_id: The operation it belongs to.
    """

    id: str
    debit_account_id: str
    credit_account_id: str
    amount_minor: int
    currency: str
    code: str
    operation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A transfer as it was written, never to change; see `NewTransfer` for the common fields.

    Args:
        kind: What it does.
        pending_id: The hold it settles, for the three kinds that settle one.
        amount_minor: For a settlement, what was posted, or all that was released.
        expires_at: When a pending transfer lapses; none for one that waits without end.
        created_at: When it was written.
    """

    id: str
    debit_account_id: str
    credit_account_id: str
    amount_minor: int
    currency: str
    code: str
    kind: TransferKind
    pending_id: str | None
    operation_id: str | None
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A pending transfer, and what became of it."""

    transfer: Transfer
    settled_by: Transfer | None = None

    @property
    def state(self) -> HoldState:
        """Pending until the one transfer that settles it."""
        return SETTLED_AS[self.settled_by.kind] if self.settled_by else HoldState.PENDING


@dataclass(frozen=True, slots=True)
class Opened:
    """An account, and whether this call opened it or found it."""

    account: Account
    created: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """A transfer, and whether this call wrote it or found it."""

    transfer: Transfer
    created: bool
