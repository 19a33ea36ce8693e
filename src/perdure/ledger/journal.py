"""What both stores keep in PostgreSQL and read alike: accounts, and transfers as they were made."""

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import datetime
from typing import Final

import asyncpg

from perdure.core.errors import InvalidInput, NotFound
from perdure.core.money import check_amount_minor
from perdure.ledger import rules, statements
from perdure.ledger.model import (
    Account,
    AccountStatus,
    Balance,
    Hold,
    NewTransfer,
    Posted,
    Transfer,
    TransferKind,
)
from perdure.ledger.rows import account_of, transfer_of
from perdure.storage.pool import Connection

_AFTER_EVERY_ID: Final = "~"
"""Sorts after every id, byte by byte: where the first page of a list starts."""


class LedgerJournal(ABC):
    """The part of a `LedgerStore` that is the same wherever balances are kept."""

    async def get_account(self, session: Connection, account_id: str, /) -> Account:
        """Return an account; see `LedgerStore.get_account`."""
        row = await session.fetchrow(statements.GET_ACCOUNT, account_id)
        if row is None:
            raise account_not_found(account_id)
        return account_of(row)

    async def set_account_status(
        self, session: Connection, account_id: str, status: AccountStatus, /
    ) -> Account:
        """Freeze, reopen or close an account; see `LedgerStore.set_account_status`."""
        await self.lock_account(session, account_id)
        account = await self.get_account(session, account_id)
        rules.check_status_change(account, status, await self.balance(session, account_id))
        await session.execute(statements.SET_ACCOUNT_STATUS, account_id, status)
        return await self.get_account(session, account_id)

    @abstractmethod
    async def lock_account(self, session: Connection, account_id: str, /) -> None:
        """Wait for the transfers of an account, and have others wait for this transaction's end."""

    @abstractmethod
    async def balance(self, session: Connection, account_id: str, /) -> Balance:
        """Return what was debited and credited so far; see `LedgerStore.balance`."""

    async def list_accounts(
        self,
        session: Connection,
        /,
        *,
        customer_id: str | None = None,
        cursor: str | None = None,
        limit: int = 10,
    ) -> list[Account]:
        """Return a page of accounts; see `LedgerStore.list_accounts`."""
        before = cursor or _AFTER_EVERY_ID
        if customer_id is None:
            rows = await session.fetch(statements.LIST_ACCOUNTS, before, limit)
        else:
            rows = await session.fetch(
                statements.LIST_CUSTOMER_ACCOUNTS, before, limit, customer_id
            )
        return [account_of(row) for row in rows]

    async def post(self, session: Connection, new: NewTransfer, /) -> Posted:
        """Move money at once; see `LedgerStore.post`."""
        return await self.place(session, new, TransferKind.POSTED, None)

    async def hold(
        self, session: Connection, new: NewTransfer, /, *, expires_at: datetime | None = None
    ) -> Posted:
        """Set money aside; see `LedgerStore.hold`."""
        return await self.place(session, new, TransferKind.PENDING, expires_at)

    @abstractmethod
    async def place(
        self,
        session: Connection,
        new: NewTransfer,
        kind: TransferKind,
        expires_at: datetime | None,
    ) -> Posted:
        """Make a transfer, or a hold, or raise what says why not."""

    async def post_hold(
        self,
        session: Connection,
        hold_id: str,
        transfer_id: str,
        amount_minor: int | None = None,
        /,
    ) -> Posted:
        """Move the money that was held; see `LedgerStore.post_hold`."""
        if amount_minor is not None:
            check_amount_minor(amount_minor)
        return await self.settle(
            session, hold_id, transfer_id, TransferKind.POST_PENDING, amount_minor
        )

    async def void_hold(self, session: Connection, hold_id: str, transfer_id: str, /) -> Posted:
        """Release the money that was held; see `LedgerStore.void_hold`."""
        return await self.settle(session, hold_id, transfer_id, TransferKind.VOID_PENDING, None)

    async def expire_hold(self, session: Connection, hold_id: str, transfer_id: str, /) -> Posted:
        """Release the money of a hold whose expiry has come; see `LedgerStore.expire_hold`."""
        return await self.settle(session, hold_id, transfer_id, TransferKind.EXPIRE_PENDING, None)

    @abstractmethod
    async def settle(
        self,
        session: Connection,
        hold_id: str,
        transfer_id: str,
        kind: TransferKind,
        amount_minor: int | None,
    ) -> Posted:
        """Settle a hold in one of the three ways, or raise what says why not."""

    async def not_settled(
        self,
        session: Connection,
        hold_id: str,
        transfer_id: str,
        kind: TransferKind,
        amount_minor: int | None,
        *,
        past_expiry: bool,
    ) -> Posted:
        """Return the settlement that is there already, or raise what says why there is none."""
        hold = await self.get_hold(session, hold_id)
        found = await self.find_transfer(session, transfer_id)
        if found is not None:
            rules.check_same_settlement(
                found, hold.transfer, kind, amount_minor or hold.transfer.amount_minor
            )
            return Posted(found, created=False)
        rules.check_settlement(hold, kind, amount_minor, past_expiry=past_expiry)
        raise AssertionError(f"no rule refuses to settle {hold_id}, yet it was not settled")

    async def get_hold(self, session: Connection, hold_id: str, /) -> Hold:
        """Return a hold with what became of it; see `LedgerStore.get_hold`."""
        held = await self.find_transfer(session, hold_id)
        if held is None or held.kind is not TransferKind.PENDING:
            raise NotFound(f"There is no hold {hold_id}.", code="hold_not_found", param="hold_id")
        row = await session.fetchrow(statements.GET_SETTLEMENT, hold_id)
        return Hold(transfer=held, settled_by=transfer_of(row) if row else None)

    async def holds_past_expiry(self, session: Connection, limit: int, /) -> list[Transfer]:
        """Return open holds whose expiry has come; see `LedgerStore.holds_past_expiry`."""
        rows = await session.fetch(statements.HOLDS_PAST_EXPIRY, limit)
        return [transfer_of(row) for row in rows]

    async def get_transfer(self, session: Connection, transfer_id: str, /) -> Transfer:
        """Return a transfer; see `LedgerStore.get_transfer`."""
        found = await self.find_transfer(session, transfer_id)
        if found is None:
            raise NotFound(f"There is no transfer {transfer_id}.", code="transfer_not_found")
        return found

    async def list_transfers(
        self,
        session: Connection,
        /,
        *,
        account_id: str | None = None,
        operation_id: str | None = None,
        cursor: str | None = None,
        limit: int = 10,
    ) -> list[Transfer]:
        """Return a page of transfers; see `LedgerStore.list_transfers`."""
        before = cursor or _AFTER_EVERY_ID
        if operation_id is not None:
            rows = await session.fetch(
                statements.LIST_OPERATION_TRANSFERS, before, limit, operation_id, account_id
            )
        elif account_id is not None:
            rows = await session.fetch(statements.LIST_ACCOUNT_TRANSFERS, before, limit, account_id)
        else:
            raise InvalidInput(
                "Say whose transfers: give an account, an operation, or both.",
                code="missing_field",
                param="account_id",
            )
        return [transfer_of(row) for row in rows]

    async def find_transfer(self, session: Connection, transfer_id: str) -> Transfer | None:
        """Return a transfer, if there is one of this id."""
        row = await session.fetchrow(statements.GET_TRANSFER, transfer_id)
        return transfer_of(row) if row else None


def account_not_found(account_id: str) -> NotFound:
    """Return the error of an account that is not there."""
    return NotFound(
        f"There is no account {account_id}.", code="account_not_found", param="account_id"
    )


def placed_transfer(
    new: NewTransfer, kind: TransferKind, expires_at: datetime | None, created_at: datetime
) -> Transfer:
    """Return a transfer that was posted or held."""
    return Transfer(
        id=new.id,
        debit_account_id=new.debit_account_id,
        credit_account_id=new.credit_account_id,
        amount_minor=new.amount_minor,
        currency=new.currency,
        code=new.code,
        kind=kind,
        pending_id=None,
        operation_id=new.operation_id,
        expires_at=expires_at,
        created_at=created_at,
    )


def settling_transfer(
    row: asyncpg.Record, transfer_id: str, kind: TransferKind, amount_minor: int | None
) -> Transfer:
    """Return the transfer that settled the hold of a row, at its `settled_at`."""
    held = transfer_of(row)
    return replace(
        held,
        id=transfer_id,
        amount_minor=held.amount_minor if amount_minor is None else amount_minor,
        kind=kind,
        pending_id=held.id,
        expires_at=None,
        created_at=row["settled_at"],
    )
