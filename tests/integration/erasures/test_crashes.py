"""An erasure that is broken off at any of its commits goes on, and ends as one that was not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import asyncpg
import pytest

from perdure.capability.assembly import kept_traces
from perdure.core.clock import utc_now
from perdure.core.errors import Conflict, NotFound, Refused, TurnPending
from perdure.core.ids import new_id
from perdure.durable import later
from perdure.erasures import activities
from perdure.erasures.acceptance import ErasureAcceptance
from perdure.erasures.activities import ErasureActivities
from perdure.erasures.contracts import ErasureInput, ErasureRequest
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations import steps as operation_steps
from perdure.operations import store
from perdure.operations.archive import Archive
from perdure.operations.model import By, NewOperation, Operation
from perdure.operations.steps import TransactionalSteps
from perdure.storage.pool import Connection, Pool, open_pool, transaction
from tests.servers import migrated_database

from .planting import PARTY, TEXTS, plant
from .searching import found_in_database

BY: Final = By("tests", "Grace Hopper asked for it.")


@pytest.fixture(scope="module")
async def apart(postgres_url: str) -> AsyncIterator[Pool]:
    """A database of these tests' own: all of it is looked at."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=5) as pool:
        yield pool


class Crash(Exception):
    """The process dies."""


class Waking(later.Waking):
    """Workflows that begin at a moment; those that are left have not ended."""

    def __init__(self) -> None:
        self.left: set[str] = set()
        self.woken: list[str] = []

    async def is_over(self, workflow_id: str, *, reason: str) -> bool:
        self.woken.append(workflow_id)
        return workflow_id not in self.left


class World:
    """A customer with traces everywhere, and an erasure whose commits may be its last."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.customer_id = f"cus_{uuid4().hex[:8]}"
        self.acceptance = ErasureAcceptance(PostgresLedger(), kept_traces())
        self.waking = Waking()
        self.steps = ErasureActivities(
            pool,
            TransactionalSteps(pool),
            PostgresLedger(),
            kept_traces(),
            self.waking,
            keys_known_s=0,
            is_encrypted=True,
        )

    async def accept(self) -> Operation:
        async with transaction(self.pool) as connection:
            return await self.acceptance.accept(connection, self.customer_id, BY)

    async def run(self, erasure: Operation) -> None:
        """Run all steps, those that are done already too, as who goes on does."""
        given = ErasureInput(erasure.id, ErasureRequest(self.customer_id))
        steps: list[Callable[[ErasureInput], Awaitable[Any]]] = [
            self.steps.settle_down,
            self.steps.erase_mentions,
            self.steps.empty_fields,
            self.steps.retire_keys,
            self.steps.delete_keys,
        ]
        for step in steps:
            await step(given)

    async def plant(self) -> list[str]:
        """Have the customer be named wherever one may be; returns the operations."""
        async with transaction(self.pool) as connection:
            return await plant(connection, self.customer_id)


def crash_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have the process die before its n-th commit from now on, counted over all it does."""
    left = [number]

    @asynccontextmanager
    async def breaking(pool: Pool) -> AsyncIterator[Connection]:
        async with transaction(pool) as connection:
            yield connection
            left[0] -= 1
            if left[0] == 0:
                raise Crash

    for module in (activities, operation_steps):
        monkeypatch.setattr(module, "transaction", breaking)


async def test_one_that_dies_before_any_of_its_commits_ends_as_any_other_e13(
    apart: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(apart)
    ids = await world.plant()
    # Long ago: what is known of it is in the archive.
    later = utc_now() + timedelta(days=30)
    archive = Archive(apart, timedelta(days=20), clock=lambda: later)
    assert await archive.look() >= len(ids)
    found = await found_in_database(apart, TEXTS)
    assert len(found) > 15
    assert any(one.startswith("archived_operations_") for one in found)
    erasure = await world.accept()
    crashes = 0
    while True:
        # Each try gets one commit further than the one before it.
        with monkeypatch.context() as patched:
            crash_at(patched, crashes + 1)
            try:
                await world.run(erasure)
                break
            except Crash:
                crashes += 1
    assert crashes > 10
    assert await found_in_database(apart, TEXTS) == set()
    ended = await store.get(apart, erasure.id)
    assert (ended.status, ended.result) == ("succeeded", {"keys": 2, "histories": "unreadable"})
    # What is another's stays, in what was shared too.
    trade = await store.get(apart, ids[-1])
    assert trade.input["request"]["seller"]["name"] == "Bob Cratchit"
    told = await apart.fetch(
        "SELECT recipient FROM notifications WHERE operation_id = ANY($1)", ids
    )
    assert [row["recipient"] for row in told] == ["bob@example.com"]
    kept = await apart.fetchval("SELECT convert_from(body, 'UTF8') FROM idempotency_keys")
    assert '{"customer_id":"cus_other","customer":{"name":"Bob"}}' in kept


async def test_nothing_more_is_taken_in_and_who_called_it_off_is_as_before(apart: Pool) -> None:
    world = World(apart)
    (first, *_) = await world.plant()
    erasure = await world.accept()
    assert (await world.accept()).id == erasure.id
    operation_id = new_id("tfr")
    new = NewOperation(operation_id, "transfer", world.customer_id, {"request": {}})
    async with apart.acquire() as connection:
        with pytest.raises(Refused) as met:
            await store.accept(connection, new, actor="tests")
    assert met.value.code == "customer_erased"
    given = ErasureInput(erasure.id, ErasureRequest(world.customer_id))
    await world.steps.close(given)
    assert (await store.get(apart, erasure.id)).status == "cancelled"
    assert (await store.get(apart, first)).input["request"]["customer"] == PARTY
    async with apart.acquire() as connection:
        assert (await store.accept(connection, new, actor="tests")).id == operation_id
    with pytest.raises(Conflict) as left:
        await world.accept()
    assert left.value.code == "operations_open"
    assert operation_id in left.value.message


async def test_it_waits_for_what_began_before_it(apart: Pool) -> None:
    world = World(apart)
    await world.plant()
    async with apart.acquire() as late, late.transaction():
        await late.execute("INSERT INTO janitor_marks (name, mark) VALUES ($1, now())", "late")
        erasure = await world.accept()
        with pytest.raises(TurnPending) as met:
            await world.run(erasure)
    assert met.value.code == "transactions_open"
    await world.run(erasure)


async def test_nobody_is_not_found_and_the_trail_is_only_added_to_otherwise(apart: Pool) -> None:
    world = World(apart)
    with pytest.raises(NotFound):
        await world.accept()
    (first, *_) = await world.plant()
    for setting, change in (("off", "reason = 'x'"), ("on", "actor = 'x'")):
        script = (
            f"SET LOCAL perdure.erasing = '{setting}'; UPDATE operation_trail SET {change}"
            f" WHERE operation_id = '{first}'"
        )
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await apart.execute(script)


async def test_what_waits_for_a_moment_is_woken_and_has_ended_first(apart: Pool) -> None:
    world = World(apart)
    (first, *_) = await world.plant()
    kind = "UPDATE operations SET kind = $2, status = 'succeeded' WHERE id = $1 RETURNING kind"
    before = await apart.fetchval("SELECT kind FROM operations WHERE id = $1", first)
    erasure = await world.accept()
    await apart.execute(kind, first, "onboarding")
    world.waking.left = {f"{first}-follow-up"}
    given = ErasureInput(erasure.id, ErasureRequest(world.customer_id))
    with pytest.raises(TurnPending, match=f"{first}-follow-up"):
        await world.steps.settle_down(given)
    world.waking.left = set()
    await world.steps.settle_down(given)
    assert f"{first}-recheck-1" in world.waking.woken
    await apart.execute(kind, first, before)
    await world.run(erasure)
