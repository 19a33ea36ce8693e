"""The port to a ledger: what any store of accounts and transfers does, and the errors it raises.

The caller makes the ids. Sending the same transfer or account again returns the one that is there,
so every write may be repeated after a crash. A refusal writes nothing and leaves the session
usable.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from perdure.ledger.model import (
    Account,
    AccountStatus,
    Balance,
    Hold,
    NewAccount,
    NewTransfer,
    Opened,
    Posted,
    Transfer,
)

Session_contra = TypeVar("Session_contra", contravariant=True)
"""What the writes are part of: a database connection with an open transaction, or nothing."""


class LedgerStore(Protocol[Session_contra]):
    """Keeps accounts, transfers and balances, and their invariants.

    Lists are newest id first; `cursor` is the last id of the page before.
    """

    async def open_account(self, session: Session_contra, new: NewAccount, /) -> Opened:
        """Open an account.

        Raises:
            InvalidInput: `missing_field`, `unknown_currency`.
            IdempotencyMismatch: The id is that of another account.
        """
        ...

    async def set_account_status(
        self, session: Session_contra, account_id: str, status: AccountStatus, /
    ) -> Account:
        """Freeze, reopen or close an account; no transfer is under way on it when this returns.

        Raises:
            NotFound: `account_not_found`.
            Conflict: `account_closed`, `account_not_empty`.
        """
        ...

    async def get_account(self, session: Session_contra, account_id: str, /) -> Account:
        """Return an account.

        Raises:
            NotFound: `account_not_found`.
        """
        ...

    async def list_accounts(
        self,
        session: Session_contra,
        /,
        *,
        customer_id: str | None = None,
        cursor: str | None = None,
        limit: int = 10,
    ) -> list[Account]:
        """Return a page of accounts, of one customer or of all."""
        ...

    async def balance(self, session: Session_contra, account_id: str, /) -> Balance:
        """Return what was debited and credited so far.

        Raises:
            NotFound: `account_not_found`.
        """
        ...

    async def accounts_with_balances(
        self, session: Session_contra, account_ids: Collection[str], /
    ) -> dict[str, tuple[Account, Balance]]:
        """Return the accounts there are of these, by id."""
        ...

    async def post(self, session: Session_contra, new: NewTransfer, /) -> Posted:
        """Move money at once.

        Raises:
            InvalidInput: `invalid_id`, `invalid_amount`, `unknown_currency`, `same_account`,
                `missing_field`, `currency_mismatch`.
            NotFound: `account_not_found`.
            Refused: `account_not_open`.
            InsufficientFunds: An account would fall below its floor.
            LimitExceeded: `balance_overflow`.
            IdempotencyMismatch: The id is that of another transfer.
        """
        ...

    async def hold(
        self, session: Session_contra, new: NewTransfer, /, *, expires_at: datetime | None = None
    ) -> Posted:
        """Set money aside until it is posted, voided or expired; the transfer's id is the hold's.

        Raises:
            InvalidInput: As `post`, and `naive_datetime`.
            NotFound, Refused, InsufficientFunds, LimitExceeded, IdempotencyMismatch: As `post`.
        """
        ...

    async def post_hold(
        self,
        session: Session_contra,
        hold_id: str,
        transfer_id: str,
        amount_minor: int | None = None,
        /,
    ) -> Posted:
        """Move the money that was held; a part posts that part and releases the rest.

        Args:
            session: What the write is part of.
            hold_id: The id of the pending transfer.
            transfer_id: The id of the transfer that this writes.
            amount_minor: The part to post; none for the whole.

        Raises:
            InvalidInput: `invalid_id`, `invalid_amount`.
            NotFound: `hold_not_found`.
            Conflict: `hold_already_settled`, `hold_expired`.
            LimitExceeded: `amount_over_hold`.
            IdempotencyMismatch: The id is that of another transfer.
        """
        ...

    async def hold_many(
        self, session: Session_contra, new: Sequence[NewTransfer], /
    ) -> frozenset[str]:
        """Set money aside for some hundred transfers at once, as `hold` without an expiry does.

        Nothing is raised for a transfer that is not written: it may be there already, be refused by
        a rule, be malformed, share its id with another one of the call, or compete for an account's
        last money with those before it. `hold` of that one alone then writes it or says which.

        Returns:
            The ids of the transfers that this call wrote.
        """
        ...

    async def post_many(
        self, session: Session_contra, new: Sequence[NewTransfer], /
    ) -> frozenset[str]:
        """Move money for some hundred transfers at once, as `post` does; else as `hold_many`.

        Returns:
            The ids of the transfers that this call wrote.
        """
        ...

    async def lock_for(
        self, session: Session_contra, hold_ids: Sequence[str], new: Sequence[NewTransfer], /
    ) -> None:
        """Lock what later calls of this transaction go on to: it waits for no other in a circle.

        Args:
            session: What the calls are part of.
            hold_ids: The holds that are settled.
            new: What `hold_many` or `post_many` is then given, in this order.
        """
        ...

    async def post_holds(
        self, session: Session_contra, posts: Sequence[tuple[str, str]], /
    ) -> frozenset[str]:
        """Move all the money of some hundred holds at once, as `post_hold` does.

        Nothing is raised for a hold that is not posted: it may be unknown, settled or past its
        expiry, or one of its two ids may be malformed, taken, or in the call twice. `post_hold` of
        that one alone then posts it or says which.

        Args:
            session: What the write is part of.
            posts: The id of each pending transfer, and that of the transfer that posts it.

        Returns:
            The ids of the holds that this call posted.
        """
        ...

    async def void_holds(
        self, session: Session_contra, voids: Sequence[tuple[str, str]], /
    ) -> frozenset[str]:
        """Release the money of some hundred holds at once, as `void_hold` does.

        What is not released is left out as by `post_holds`.

        Returns:
            The ids of the holds that this call released.
        """
        ...

    async def void_hold(self, session: Session_contra, hold_id: str, transfer_id: str, /) -> Posted:
        """Release the money that was held; also after the expiry, until the hold is expired.

        Raises:
            InvalidInput: `invalid_id`.
            NotFound: `hold_not_found`.
            Conflict: `hold_already_settled`, `hold_expired`.
            IdempotencyMismatch: The id is that of another transfer.
        """
        ...

    async def expire_hold(
        self, session: Session_contra, hold_id: str, transfer_id: str, /
    ) -> Posted:
        """Release the money of a hold whose expiry has come.

        Raises:
            InvalidInput: `invalid_id`.
            NotFound: `hold_not_found`.
            Conflict: `hold_already_settled`, `hold_expired`, `hold_not_expired`.
            IdempotencyMismatch: The id is that of another transfer.
        """
        ...

    async def get_hold(self, session: Session_contra, hold_id: str, /) -> Hold:
        """Return a hold with what became of it.

        Raises:
            NotFound: `hold_not_found`.
        """
        ...

    async def holds_past_expiry(self, session: Session_contra, limit: int, /) -> list[Transfer]:
        """Return open holds whose expiry has come, the longest overdue first."""
        ...

    async def get_transfer(self, session: Session_contra, transfer_id: str, /) -> Transfer:
        """Return a transfer.

        Raises:
            NotFound: `transfer_not_found`.
        """
        ...

    async def list_transfers(
        self,
        session: Session_contra,
        /,
        *,
        account_id: str | None = None,
        operation_id: str | None = None,
        cursor: str | None = None,
        limit: int = 10,
    ) -> list[Transfer]:
        """Return a page of the transfers of an account, of an operation, or of both.

        Raises:
            InvalidInput: `missing_field`: neither was given.
        """
        ...
