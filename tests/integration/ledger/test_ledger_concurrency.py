"""The ledger under many transactions at once."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zlib import crc32

import asyncpg
import pytest

from perdure.core.errors import Conflict, InsufficientFunds, PerdureError, Refused
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.model import AccountKind, AccountStatus, NewAccount, NewTransfer, Posted
from perdure.ledger.opened import OpenedLedger
from perdure.ledger.statements_tigerbeetle import SHARE_ACCOUNTS
from perdure.ledger.store_postgres import SHARDS, PostgresLedger
from perdure.ledger.store_tigerbeetle import TigerBeetleLedger
from perdure.storage.pool import Connection, Pool, transaction
from tests.polls import eventually

from .conftest import Store


@dataclass(frozen=True)
class Accounts:
    bank: str
    clearing: str
    wallets: tuple[str, str]


@pytest.fixture
async def accounts(store: Store) -> Accounts:
    """A bank and a clearing account without a floor, and two wallets with 200 each."""
    async with transaction(store.pool) as session:
        bank = await open_account(store, session, AccountKind.ASSET, may_go_negative=True)
        clearing = await open_account(store, session, AccountKind.LIABILITY, may_go_negative=True)
        one = await open_account(store, session, AccountKind.LIABILITY)
        other = await open_account(store, session, AccountKind.LIABILITY)
        for wallet in (one, other):
            await store.ledger.post(session, move(bank, wallet, 200))
    return Accounts(bank, clearing, (one, other))


async def open_account(
    store: Store, session: Connection, kind: AccountKind, *, may_go_negative: bool = False
) -> str:
    new = NewAccount(
        id=new_id(ACCOUNT),
        name="An account",
        kind=kind,
        currency="USD",
        may_go_negative=may_go_negative,
    )
    return (await store.ledger.open_account(session, new)).account.id


def move(
    debit: str, credit: str, amount_minor: int, *, transfer_id: str | None = None
) -> NewTransfer:
    return NewTransfer(
        id=transfer_id or new_id(TRANSFER),
        debit_account_id=debit,
        credit_account_id=credit,
        amount_minor=amount_minor,
        currency="USD",
        code="payment",
    )


async def post(store: Store, new: NewTransfer) -> Posted:
    async with transaction(store.pool) as session:
        return await store.ledger.post(session, new)


async def hold(store: Store, new: NewTransfer) -> Posted:
    async with transaction(store.pool) as session:
        return await store.ledger.hold(session, new)


def outcomes(results: list[Posted | BaseException]) -> Counter[object]:
    """Count what came of each; an error that is not ours is raised."""
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, PerdureError):
            raise result
    return Counter(
        result.created if isinstance(result, Posted) else type(result) for result in results
    )


async def amounts(store: Store, account_id: str) -> tuple[int, int]:
    """What is posted, and what is available."""
    async with transaction(store.pool) as session:
        balance = await store.ledger.balance(session, account_id)
    return balance.posted_minor, balance.available_minor


async def wait_until_blocked(pool: Pool) -> None:
    """Return once a statement of this database waits for a lock."""
    await eventually(
        lambda: pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


async def test_concurrent_holds_never_overdraw(store: Store, accounts: Accounts) -> None:
    wallet, _ = accounts.wallets
    results = await asyncio.gather(
        *(hold(store, move(wallet, accounts.clearing, 10)) for _ in range(50)),
        return_exceptions=True,
    )
    assert outcomes(results) == {True: 20, InsufficientFunds: 30}
    assert await amounts(store, wallet) == (200, 0)
    assert await store.violations() == []


async def test_opposite_transfers_do_not_wait_in_a_circle(store: Store, accounts: Accounts) -> None:
    one, other = accounts.wallets
    pairs = [(one, other), (other, one), (one, accounts.clearing), (accounts.clearing, one)]

    async def hold_and_post(debit: str, credit: str) -> Posted:
        held = await hold(store, move(debit, credit, 1))
        async with transaction(store.pool) as session:
            return await store.ledger.post_hold(session, held.transfer.id, new_id(TRANSFER))

    results = await asyncio.gather(
        *(post(store, move(*pair, 1)) for _ in range(40) for pair in pairs),
        *(hold_and_post(*pair) for _ in range(40) for pair in pairs),
        return_exceptions=True,
    )
    assert outcomes(results) == {True: 320}
    assert [await amounts(store, wallet) for wallet in accounts.wallets] == [(200, 200)] * 2
    assert await store.violations() == []


async def test_one_of_many_settlements_wins(store: Store, accounts: Accounts) -> None:
    wallet, _ = accounts.wallets
    past = datetime.now(UTC) - timedelta(minutes=1)
    for expires_at in (None, past):
        new = move(wallet, accounts.clearing, 50)
        async with transaction(store.pool) as session:
            await store.ledger.hold(session, new, expires_at=expires_at)

        async def settle(number: int, hold_id: str = new.id) -> Posted:
            async with transaction(store.pool) as session:
                kind = (store.ledger.post_hold, store.ledger.void_hold, store.ledger.expire_hold)[
                    number % 3
                ]
                return await kind(session, hold_id, new_id(TRANSFER))

        results = await asyncio.gather(*map(settle, range(15)), return_exceptions=True)
        assert outcomes(results) == {True: 1, Conflict: 14}
    assert await store.violations() == []


async def test_one_settlement_sent_many_times_happens_once(
    store: Store, accounts: Accounts
) -> None:
    wallet, _ = accounts.wallets
    held = await hold(store, move(wallet, accounts.clearing, 50))
    settling_id = new_id(TRANSFER)

    async def settle() -> Posted:
        async with transaction(store.pool) as session:
            return await store.ledger.post_hold(session, held.transfer.id, settling_id, 20)

    results = await asyncio.gather(*(settle() for _ in range(10)), return_exceptions=True)
    assert outcomes(results) == {True: 1, False: 9}
    assert await amounts(store, wallet) == (180, 180)


async def test_one_transfer_sent_many_times_happens_once(store: Store, accounts: Accounts) -> None:
    wallet, _ = accounts.wallets
    # It takes all there is, so a second one would also be short of funds.
    new = move(wallet, accounts.clearing, 200)
    results = await asyncio.gather(*(post(store, new) for _ in range(10)), return_exceptions=True)
    assert outcomes(results) == {True: 1, False: 9}
    assert await amounts(store, wallet) == (0, 0)


async def test_transfers_of_an_account_without_a_floor_do_not_queue(
    store: Store, accounts: Accounts
) -> None:
    one, other = accounts.wallets
    first = move(one, accounts.clearing, 1)
    while shard_of(second_id := new_id(TRANSFER)) == shard_of(first.id):
        pass
    async with transaction(store.pool) as session:
        await store.ledger.post(session, first)
        async with transaction(store.pool) as beside:
            await beside.execute("SET LOCAL lock_timeout = '5s'")
            second = await store.ledger.post(
                beside, move(other, accounts.clearing, 1, transfer_id=second_id)
            )
    assert second.created
    assert await amounts(store, accounts.clearing) == (2, 2)


def shard_of(transfer_id: str) -> int:
    return crc32(transfer_id.encode()) % SHARDS


async def test_a_transfer_that_waited_for_a_freeze_is_refused(
    store: Store, accounts: Accounts
) -> None:
    wallet, _ = accounts.wallets
    async with transaction(store.pool) as session:
        await store.ledger.set_account_status(session, wallet, AccountStatus.FROZEN)
        waiting = asyncio.create_task(post(store, move(wallet, accounts.clearing, 1)))
        await wait_until_blocked(store.pool)
    with pytest.raises(Refused) as refused:
        await waiting
    assert refused.value.code == "account_not_open"
    assert await amounts(store, wallet) == (200, 200)


async def test_a_transfer_that_waited_for_another_sees_what_it_left(
    store: Store, accounts: Accounts
) -> None:
    store.skip_elsewhere("nobody waits: what is reserved first is there first")
    wallet, _ = accounts.wallets
    async with transaction(store.pool) as session:
        await store.ledger.post(session, move(wallet, accounts.clearing, 150))
        waiting = asyncio.create_task(post(store, move(wallet, accounts.clearing, 51)))
        await wait_until_blocked(store.pool)
    with pytest.raises(InsufficientFunds):
        await waiting


async def test_a_closing_that_waited_for_a_deposit_is_refused(
    store: Store, accounts: Accounts
) -> None:
    async def close(account_id: str) -> None:
        async with transaction(store.pool) as session:
            await store.ledger.set_account_status(session, account_id, AccountStatus.CLOSED)

    async with transaction(store.pool) as session:
        empty = await open_account(store, session, AccountKind.LIABILITY)
    async with transaction(store.pool) as session:
        await store.ledger.post(session, move(accounts.bank, empty, 1))
        waiting = asyncio.create_task(close(empty))
        await wait_until_blocked(store.pool)
    with pytest.raises(Conflict) as refused:
        await waiting
    assert refused.value.code == "account_not_empty"


async def test_who_closes_an_account_at_tigerbeetle_waits_for_its_transfers(pool: Pool) -> None:
    here = Store(pool, OpenedLedger(PostgresLedger()))
    async with transaction(pool) as session:
        account_id = await open_account(here, session, AccountKind.LIABILITY)
    async with transaction(pool) as placing, transaction(pool) as closing:
        await placing.fetch(SHARE_ACCOUNTS, [account_id], [])
        await closing.execute("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            # To lock needs no cluster, so none is opened.
            await TigerBeetleLedger.lock_account(cast("Any", None), closing, account_id)
