"""The ledger's rules, as pure functions: what may be written, and the error that says why not.

A store decides under its own locks; where it refuses, these functions say which rule it was.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from perdure.core import ids
from perdure.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Refused,
)
from perdure.core.money import (
    AMOUNT_MINOR_MAX,
    check_amount_minor,
    check_currency,
    format_amount,
)
from perdure.ledger.model import (
    Account,
    AccountStatus,
    Balance,
    Hold,
    HoldState,
    NewAccount,
    NewTransfer,
    Side,
    Transfer,
    TransferKind,
)

Checked = TypeVar("Checked")

BALANCE_MINOR_MAX: Final = AMOUNT_MINOR_MAX
"""The most that one side of one balance row may come to, pending and posted together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What of an account decides whether it takes a transfer, read under its lock."""

    id: str
    currency: str
    may_go_negative: bool
    status: AccountStatus
    balance: Balance


def check_new_account(new: NewAccount) -> None:
    """Refuse an account that is wrong in itself.

    Raises:
        InvalidInput: `missing_field`, `unknown_currency`.
    """
    _check_present(new.id, "id")
    _check_present(new.name, "name")
    check_currency(new.currency)


def check_new_transfer(new: NewTransfer, expires_at: datetime | None = None) -> None:
    """Refuse a transfer that is wrong in itself, whatever the accounts.

    Raises:
        InvalidInput: `invalid_id`, `invalid_amount`, `unknown_currency`, `same_account`,
            `missing_field`, `naive_datetime`.
    """
    check_transfer_id(new.id)
    check_amount_minor(new.amount_minor)
    check_currency(new.currency)
    _check_present(new.code, "code")
    if new.debit_account_id == new.credit_account_id:
        raise InvalidInput(
            "A transfer needs two different accounts; debit one and credit another.",
            code="same_account",
            param="credit_account_id",
        )
    if expires_at is not None and expires_at.utcoffset() is None:
        raise InvalidInput(
            "The expiry has no time zone; give it one, such as UTC.",
            code="naive_datetime",
            param="expires_at",
        )


def check_transfer_id(transfer_id: str, *, param: str = "id") -> None:
    """Refuse an id that is not `ltr_…`.

    Raises:
        InvalidInput: `invalid_id`.
    """
    ids.check_id(transfer_id, ids.TRANSFER, param=param)


def well_formed(new: Sequence[NewTransfer]) -> list[NewTransfer]:
    """Return those that are right in themselves, and share their ids with no other."""
    times = Counter(each.id for each in new)
    return [each for each in new if times[each.id] == 1 and _passes(check_new_transfer, each)]


def well_formed_pairs(asked: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the holds and settling ids of these that occur once, the latter being transfers'."""
    times = Counter(each for pair in asked for each in pair)
    return [
        (hold_id, transfer_id)
        for hold_id, transfer_id in asked
        if times[hold_id] == times[transfer_id] == 1 and _passes(check_transfer_id, transfer_id)
    ]


def _passes(check: Callable[[Checked], None], given: Checked) -> bool:
    try:
        check(given)
    except InvalidInput:
        return False
    return True


def _check_present(value: str, param: str) -> None:
    if not value:
        raise InvalidInput(f"{param} is empty; give it a value.", code="missing_field", param=param)


def check_accounts(
    new: NewTransfer, debit: AccountState | None, credit: AccountState | None
) -> None:
    """Refuse a post or a hold that its accounts do not allow.

    Raises:
        NotFound: `account_not_found`.
        InvalidInput: `currency_mismatch`.
        Refused: `account_not_open`.
        InsufficientFunds: The account has a floor and too little available.
        LimitExceeded: `balance_overflow`.
    """
    accounts = check_ends(new, debit, credit)
    for account, side in accounts:
        _check_funds(new, account, side)
    for account, side in accounts:
        _check_room(new, account, side)


def check_ends(
    new: NewTransfer, debit: AccountState | None, credit: AccountState | None
) -> tuple[tuple[AccountState, Side], tuple[AccountState, Side]]:
    """Refuse a post or a hold whose accounts do not take it, whatever is on them.

    Raises:
        NotFound: `account_not_found`.
        InvalidInput: `currency_mismatch`.
        Refused: `account_not_open`.
    """
    if debit is None:
        raise _account_not_found(new.debit_account_id, Side.DEBIT)
    if credit is None:
        raise _account_not_found(new.credit_account_id, Side.CREDIT)
    accounts = ((debit, Side.DEBIT), (credit, Side.CREDIT))
    for account, side in accounts:
        _check_takes_transfers(new, account, side)
    return accounts


def _account_not_found(account_id: str, side: Side) -> NotFound:
    return NotFound(
        f"There is no account {account_id}.", code="account_not_found", param=f"{side}_account_id"
    )


def _check_takes_transfers(new: NewTransfer, account: AccountState, side: Side) -> None:
    if account.currency != new.currency:
        raise InvalidInput(
            f"Account {account.id} is in {account.currency}, the transfer in {new.currency}; "
            "both accounts and the transfer must share one currency.",
            code="currency_mismatch",
            param=f"{side}_account_id",
        )
    if account.status is not AccountStatus.OPEN:
        raise Refused(
            f"Account {account.id} is {account.status} and takes no transfers.",
            code="account_not_open",
            param=f"{side}_account_id",
        )


def _check_funds(new: NewTransfer, account: AccountState, side: Side) -> None:
    if not covers(account, side, new.amount_minor):
        available = format_amount(account.balance.available_minor, new.currency)
        raise InsufficientFunds(
            f"Account {account.id} has {available} available; "
            f"{format_amount(new.amount_minor, new.currency)} is needed.",
            param="amount_minor",
        )


def _check_room(new: NewTransfer, account: AccountState, side: Side) -> None:
    if not has_room(account.balance, side, new.amount_minor):
        raise LimitExceeded(
            f"The {side}s of account {account.id} would pass {BALANCE_MINOR_MAX} minor units.",
            code="balance_overflow",
            param="amount_minor",
        )


def covers(account: AccountState, side: Side, amount_minor: int) -> bool:
    """Tell whether the account stays at its floor or above when the amount is booked on a side."""
    if account.may_go_negative or side is account.balance.normal_side:
        return True
    return account.balance.available_minor >= amount_minor


def has_room(balance: Balance, side: Side, amount_minor: int) -> bool:
    """Tell whether a side can take the amount.

    Pending and posted count together, so settling a hold never overflows.
    """
    if side is Side.DEBIT:
        taken = balance.debits_pending_minor + balance.debits_posted_minor
    else:
        taken = balance.credits_pending_minor + balance.credits_posted_minor
    return taken + amount_minor <= BALANCE_MINOR_MAX


def check_settlement(
    hold: Hold, kind: TransferKind, amount_minor: int | None, *, past_expiry: bool
) -> None:
    """Refuse to settle a hold that is settled, expired, not yet expired, or too small.

    Args:
        hold: The hold, and what settled it if anything did.
        kind: How it is to be settled.
        amount_minor: The part to post; none for the whole.
        past_expiry: Whether its expiry has come.

    Raises:
        Conflict: `hold_already_settled`, `hold_expired`, `hold_not_expired`.
        LimitExceeded: `amount_over_hold`.
    """
    hold_id = hold.transfer.id
    posting = kind is TransferKind.POST_PENDING
    if hold.state is HoldState.EXPIRED or (
        hold.state is HoldState.PENDING and posting and past_expiry
    ):
        raise Conflict(
            f"Hold {hold_id} has expired and its money is released; place a new hold.",
            code="hold_expired",
        )
    if hold.settled_by is not None:
        raise Conflict(
            f"Hold {hold_id} was {hold.state} by transfer {hold.settled_by.id}; "
            "a hold is settled once.",
            code="hold_already_settled",
        )
    if kind is TransferKind.EXPIRE_PENDING and not past_expiry:
        raise Conflict(
            f"Hold {hold_id} has not reached its expiry; void it to release it earlier.",
            code="hold_not_expired",
        )
    if amount_minor is not None and amount_minor > hold.transfer.amount_minor:
        held = format_amount(hold.transfer.amount_minor, hold.transfer.currency)
        raise LimitExceeded(
            f"Hold {hold_id} is for {held}; no more than that can be posted from it.",
            code="amount_over_hold",
            param="amount_minor",
        )


def check_same_transfer(
    found: Transfer, new: NewTransfer, kind: TransferKind, expires_at: datetime | None
) -> None:
    """Refuse a transfer id that was used for another transfer.

    Raises:
        IdempotencyMismatch: The content differs.
    """
    same = (
        found.debit_account_id == new.debit_account_id
        and found.credit_account_id == new.credit_account_id
        and found.amount_minor == new.amount_minor
        and found.currency == new.currency
        and found.code == new.code
        and found.operation_id == new.operation_id
        and found.kind is kind
        and found.expires_at == expires_at
    )
    if not same:
        raise _mismatch("transfer", new.id)


def check_same_settlement(
    found: Transfer, hold: Transfer | None, kind: TransferKind, amount_minor: int
) -> None:
    """Refuse a transfer id that was used for another transfer than this settlement.

    Raises:
        IdempotencyMismatch: The content differs.
    """
    same = (
        hold is not None
        and found.pending_id == hold.id
        and found.kind is kind
        and found.amount_minor == amount_minor
    )
    if not same:
        raise _mismatch("transfer", found.id)


def check_same_account(found: Account, new: NewAccount) -> None:
    """Refuse an account id that was used for another account; the name may differ.

    Raises:
        IdempotencyMismatch: The content differs.
    """
    same = (
        found.kind is new.kind
        and found.currency == new.currency
        and found.customer_id == new.customer_id
        and found.may_go_negative == new.may_go_negative
    )
    if not same:
        raise _mismatch("account", new.id)


def _mismatch(noun: str, used_id: str) -> IdempotencyMismatch:
    return IdempotencyMismatch(
        f"The id {used_id} was used for another {noun}; make a new id for a new {noun}.",
        param="id",
    )


def check_status_change(account: Account, status: AccountStatus, balance: Balance) -> None:
    """Refuse to reopen a closed account, or to close one that is not empty.

    Raises:
        Conflict: `account_closed`, `account_not_empty`.
    """
    if account.status is AccountStatus.CLOSED and status is not AccountStatus.CLOSED:
        raise Conflict(
            f"Account {account.id} is closed for good; open another.", code="account_closed"
        )
    empty = (
        balance.posted_minor == 0
        and balance.debits_pending_minor == 0
        and balance.credits_pending_minor == 0
    )
    if status is AccountStatus.CLOSED and not empty:
        raise Conflict(
            f"Account {account.id} still has money or holds; move them away before closing it.",
            code="account_not_empty",
        )
