"""The ledger on PostgreSQL: its writes are part of the transaction that the caller has open."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from zlib import crc32

from perdure.ledger import rules, statements, statements_many
from perdure.ledger.journal import (
    LedgerJournal,
    account_not_found,
    placed_transfer,
    settling_transfer,
)
from perdure.ledger.model import (
    Account,
    Balance,
    NewAccount,
    NewTransfer,
    Opened,
    Posted,
    TransferKind,
)
from perdure.ledger.rows import account_of, account_state_of, balance_of
from perdure.storage.pool import Connection

SHARDS: Final = 16
"""Balance rows of an account without a floor: as many of its transfers can be in flight at once."""


class PostgresLedger(LedgerJournal):
    """A `LedgerStore` whose session is a connection with an open READ COMMITTED transaction.

    A post, a hold and a settlement are one statement each; so are many holds, and many posts of
    holds. Balance rows stay locked until the transaction ends, so it should be short. Transactions
    of several such statements can wait for each other in a circle; PostgreSQL then ends one with
    `DeadlockDetectedError`, to be run again.
    """

    async def open_account(self, session: Connection, new: NewAccount, /) -> Opened:
        """Open an account; see `LedgerStore.open_account`."""
        rules.check_new_account(new)
        created_at = await session.fetchval(
            statements.OPEN_ACCOUNT,
            new.id,
            new.customer_id,
            new.name,
            new.kind,
            new.currency,
            new.may_go_negative,
            SHARDS if new.may_go_negative else 1,
        )
        account = await self.get_account(session, new.id)
        if created_at is None:
            rules.check_same_account(account, new)
        return Opened(account, created=created_at is not None)

    async def lock_account(self, session: Connection, account_id: str, /) -> None:
        """Wait for an account's transfers; see `LedgerJournal.lock_account`."""
        await session.execute(statements.LOCK_ACCOUNT, account_id)

    async def balance(self, session: Connection, account_id: str, /) -> Balance:
        """Return what was debited and credited so far; see `LedgerStore.balance`."""
        row = await session.fetchrow(statements.BALANCE, account_id)
        if row is None:
            raise account_not_found(account_id)
        return balance_of(row)

    async def accounts_with_balances(
        self, session: Connection, account_ids: Collection[str], /
    ) -> dict[str, tuple[Account, Balance]]:
        """Return the accounts there are of these; see `LedgerStore.accounts_with_balances`."""
        rows = await session.fetch(statements.ACCOUNTS_WITH_BALANCES, list(account_ids))
        return {row["id"]: (account_of(row), balance_of(row)) for row in rows}

    async def place(
        self,
        session: Connection,
        new: NewTransfer,
        kind: TransferKind,
        expires_at: datetime | None,
    ) -> Posted:
        """Make a transfer, or a hold; see `LedgerJournal.place`."""
        rules.check_new_transfer(new, expires_at)
        rows = await session.fetch(
            statements.PLACE,
            new.id,
            new.debit_account_id,
            new.credit_account_id,
            new.amount_minor,
            new.currency,
            kind,
            new.code,
            new.operation_id,
            expires_at,
            _shard(new.id),
        )
        if rows and (created_at := rows[0]["created_at"]):
            transfer = placed_transfer(new, kind, expires_at, created_at)
            return Posted(transfer, created=True)
        found = await self.find_transfer(session, new.id)
        if found is not None:
            rules.check_same_transfer(found, new, kind, expires_at)
            return Posted(found, created=False)
        states = {row["debited"]: account_state_of(row) for row in rows}
        rules.check_accounts(new, states.get(True), states.get(False))
        raise AssertionError(f"no rule refuses transfer {new.id}, yet it was not written")

    async def hold_many(self, session: Connection, new: Sequence[NewTransfer], /) -> frozenset[str]:
        """Set money aside for many transfers; see `LedgerStore.hold_many`."""
        columns = _columns(new)
        rows = await session.fetch(statements_many.HOLD_MANY, *columns) if columns else []
        return frozenset(row["id"] for row in rows)

    async def post_many(self, session: Connection, new: Sequence[NewTransfer], /) -> frozenset[str]:
        """Move money for many transfers; see `LedgerStore.post_many`."""
        columns = _columns(new)
        rows = await session.fetch(statements_many.POST_MANY, *columns) if columns else []
        return frozenset(row["id"] for row in rows)

    async def lock_for(
        self, session: Connection, hold_ids: Sequence[str], new: Sequence[NewTransfer], /
    ) -> None:
        """Lock what later calls go on to; see `LedgerStore.lock_for`."""
        accounts = {end for each in new for end in (each.debit_account_id, each.credit_account_id)}
        shard = _shard(new[0].id) if new else 0
        await session.fetch(statements_many.LOCK, hold_ids, list(accounts), shard)

    async def post_holds(
        self, session: Connection, posts: Sequence[tuple[str, str]], /
    ) -> frozenset[str]:
        """Move the money of many holds; see `LedgerStore.post_holds`."""
        pairs = _pairs(posts)
        rows = await session.fetch(statements_many.POST_HOLDS, *pairs) if pairs else []
        return frozenset(row["pending_id"] for row in rows)

    async def void_holds(
        self, session: Connection, voids: Sequence[tuple[str, str]], /
    ) -> frozenset[str]:
        """Release the money of many holds; see `LedgerStore.void_holds`."""
        pairs = _pairs(voids)
        rows = await session.fetch(statements_many.VOID_HOLDS, *pairs) if pairs else []
        return frozenset(row["pending_id"] for row in rows)

    async def settle(
        self,
        session: Connection,
        hold_id: str,
        transfer_id: str,
        kind: TransferKind,
        amount_minor: int | None,
    ) -> Posted:
        """Settle a hold; see `LedgerJournal.settle`."""
        rules.check_transfer_id(transfer_id, param="transfer_id")
        row = await session.fetchrow(statements.SETTLE, transfer_id, hold_id, kind, amount_minor)
        if row is not None and row["settled_at"]:
            settling = settling_transfer(row, transfer_id, kind, amount_minor)
            return Posted(settling, created=True)
        past_expiry = row is not None and row["past_expiry"]
        return await self.not_settled(
            session, hold_id, transfer_id, kind, amount_minor, past_expiry=past_expiry
        )


def _shard(transfer_id: str) -> int:
    return crc32(transfer_id.encode()) % SHARDS


def _columns(new: Sequence[NewTransfer]) -> list[object]:
    """Return what a statement of many is given, of those that it can write; nothing for none."""
    placed = rules.well_formed(new)
    if not placed:
        return []
    return [
        [each.id for each in placed],
        [each.debit_account_id for each in placed],
        [each.credit_account_id for each in placed],
        [each.amount_minor for each in placed],
        [each.currency for each in placed],
        [each.code for each in placed],
        [each.operation_id for each in placed],
        # One shard for all, so that two calls in flight seldom meet on one.
        _shard(placed[0].id),
    ]


def _pairs(asked: Sequence[tuple[str, str]]) -> list[Sequence[str]]:
    """Return holds and the ids of what settles them, of those that can be settled; or nothing."""
    return [*zip(*rules.well_formed_pairs(asked), strict=True)]
