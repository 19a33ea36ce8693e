"""A process that dies between TigerBeetle and PostgreSQL, at every point.

Nothing is lost or doubled. What it had in memory is gone, what it had not committed is rolled back;
the two stores are what is left of it. Another process then does the same again, or nobody does.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import tigerbeetle as tb

from perdure.core.errors import InsufficientFunds
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.model import AccountKind
from perdure.ledger.store import LedgerStore
from perdure.ledger.tigerbeetle import ledger_at
from perdure.ledger.tigerbeetle_client import TigerBeetle
from perdure.ledger.tigerbeetle_owed import read_balance
from perdure.ledger.tigerbeetle_placing import empty_balances
from perdure.storage.pool import Connection, transaction

from .conftest import ADDRESSES, CLUSTER, DEADLINE_S, Store, skip_without_cluster
from .test_ledger_contract import account, move


class Killed(BaseException):
    """The process is gone."""


class Mortal(TigerBeetle):
    """Dies at its nth request that writes: before it is sent, or when it has been done."""

    def __init__(self, *, dies_at: int | None = None, is_done: bool = False) -> None:
        super().__init__(CLUSTER, ADDRESSES, deadline_s=DEADLINE_S)
        self.dies_at, self.is_done = dies_at, is_done
        self.requests = 0
        self.is_dead = False

    async def write(
        self, chains: Sequence[Sequence[tb.Transfer]]
    ) -> list[list[tb.CreateTransferStatus]]:
        self.requests += 1
        dies = self.is_dead or self.requests == self.dies_at
        if dies and not self.is_done:
            self.die()
        statuses = await super().write(chains)
        if dies:
            self.die()
        return statuses

    def die(self) -> None:
        self.is_dead = True
        raise Killed


@dataclass
class World:
    """Two accounts, and what is done with them, each step a commit that can be repeated."""

    bank: str = field(default_factory=lambda: new_id(ACCOUNT))
    wallet: str = field(default_factory=lambda: new_id(ACCOUNT))
    clearing: str = field(default_factory=lambda: new_id(ACCOUNT))
    ids: list[str] = field(default_factory=lambda: [new_id(TRANSFER) for _ in range(12)])

    async def open(self, store: Store) -> None:
        async with transaction(store.pool) as session:
            for new in (
                account(AccountKind.ASSET, id=self.bank, may_go_negative=True),
                account(id=self.wallet),
                account(id=self.clearing, may_go_negative=True),
            ):
                await store.ledger.open_account(session, new)

    @property
    def steps(self) -> list[Callable[[LedgerStore[Connection], Connection], Awaitable[Any]]]:
        return [self.deposit, self.hold, self.pay, self.settle, self.many, self.again, self.end]

    async def deposit(self, ledger: LedgerStore[Connection], session: Connection) -> None:
        await ledger.post(session, move(self.bank, self.wallet, 1000, id=self.ids[0]))

    async def hold(self, ledger: LedgerStore[Connection], session: Connection) -> None:
        await ledger.hold(session, move(self.wallet, self.clearing, 600, id=self.ids[1]))

    async def pay(self, ledger: LedgerStore[Connection], session: Connection) -> None:
        await ledger.post(session, move(self.wallet, self.clearing, 100, id=self.ids[2]))

    async def settle(self, ledger: LedgerStore[Connection], session: Connection) -> None:
        await ledger.post_hold(session, self.ids[1], self.ids[3], 450)

    async def many(self, ledger: LedgerStore[Connection], session: Connection) -> None:
        """Holds of which one is more than there is."""
        amounts = (200, 5000, 250)
        new = [
            move(self.wallet, self.clearing, amount, id=one)
            for amount, one in zip(amounts, self.ids[4:7], strict=True)
        ]
        held = await ledger.hold_many(session, new)
        # What one call of many leaves out, a call of its own does, or says why not.
        for one in new:
            if one.id not in held:
                with pytest.raises(InsufficientFunds) if one is new[1] else nullcontext():
                    await ledger.hold(session, one)

    async def again(self, ledger: LedgerStore[Connection], session: Connection) -> None:
        """What is released is held anew, though the wallet has nothing else."""
        await ledger.void_holds(session, [(self.ids[4], self.ids[7])])
        parts = ((150, self.ids[8]), (50, self.ids[9]))
        new = [move(self.wallet, self.clearing, amount, id=one) for amount, one in parts]
        await ledger.hold_many(session, new)

    async def end(self, ledger: LedgerStore[Connection], session: Connection) -> None:
        await ledger.void_hold(session, self.ids[9], self.ids[10])
        await ledger.post_hold(session, self.ids[8], self.ids[11])

    async def at_tigerbeetle(self, store: Store, tigerbeetle: TigerBeetle) -> list[tuple[int, ...]]:
        """What each account has there, whatever is owed."""
        ids = (self.bank, self.wallet, self.clearing)
        async with store.pool.acquire() as connection:
            accounts = [await store.ledger.get_account(connection, one) for one in ids]
        numbers = (await ledger_at(store.pool, tigerbeetle)).numbers
        found = await tigerbeetle.accounts([numbers.account(one) for one in ids])
        empty = empty_balances(accounts)
        balances = [read_balance(found[numbers.account(one)], empty[one]) for one in ids]
        return [
            (
                each.debits_pending_minor,
                each.debits_posted_minor,
                each.credits_pending_minor,
                each.credits_posted_minor,
            )
            for each in balances
        ]


DONE = [(0, 1000, 0, 0), (250, 700, 0, 1000), (0, 0, 250, 700)]
"""What all of the steps leave, in the order of the accounts: one hold of 250 stays."""


async def do(
    store: Store, mortal: Mortal, world: World, steps: list[Callable[..., Awaitable[Any]]]
) -> int:
    """Do steps until the process dies; returns how many it did."""
    ledger = await ledger_at(store.pool, mortal)
    for number, step in enumerate(steps):
        try:
            async with transaction(store.pool) as session:
                await step(ledger, session)
        except Killed:
            pass
        if mortal.is_dead:
            return number
    return len(steps)


async def heal(store: Store, mortal: Mortal) -> None:
    """What the janitor does, where nobody's work is under way."""
    ledger = await ledger_at(store.pool, mortal)
    await ledger.owed.carry_out_overdue(overdue_s=-1)
    await ledger.owed.give_back_abandoned(abandoned_s=-1)


@pytest.fixture
def store(tigerbeetle_store: Store | None) -> Store:
    skip_without_cluster()
    assert tigerbeetle_store is not None
    return tigerbeetle_store


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("goes_on", [False, True], ids=["for good", "and is done again"])
async def test_a_kill_between_the_two_at_each_request_e13(
    store: Store, is_done: bool, goes_on: bool
) -> None:
    undisturbed, healthy = Mortal(), Mortal()
    world = World()
    await world.open(store)
    await do(store, undisturbed, world, world.steps)
    assert await world.at_tigerbeetle(store, healthy) == DONE
    assert undisturbed.requests > len(world.steps)
    for dies_at in range(1, undisturbed.requests + 1):
        world, mortal = World(), Mortal(dies_at=dies_at, is_done=is_done)
        await world.open(store)
        done = await do(store, mortal, world, world.steps)
        assert mortal.is_dead
        if goes_on:
            # Another process does the step again, and the ones after it; the janitor comes later.
            await do(store, healthy, world, world.steps[done:])
            await heal(store, healthy)
            assert await world.at_tigerbeetle(store, healthy) == DONE, f"died at {dies_at}"
        else:
            await heal(store, healthy)
        assert await store.pool.fetch("SELECT * FROM ledger_tigerbeetle_owed") == []
        await mortal.close()
    assert await store.violations() == []
    await undisturbed.close()
    await healthy.close()
