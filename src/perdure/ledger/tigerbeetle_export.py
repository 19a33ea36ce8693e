"""Moves a ledger from PostgreSQL to TigerBeetle, and shows that the balances are equal.

It brings what TigerBeetle has up to what PostgreSQL has, account by account and hold by hold, and
writes only what is missing: begun again, after a crash or a day, it goes on from there. While work
goes on, what it has brought over is soon behind; the last time it is done with writers stopped.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

import asyncpg
import tigerbeetle as tb

from perdure.core.errors import ConfigurationError, Conflict
from perdure.ledger import statements_export as statements
from perdure.ledger.model import Account, Balance, Side
from perdure.ledger.rows import account_of, balance_of
from perdure.ledger.tigerbeetle_client import TigerBeetle, open_tigerbeetle
from perdure.ledger.tigerbeetle_ids import Numbers, Purpose, fingerprint, ledger_number
from perdure.ledger.tigerbeetle_owed import CODE, COMMITTED, read_balance
from perdure.ledger.tigerbeetle_placing import empty_balances, told_account
from perdure.storage.pool import Connection, Pool, whole_tables

Item = TypeVar("Item")

_PAGE: Final = 2000
_ATTEMPTS_MAX: Final = 100

_DONE: Final = frozenset({tb.CreateTransferStatus.CREATED, tb.CreateTransferStatus.EXISTS})


@dataclass(slots=True)
class Exported:
    """What was moved.

    Args:
        is_moved: The balances are there now, and nowhere else.
        accounts, holds: How many there are.
        written: How many transfers it took, this time.
        differences: Accounts whose balances are not equal, each with both.
    """

    is_moved: bool = False
    accounts: int = 0
    holds: int = 0
    written: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Missing:
    """What one side of an account has posted there, and here."""

    account: Account
    side: Side
    posted: int
    wanted: int


class Export:
    """Brings a ledger over.

    Args:
        connection: What it sees is what is brought over.
        notes: Another, on which what is noted is committed at once.
    """

    def __init__(
        self,
        connection: Connection,
        notes: Pool,
        tigerbeetle: TigerBeetle,
        numbers: Numbers,
    ) -> None:
        self._connection = connection
        self._notes = notes
        self._tigerbeetle = tigerbeetle
        self._numbers = numbers
        self._done = Exported()

    async def run(self) -> Exported:
        """Bring over what is missing.

        Raises:
            Conflict: `ledger_ahead`: TigerBeetle has entries that PostgreSQL has not.
        """
        await self._void_settled()
        async for accounts in self._pages():
            await self._open(list(accounts))
            await self._bring(accounts)
            self._done.accounts += len(accounts)
        await self._hold()
        async for accounts in self._pages():
            await self._compare(accounts)
        return self._done

    async def _pages(self) -> AsyncIterator[dict[Account, Balance]]:
        after = ""
        while rows := await self._connection.fetch(statements.BALANCES_AFTER, after, _PAGE):
            yield {account_of(row): balance_of(row) for row in rows}
            after = rows[-1]["id"]

    async def _open(self, accounts: Sequence[Account]) -> None:
        told = [told_account(account, self._numbers) for account in accounts]
        # What a balance was opened from: it has nothing on it when all are.
        currencies = {account.currency for account in accounts}
        told += [
            tb.Account(
                id=self._numbers.account(_opening(currency)),
                user_data_128=fingerprint(_opening(currency)),
                user_data_64=self._numbers.namespace,
                ledger=ledger_number(currency),
                code=CODE,
            )
            for currency in currencies
        ]
        statuses = await self._tigerbeetle.open_accounts(told)
        expected = {tb.CreateAccountStatus.CREATED, tb.CreateAccountStatus.EXISTS}
        assert {*statuses} <= expected, f"accounts are not opened: {set(statuses) - expected}"

    async def _at_tigerbeetle(self, accounts: Sequence[Account]) -> dict[str, Balance]:
        empty = empty_balances(accounts)
        numbers = {self._numbers.account(key): key for key in empty}
        found = await self._tigerbeetle.accounts([*numbers])
        return {key: read_balance(found[number], empty[key]) for number, key in numbers.items()}

    async def _bring(self, accounts: dict[Account, Balance]) -> None:
        """Post what accounts have posted here and not there."""
        there = await self._at_tigerbeetle([*accounts])
        missing = []
        for account, here in accounts.items():
            at = there[account.id]
            sides = [
                _Missing(account, Side.DEBIT, at.debits_posted_minor, here.debits_posted_minor),
                _Missing(account, Side.CREDIT, at.credits_posted_minor, here.credits_posted_minor),
            ]
            # The side that it grows on first, so that it is never below its floor.
            sides.sort(key=lambda one: one.side is not one.account.kind.normal_side)
            missing += [one for one in sides if one.wanted != one.posted]
        for one in missing:
            if one.wanted < one.posted:
                raise Conflict(
                    f"TigerBeetle has more {one.side}s of {one.account.id} than this database; has"
                    " an older state of it been restored?",
                    code="ledger_ahead",
                )
        await self._write(missing, self._told_missing)

    def _told_missing(self, one: "_Missing", attempt: int) -> tb.Transfer:
        own = self._numbers.account(one.account.id)
        opening = self._numbers.account(_opening(one.account.currency))
        step = f"{one.side}:{one.posted}:{one.wanted}:{attempt}"
        told = self._told(one.account.id, step, one.account.currency, one.wanted - one.posted)
        told.debit_account_id = own if one.side is Side.DEBIT else opening
        told.credit_account_id = opening if one.side is Side.DEBIT else own
        return told

    async def _hold(self) -> None:
        """Hold there what is held here."""
        after = ""
        while rows := await self._connection.fetch(statements.OPEN_HOLDS_AFTER, after, _PAGE):
            self._done.holds += len(rows)
            after = rows[-1]["id"]
            numbers = [row["tigerbeetle_id"].int for row in rows if row["tigerbeetle_id"]]
            there = await self._tigerbeetle.transfers(numbers)
            missing = [
                row
                for row in rows
                if row["tigerbeetle_id"] is None or row["tigerbeetle_id"].int not in there
            ]
            await self._write(missing, self._told_hold, self._note)

    def _told_hold(self, row: asyncpg.Record, attempt: int) -> tb.Transfer:
        told = self._told(row["id"], str(attempt), row["currency"], row["amount_minor"])
        told.debit_account_id = self._numbers.account(row["debit_account_id"])
        told.credit_account_id = self._numbers.account(row["credit_account_id"])
        told.flags = tb.TransferFlags.PENDING
        return told

    async def _note(self, rows: Sequence[asyncpg.Record], transfers: Sequence[tb.Transfer]) -> None:
        """Write down what is about to be held, so that it can be voided whatever comes."""
        ids = [row["id"] for row in rows]
        await self._notes.execute(statements.HELD, [UUID(int=one.id) for one in transfers], ids)

    def _told(self, own_id: str, step: str, currency: str, amount_minor: int) -> tb.Transfer:
        return tb.Transfer(
            id=self._numbers.transfer(own_id, Purpose.EXPORT, step),
            amount=amount_minor,
            user_data_128=fingerprint(own_id),
            user_data_64=self._numbers.namespace,
            user_data_32=COMMITTED,
            ledger=ledger_number(currency),
            code=CODE,
        )

    async def _write(
        self,
        items: Sequence[Item],
        told: Callable[[Item, int], tb.Transfer],
        note: Callable[[Sequence[Item], Sequence[tb.Transfer]], Awaitable[None]] | None = None,
    ) -> None:
        """Write what is missing; what was refused on an earlier run, by another id."""
        for attempt in range(_ATTEMPTS_MAX):
            if not items:
                return
            transfers = [told(item, attempt) for item in items]
            if note is not None:
                await note(items, transfers)
            answers = await self._tigerbeetle.write([[each] for each in transfers])
            statuses = [status for [status] in answers]
            self._done.written += statuses.count(tb.CreateTransferStatus.CREATED)
            # What is refused now is so because it has changed while it was read: it is left to the
            # comparison, and to the next run.
            items = [
                item
                for item, status in zip(items, statuses, strict=True)
                if status is tb.CreateTransferStatus.ID_ALREADY_FAILED
            ]

    async def _void_settled(self) -> None:
        """Void there what was brought over and is settled here since."""
        while rows := await self._connection.fetch(statements.SETTLED_SINCE, _PAGE):
            ids = [row["tigerbeetle_id"] for row in rows]
            there = await self._tigerbeetle.transfers([one.int for one in ids])
            voids = [
                [
                    tb.Transfer(
                        id=self._numbers.give_back(number),
                        pending_id=number,
                        user_data_64=self._numbers.namespace,
                        user_data_32=COMMITTED,
                        flags=tb.TransferFlags.VOID_PENDING_TRANSFER,
                    )
                ]
                for number in there
            ]
            statuses = [status for [status] in await self._tigerbeetle.write(voids)]
            assert {*statuses} <= _DONE, f"holds are not voided: {set(statuses) - _DONE}"
            self._done.written += statuses.count(tb.CreateTransferStatus.CREATED)
            await self._notes.execute(statements.NOT_HELD, ids)

    async def _compare(self, accounts: dict[Account, Balance]) -> None:
        there = await self._at_tigerbeetle([*accounts])
        self._done.differences += [
            f"{account.id}: here {here}, there {there[account.id]}"
            for account, here in accounts.items()
            if here != there[account.id]
        ]


def _opening(currency: str) -> str:
    return f"opening {currency}"


async def move(pool: Pool, tigerbeetle: TigerBeetle, *, finish: bool) -> Exported:
    """Bring a database's balances to a cluster.

    Args:
        finish: With writers stopped; if all is equal then, the balances are there from then on.

    Raises:
        ConfigurationError: They are at another cluster, or on the way to it.
    """
    cluster_id = str(tigerbeetle.cluster_id)
    await pool.execute(statements.BEGIN_MOVE, cluster_id, secrets.randbits(63) | 1)
    row = await pool.fetchrow(statements.MOVING)
    assert row is not None, "a move that was begun is not there"
    if row["cluster_id"] != cluster_id:
        raise ConfigurationError(
            f"This database's balances go to cluster {row['cluster_id']}, not {cluster_id}.",
            param="TIGERBEETLE_CLUSTER_ID",
        )
    if not row["is_moving"]:
        return Exported(is_moved=True)
    async with whole_tables(pool) as connection:
        if finish:
            await connection.execute(statements.STOP_WRITERS)
        done = await Export(connection, pool, tigerbeetle, Numbers(row["namespace"])).run()
        if finish and not done.differences:
            await connection.execute(statements.MOVED)
            await connection.execute(statements.REFUSE_CHANGES)
            done.is_moved = True
    return done


async def move_to(pool: Pool, addresses: str, cluster_id: int, *, finish: bool) -> Exported:
    """Do so with a session of its own; see `move`."""
    async with open_tigerbeetle(cluster_id, addresses) as tigerbeetle:
        return await move(pool, tigerbeetle, finish=finish)
