"""The ledger on PostgreSQL: its writes are part of the transaction that the caller has open."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from zlib import crc32

from perdure.core.errors import InvalidInput, NotFound
from perdure.core.money import check_amount_minor
from perdure.ledger import rules, statements, statements_many
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
    TransferKind,
)
from perdure.ledger.rows import account_of, account_state_of, balance_of, transfer_of
from perdure.storage.pool import Connection

SHARDS: Final = 16
"""Balance rows of an account without a floor: as many of its transfers can be in flight at once."""

_AFTER_EVERY_ID: Final = "~"
"""Sorts after every id, byte by byte: where the first page of a list starts."""


class PostgresLedger:
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

    async def set_account_status(
        self, session: Connection, account_id: str, status: AccountStatus, /
    ) -> Account:
        """Freeze, reopen or close an account; see `LedgerStore.set_account_status`."""
        await session.execute(statements.LOCK_ACCOUNT, account_id)
        account = await self.get_account(session, account_id)
        rules.check_status_change(account, status, await self.balance(session, account_id))
        await session.execute(statements.SET_ACCOUNT_STATUS, account_id, status)
        return await self.get_account(session, account_id)

    async def get_account(self, session: Connection, account_id: str, /) -> Account:
        """Return an account; see `LedgerStore.get_account`."""
        row = await session.fetchrow(statements.GET_ACCOUNT, account_id)
        if row is None:
            raise _account_not_found(account_id)
        return account_of(row)

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

    async def balance(self, session: Connection, account_id: str, /) -> Balance:
        """Return what was debited and credited so far; see `LedgerStore.balance`."""
        row = await session.fetchrow(statements.BALANCE, account_id)
        if row is None:
            raise _account_not_found(account_id)
        return balance_of(row)

    async def accounts_with_balances(
        self, session: Connection, account_ids: Collection[str], /
    ) -> dict[str, tuple[Account, Balance]]:
        """Return the accounts there are of these; see `LedgerStore.accounts_with_balances`."""
        rows = await session.fetch(statements.ACCOUNTS_WITH_BALANCES, list(account_ids))
        return {row["id"]: (account_of(row), balance_of(row)) for row in rows}

    async def post(self, session: Connection, new: NewTransfer, /) -> Posted:
        """Move money at once; see `LedgerStore.post`."""
        return await self._place(session, new, TransferKind.POSTED, None)

    async def hold(
        self, session: Connection, new: NewTransfer, /, *, expires_at: datetime | None = None
    ) -> Posted:
        """Set money aside; see `LedgerStore.hold`."""
        return await self._place(session, new, TransferKind.PENDING, expires_at)

    async def _place(
        self,
        session: Connection,
        new: NewTransfer,
        kind: TransferKind,
        expires_at: datetime | None,
    ) -> Posted:
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
            transfer = Transfer(
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
            return Posted(transfer, created=True)
        found = await self._find_transfer(session, new.id)
        if found is not None:
            rules.check_same_transfer(found, new, kind, expires_at)
            return Posted(found, created=False)
        states = {row["debited"]: account_state_of(row) for row in rows}
        rules.check_accounts(new, states.get(True), states.get(False))
        raise AssertionError(f"no rule refuses transfer {new.id}, yet it was not written")

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
        return await self._settle(
            session, hold_id, transfer_id, TransferKind.POST_PENDING, amount_minor
        )

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

    async def void_hold(self, session: Connection, hold_id: str, transfer_id: str, /) -> Posted:
        """Release the money that was held; see `LedgerStore.void_hold`."""
        return await self._settle(session, hold_id, transfer_id, TransferKind.VOID_PENDING, None)

    async def expire_hold(self, session: Connection, hold_id: str, transfer_id: str, /) -> Posted:
        """Release the money of a hold whose expiry has come; see `LedgerStore.expire_hold`."""
        return await self._settle(session, hold_id, transfer_id, TransferKind.EXPIRE_PENDING, None)

    async def _settle(
        self,
        session: Connection,
        hold_id: str,
        transfer_id: str,
        kind: TransferKind,
        amount_minor: int | None,
    ) -> Posted:
        rules.check_transfer_id(transfer_id, param="transfer_id")
        row = await session.fetchrow(statements.SETTLE, transfer_id, hold_id, kind, amount_minor)
        if row is not None and row["settled_at"]:
            held = transfer_of(row)
            transfer = Transfer(
                id=transfer_id,
                debit_account_id=held.debit_account_id,
                credit_account_id=held.credit_account_id,
                amount_minor=held.amount_minor if amount_minor is None else amount_minor,
                currency=held.currency,
                code=held.code,
                kind=kind,
                pending_id=hold_id,
                operation_id=held.operation_id,
                expires_at=None,
                created_at=row["settled_at"],
            )
            return Posted(transfer, created=True)
        hold = await self.get_hold(session, hold_id)
        found = await self._find_transfer(session, transfer_id)
        if found is not None:
            rules.check_same_settlement(
                found, hold.transfer, kind, amount_minor or hold.transfer.amount_minor
            )
            return Posted(found, created=False)
        past_expiry = row is not None and row["past_expiry"]
        rules.check_settlement(hold, kind, amount_minor, past_expiry=past_expiry)
        raise AssertionError(f"no rule refuses to settle {hold_id}, yet it was not settled")

    async def get_hold(self, session: Connection, hold_id: str, /) -> Hold:
        """Return a hold with what became of it; see `LedgerStore.get_hold`."""
        held = await self._find_transfer(session, hold_id)
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
        found = await self._find_transfer(session, transfer_id)
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

    async def _find_transfer(self, session: Connection, transfer_id: str) -> Transfer | None:
        row = await session.fetchrow(statements.GET_TRANSFER, transfer_id)
        return transfer_of(row) if row else None


def _shard(transfer_id: str) -> int:
    return crc32(transfer_id.encode()) % SHARDS


def _columns(new: Sequence[NewTransfer]) -> list[object]:
    """Return what a statement of many is given, of those that it can write; nothing for none."""
    times = Counter(each.id for each in new)
    placed = [each for each in new if times[each.id] == 1 and _is_well_formed(each)]
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
    times = Counter(each for pair in asked for each in pair)
    pairs = [
        (hold_id, transfer_id)
        for hold_id, transfer_id in asked
        if times[hold_id] == times[transfer_id] == 1 and _is_transfer_id(transfer_id)
    ]
    return [*zip(*pairs, strict=True)]


def _is_well_formed(new: NewTransfer) -> bool:
    try:
        rules.check_new_transfer(new)
    except InvalidInput:
        return False
    return True


def _is_transfer_id(transfer_id: str) -> bool:
    try:
        rules.check_transfer_id(transfer_id)
    except InvalidInput:
        return False
    return True


def _account_not_found(account_id: str) -> NotFound:
    return NotFound(
        f"There is no account {account_id}.", code="account_not_found", param="account_id"
    )
