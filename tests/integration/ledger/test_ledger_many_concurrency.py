"""Batches of transfers, from many connections at once and against single ones."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from perdure.core.errors import Conflict
from perdure.core.ids import TRANSFER, new_id
from perdure.ledger.model import AccountKind, AccountStatus, HoldState, NewTransfer
from perdure.storage.pool import transaction

from .conftest import Store
from .test_ledger_concurrency import (
    amounts,
    hold,
    move,
    open_account,
    post,
    shard_of,
    wait_until_blocked,
)

Posts = list[tuple[str, str]]


@dataclass(frozen=True)
class Accounts:
    bank: str
    clearing: str
    wallets: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        return [self.bank, self.clearing, *self.wallets]


@pytest.fixture
async def accounts(store: Store) -> Accounts:
    """Two accounts without a floor, and three wallets with 10,000 each."""
    async with transaction(store.pool) as session:
        bank = await open_account(store, session, AccountKind.ASSET, may_go_negative=True)
        clearing = await open_account(store, session, AccountKind.LIABILITY, may_go_negative=True)
        wallets = [await open_account(store, session, AccountKind.LIABILITY) for _ in range(3)]
        for wallet in wallets:
            await store.ledger.post(session, move(bank, wallet, 10_000))
    return Accounts(bank, clearing, tuple(wallets))


async def hold_many(store: Store, new: Iterable[NewTransfer]) -> frozenset[str]:
    async with transaction(store.pool) as session:
        return await store.ledger.hold_many(session, list(new))


async def post_holds(store: Store, posts: Iterable[tuple[str, str]]) -> frozenset[str]:
    async with transaction(store.pool) as session:
        return await store.ledger.post_holds(session, list(posts))


async def post_hold(store: Store, hold_id: str) -> bool:
    """Post a hold by itself; returns whether it was still open."""
    try:
        async with transaction(store.pool) as session:
            return (await store.ledger.post_hold(session, hold_id, new_id(TRANSFER))).created
    except Conflict:
        return False


def with_new_ids(hold_ids: Iterable[str]) -> Posts:
    return [(hold_id, new_id(TRANSFER)) for hold_id in hold_ids]


@pytest.mark.parametrize("seed", range(4))
async def test_batches_and_single_transfers_do_not_wait_in_a_circle(
    store: Store, accounts: Accounts, seed: int
) -> None:
    random = Random(seed)

    def any_move() -> NewTransfer:
        debit, credit = random.sample(accounts.ids, 2)
        return move(debit, credit, random.randint(1, 5))

    batches = [[any_move() for _ in range(60)] for _ in range(6)]
    singles = [any_move() for _ in range(40)]
    # A deadlock is an asyncpg error, and raised here.
    written, held = await asyncio.gather(
        asyncio.gather(*(hold_many(store, batch) for batch in batches)),
        asyncio.gather(*(hold(store, new) for new in singles)),
    )
    assert written == [{new.id for new in batch} for batch in batches]
    assert all(posted.created for posted in held)
    hold_ids = [new.id for batch in (*batches, singles) for new in batch]

    # Each hold is in two batches, and a third of them is also posted alone.
    settling = [random.sample(hold_ids, len(hold_ids)) for _ in range(2)]
    chunks = [ids[start : start + 80] for ids in settling for start in range(0, len(ids), 80)]
    alone = random.sample(hold_ids, len(hold_ids) // 3)
    in_batches, one_by_one = await asyncio.gather(
        asyncio.gather(*(post_holds(store, with_new_ids(chunk)) for chunk in chunks)),
        asyncio.gather(*(post_hold(store, hold_id) for hold_id in alone)),
    )
    won = Counter(hold_id for posted in in_batches for hold_id in posted)
    won.update(hold_id for hold_id, posted in zip(alone, one_by_one, strict=True) if posted)
    assert won == Counter(hold_ids)
    assert await store.violations() == []


async def test_several_calls_of_a_transaction_do_not_wait_in_a_circle(
    store: Store, accounts: Accounts
) -> None:
    clearing, (first, second, _) = accounts.clearing, accounts.wallets

    async def settle(buyer: str, seller: str) -> None:
        holds = [move(buyer, clearing, 1) for _ in range(5)]
        await hold_many(store, holds)
        payouts = [move(clearing, seller, 1) for _ in holds]
        async with transaction(store.pool) as session:
            await store.ledger.lock_for(session, [new.id for new in holds], payouts)
            posts = with_new_ids(new.id for new in holds)
            assert len(await store.ledger.post_holds(session, posts)) == len(holds)
            await asyncio.sleep(0)
            assert await store.ledger.post_many(session, payouts) == {new.id for new in payouts}

    # A deadlock is an asyncpg error, and raised here.
    await asyncio.gather(
        *(settle(*pair) for pair in [(first, second), (second, first)] for _ in range(8))
    )
    assert await amounts(store, clearing) == (0, 0)
    assert await store.violations() == []


@pytest.mark.parametrize("seed", range(4))
async def test_a_batch_sent_many_times_at_once_is_written_once(
    store: Store, accounts: Accounts, seed: int
) -> None:
    # No floor on either side: calls that begin with another transfer share no balance row.
    batch = [move(accounts.bank, accounts.clearing, 1) for _ in range(100)]
    orders = [Random(seed * 10 + number).sample(batch, len(batch)) for number in range(8)]
    written = await asyncio.gather(*(hold_many(store, order) for order in orders))
    assert Counter(each for ids in written for each in ids) == Counter(new.id for new in batch)

    posts = with_new_ids(new.id for new in batch)
    posted = await asyncio.gather(
        *(post_holds(store, Random(seed).sample(posts, len(posts))) for _ in range(8))
    )
    assert Counter(each for ids in posted for each in ids) == Counter(new.id for new in batch)
    assert await amounts(store, accounts.clearing) == (100, 100)
    assert await store.violations() == []


async def test_concurrent_batches_never_overdraw(store: Store, accounts: Accounts) -> None:
    wallet = accounts.wallets[0]
    batches = [[move(wallet, accounts.clearing, 100) for _ in range(30)] for _ in range(5)]
    singles = [move(wallet, accounts.clearing, 100) for _ in range(20)]
    written, held = await asyncio.gather(
        asyncio.gather(*(hold_many(store, batch) for batch in batches)),
        asyncio.gather(*(hold(store, new) for new in singles), return_exceptions=True),
    )
    won = sum(map(len, written)) + sum(not isinstance(each, BaseException) for each in held)
    assert won == 100
    assert await amounts(store, wallet) == (10_000, 0)
    assert await store.violations() == []


async def test_a_batch_that_waited_sees_what_was_left(store: Store, accounts: Accounts) -> None:
    store.skip_elsewhere("nobody waits: what is reserved first is there first")
    wallet, other, _ = accounts.wallets
    batch = [move(wallet, accounts.clearing, 20), move(wallet, other, 20), move(other, wallet, 1)]
    async with transaction(store.pool) as session:
        await store.ledger.post(session, move(wallet, accounts.clearing, 9_970))
        waiting = asyncio.create_task(hold_many(store, batch))
        await wait_until_blocked(store.pool)
    assert await waiting == {batch[0].id, batch[2].id}
    assert await amounts(store, wallet) == (30, 10)
    assert await store.violations() == []


async def test_a_batch_that_waited_for_a_freeze_leaves_that_account_out(
    store: Store, accounts: Accounts
) -> None:
    wallet, other, third = accounts.wallets
    batch = [move(other, third, 1), move(wallet, other, 1), move(third, wallet, 1)]
    async with transaction(store.pool) as session:
        await store.ledger.set_account_status(session, wallet, AccountStatus.FROZEN)
        waiting = asyncio.create_task(hold_many(store, batch))
        await wait_until_blocked(store.pool)
    assert await waiting == {batch[0].id}
    assert await store.violations() == []


async def test_batches_on_accounts_without_a_floor_do_not_queue(
    store: Store, accounts: Accounts
) -> None:
    one, other, _ = accounts.wallets
    first = [move(one, accounts.clearing, 1) for _ in range(20)]
    second = [move(other, accounts.clearing, 1) for _ in range(20)]
    while shard_of(second[0].id) == shard_of(first[0].id):
        second.append(second.pop(0))
    async with transaction(store.pool) as session:
        await store.ledger.hold_many(session, first)
        async with transaction(store.pool) as beside:
            await beside.execute("SET LOCAL lock_timeout = '5s'")
            written = await store.ledger.hold_many(beside, second)
    assert written == {new.id for new in second}
    assert await store.violations() == []


async def test_a_hold_voided_meanwhile_is_left_out_of_the_posting(
    store: Store, accounts: Accounts
) -> None:
    batch = [move(accounts.wallets[0], accounts.clearing, 10) for _ in range(3)]
    await hold_many(store, batch)
    async with transaction(store.pool) as session:
        await store.ledger.void_hold(session, batch[1].id, new_id(TRANSFER))
        waiting = asyncio.create_task(post_holds(store, with_new_ids(new.id for new in batch)))
        await wait_until_blocked(store.pool)
    assert await waiting == {batch[0].id, batch[2].id}
    assert await amounts(store, accounts.wallets[0]) == (9_980, 9_980)
    assert await store.violations() == []


async def test_only_holds_that_can_be_posted_are(store: Store, accounts: Accounts) -> None:
    wallet = accounts.wallets[0]
    past = datetime.now(UTC) - timedelta(minutes=1)
    open_one, later, taken, twice, malformed = (
        move(wallet, accounts.clearing, 10) for _ in range(5)
    )
    lapsed = move(wallet, accounts.clearing, 10)
    await hold_many(store, [open_one, taken, twice, malformed])
    async with transaction(store.pool) as session:
        await store.ledger.hold(session, lapsed, expires_at=past)
        await store.ledger.hold(session, later, expires_at=datetime.now(UTC) + timedelta(days=1))
    no_hold, another = [await post(store, move(wallet, accounts.clearing, 1)) for _ in range(2)]

    posts = [
        *with_new_ids([open_one.id, later.id, lapsed.id, twice.id, twice.id]),
        (no_hold.transfer.id, new_id(TRANSFER)),
        (taken.id, another.transfer.id),
        (malformed.id, "pay_1"),
        *with_new_ids(["", "ltr_none"]),
    ]
    assert await post_holds(store, posts) == {open_one.id, later.id}
    async with transaction(store.pool) as session:
        left = [
            await store.ledger.get_hold(session, new.id)
            for new in (taken, twice, malformed, lapsed)
        ]
    assert {each.state for each in left} == {HoldState.PENDING}
    assert await store.violations() == []
