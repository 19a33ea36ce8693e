"""The ledger under many transactions at once."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

import pytest

from perdure.core.errors import Conflict, InsufficientFunds, PerdureError, Refused
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.model import AccountKind, AccountStatus, NewAccount, NewTransfer, Posted
from perdure.ledger.store_postgres import SHARDS, PostgresLedger
from perdure.ledger.verify import violations
from perdure.storage.pool import Connection, Pool, transaction
from tests.polls import eventually

LEDGER = PostgresLedger()


@dataclass(frozen=True)
class Accounts:
    bank: str
    clearing: str
    wallets: tuple[str, str]


@pytest.fixture
async def accounts(pool: Pool) -> Accounts:
    """A bank and a clearing account without a floor, and two wallets with 200 each."""
    async with transaction(pool) as session:
        bank = await open_account(session, AccountKind.ASSET, may_go_negative=True)
        clearing = await open_account(session, AccountKind.LIABILITY, may_go_negative=True)
        one = await open_account(session, AccountKind.LIABILITY)
        other = await open_account(session, AccountKind.LIABILITY)
        for wallet in (one, other):
            await LEDGER.post(session, move(bank, wallet, 200))
    return Accounts(bank, clearing, (one, other))


async def open_account(
    session: Connection, kind: AccountKind, *, may_go_negative: bool = False
) -> str:
    new = NewAccount(
        id=new_id(ACCOUNT),
        name="An account",
        kind=kind,
        currency="USD",
        may_go_negative=may_go_negative,
    )
    return (await LEDGER.open_account(session, new)).account.id


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


async def post(pool: Pool, new: NewTransfer) -> Posted:
    async with transaction(pool) as session:
        return await LEDGER.post(session, new)


async def hold(pool: Pool, new: NewTransfer) -> Posted:
    async with transaction(pool) as session:
        return await LEDGER.hold(session, new)


def outcomes(results: list[Posted | BaseException]) -> Counter[object]:
    """Count what came of each; an error that is not ours is raised."""
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, PerdureError):
            raise result
    return Counter(
        result.created if isinstance(result, Posted) else type(result) for result in results
    )


async def amounts(pool: Pool, account_id: str) -> tuple[int, int]:
    """What is posted, and what is available."""
    async with transaction(pool) as session:
        balance = await LEDGER.balance(session, account_id)
    return balance.posted_minor, balance.available_minor


async def wait_until_blocked(pool: Pool) -> None:
    """Return once a statement of this database waits for a lock."""
    await eventually(
        lambda: pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


async def test_concurrent_holds_never_overdraw(pool: Pool, accounts: Accounts) -> None:
    wallet, _ = accounts.wallets
    results = await asyncio.gather(
        *(hold(pool, move(wallet, accounts.clearing, 10)) for _ in range(50)),
        return_exceptions=True,
    )
    assert outcomes(results) == {True: 20, InsufficientFunds: 30}
    assert await amounts(pool, wallet) == (200, 0)
    assert await violations(pool) == []


async def test_opposite_transfers_do_not_wait_in_a_circle(pool: Pool, accounts: Accounts) -> None:
    one, other = accounts.wallets
    pairs = [(one, other), (other, one), (one, accounts.clearing), (accounts.clearing, one)]

    async def hold_and_post(debit: str, credit: str) -> Posted:
        held = await hold(pool, move(debit, credit, 1))
        async with transaction(pool) as session:
            return await LEDGER.post_hold(session, held.transfer.id, new_id(TRANSFER))

    results = await asyncio.gather(
        *(post(pool, move(*pair, 1)) for _ in range(40) for pair in pairs),
        *(hold_and_post(*pair) for _ in range(40) for pair in pairs),
        return_exceptions=True,
    )
    assert outcomes(results) == {True: 320}
    assert [await amounts(pool, wallet) for wallet in accounts.wallets] == [(200, 200)] * 2
    assert await violations(pool) == []


async def test_one_of_many_settlements_wins(pool: Pool, accounts: Accounts) -> None:
    wallet, _ = accounts.wallets
    past = datetime.now(UTC) - timedelta(minutes=1)
    for expires_at in (None, past):
        new = move(wallet, accounts.clearing, 50)
        async with transaction(pool) as session:
            await LEDGER.hold(session, new, expires_at=expires_at)

        async def settle(number: int, hold_id: str = new.id) -> Posted:
            async with transaction(pool) as session:
                kind = (LEDGER.post_hold, LEDGER.void_hold, LEDGER.expire_hold)[number % 3]
                return await kind(session, hold_id, new_id(TRANSFER))

        results = await asyncio.gather(*map(settle, range(15)), return_exceptions=True)
        assert outcomes(results) == {True: 1, Conflict: 14}
    assert await violations(pool) == []


async def test_one_settlement_sent_many_times_happens_once(pool: Pool, accounts: Accounts) -> None:
    wallet, _ = accounts.wallets
    held = await hold(pool, move(wallet, accounts.clearing, 50))
    settling_id = new_id(TRANSFER)

    async def settle() -> Posted:
        async with transaction(pool) as session:
            return await LEDGER.post_hold(session, held.transfer.id, settling_id, 20)

    results = await asyncio.gather(*(settle() for _ in range(10)), return_exceptions=True)
    assert outcomes(results) == {True: 1, False: 9}
    assert await amounts(pool, wallet) == (180, 180)


async def test_one_transfer_sent_many_times_happens_once(pool: Pool, accounts: Accounts) -> None:
    wallet, _ = accounts.wallets
    # It takes all there is, so a second one would also be short of funds.
    new = move(wallet, accounts.clearing, 200)
    results = await asyncio.gather(*(post(pool, new) for _ in range(10)), return_exceptions=True)
    assert outcomes(results) == {True: 1, False: 9}
    assert await amounts(pool, wallet) == (0, 0)


async def test_transfers_of_an_account_without_a_floor_do_not_queue(
    pool: Pool, accounts: Accounts
) -> None:
    one, other = accounts.wallets
    first = move(one, accounts.clearing, 1)
    while shard_of(second_id := new_id(TRANSFER)) == shard_of(first.id):
        pass
    async with transaction(pool) as session:
        await LEDGER.post(session, first)
        async with transaction(pool) as beside:
            await beside.execute("SET LOCAL lock_timeout = '5s'")
            second = await LEDGER.post(
                beside, move(other, accounts.clearing, 1, transfer_id=second_id)
            )
    assert second.created
    assert await amounts(pool, accounts.clearing) == (2, 2)


def shard_of(transfer_id: str) -> int:
    return crc32(transfer_id.encode()) % SHARDS


async def test_a_transfer_that_waited_for_a_freeze_is_refused(
    pool: Pool, accounts: Accounts
) -> None:
    wallet, _ = accounts.wallets
    async with transaction(pool) as session:
        await LEDGER.set_account_status(session, wallet, AccountStatus.FROZEN)
        waiting = asyncio.create_task(post(pool, move(wallet, accounts.clearing, 1)))
        await wait_until_blocked(pool)
    with pytest.raises(Refused) as refused:
        await waiting
    assert refused.value.code == "account_not_open"
    assert await amounts(pool, wallet) == (200, 200)


async def test_a_transfer_that_waited_for_another_sees_what_it_left(
    pool: Pool, accounts: Accounts
) -> None:
    wallet, _ = accounts.wallets
    async with transaction(pool) as session:
        await LEDGER.post(session, move(wallet, accounts.clearing, 150))
        waiting = asyncio.create_task(post(pool, move(wallet, accounts.clearing, 51)))
        await wait_until_blocked(pool)
    with pytest.raises(InsufficientFunds):
        await waiting


async def test_a_closing_that_waited_for_a_deposit_is_refused(
    pool: Pool, accounts: Accounts
) -> None:
    async def close(account_id: str) -> None:
        async with transaction(pool) as session:
            await LEDGER.set_account_status(session, account_id, AccountStatus.CLOSED)

    async with transaction(pool) as session:
        empty = await open_account(session, AccountKind.LIABILITY)
    async with transaction(pool) as session:
        await LEDGER.post(session, move(accounts.bank, empty, 1))
        waiting = asyncio.create_task(close(empty))
        await wait_until_blocked(pool)
    with pytest.raises(Conflict) as refused:
        await waiting
    assert refused.value.code == "account_not_empty"
