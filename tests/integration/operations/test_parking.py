"""What an operator holds is not gone forward with, whoever runs it; and the janitor leaves it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from temporalio.client import Client

from perdure.capability.assembly import operation_kinds
from perdure.core.errors import OperationParked
from perdure.durable.engine import TemporalEngine
from perdure.durable.queues import QueueNames
from perdure.operations import store
from perdure.operations.actions import OperatorActions
from perdure.operations.engine import RunState
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.janitor import Janitor, JanitorTimes
from perdure.operations.model import By, Operation, Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.storage.pool import Connection, Pool, open_pool, transaction
from tests.servers import migrated_database

from .conftest import NewOperationMaker

ADA = By("ada", "Looking into it.")


@pytest.fixture(scope="module")
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A database of its own: what is ended here was begun here."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=5) as opened:
        yield opened


async def begins_nothing(_: Operation) -> None:
    raise AssertionError("nothing is begun")


@pytest.fixture
async def actions(pool: Pool) -> OperatorActions:
    """The actions, with an engine at an address where nobody answers."""
    client = await Client.connect("127.0.0.1:1", lazy=True)
    engine = TemporalEngine(client, operation_kinds(), QueueNames())
    return OperatorActions(pool, engine, {}, begins_nothing)


async def test_no_step_begins_alone_or_in_a_group(
    pool: Pool, actions: OperatorActions, accept: NewOperationMaker
) -> None:
    operation = await accept()
    steps = TransactionalSteps(pool)
    done: list[str] = []

    async def one(step: StepTransaction, given: str) -> str:
        done.append(given)
        return given

    async def many(_: Connection, given: Any) -> dict[str, StepDone[str]]:
        done.extend(given)
        return {found: StepDone(value) for found, value in given.items()}

    grouped = GroupedStep(pool, steps, "grouped", one=one, many=many, returns=str)
    await actions.park(operation.id, ADA)
    with pytest.raises(OperationParked, match="An operator holds it"):
        await grouped.run(operation.id, "given")
    with pytest.raises(OperationParked):
        await steps.run(operation.id, "alone", "given", lambda step: one(step, "x"), returns=str)
    assert done == []
    await actions.release(operation.id, ADA)
    assert await grouped.run(operation.id, "given") == "given"


@dataclass
class Provider:
    """Answers, and does something else before that."""

    before: Any = None
    calls: int = 0

    async def create(self) -> str:
        self.calls += 1
        if self.before is not None:
            await self.before()
        return "yes"

    async def find(self) -> str | None:
        return None

    def call(self, operation_id: str) -> ProviderCall[str, str]:
        return ProviderCall(
            operation_id=operation_id,
            step="charge",
            provider="gateway",
            reference=operation_id,
            returns=str,
            timeout_s=30,
            create=self.create,
            find=self.find,
            expects=None,
            outcome=lambda said: said,
            status_after=Status.WAITING,
        )


async def test_no_provider_is_called(
    pool: Pool, actions: OperatorActions, accept: NewOperationMaker
) -> None:
    operation, provider = await accept(), Provider()
    await actions.park(operation.id, ADA)
    with pytest.raises(OperationParked):
        await ProviderCalls(pool).get_or_create(provider.call(operation.id))
    assert provider.calls == 0


async def test_a_call_under_way_is_recorded_and_the_operation_stays_parked(
    pool: Pool, actions: OperatorActions, accept: NewOperationMaker
) -> None:
    operation = await accept()

    async def park() -> None:
        await actions.park(operation.id, ADA)

    assert await ProviderCalls(pool).get_or_create(Provider(park).call(operation.id)) == "yes"
    row = await store.get(pool, operation.id)
    assert row.status == Status.NEEDS_ATTENTION
    assert row.failure is not None
    assert row.failure.code == "parked_by_operator"
    state = await pool.fetchval(
        "SELECT state FROM provider_calls WHERE operation_id = $1", operation.id
    )
    assert state == "answered"


async def test_what_is_being_undone_is_undone_further_once_it_is_relaunched(
    pool: Pool, actions: OperatorActions, accept: NewOperationMaker
) -> None:
    operation = await accept()
    steps = TransactionalSteps(pool)
    assert await steps.begin_reversal(operation.id)
    async with transaction(pool) as connection:
        locked = await store.lock(connection, operation.id)
        await store.move(connection, locked, Status.NEEDS_ATTENTION, action="parked")
    done = await actions.relaunch(operation.id, ADA)
    assert done.operation.status == Status.REVERSING


@dataclass
class ActedOnMeanwhile:
    """An engine that says what was true, while somebody else parks and resumes the operation."""

    pool: Pool
    actions: OperatorActions
    ended: str
    kinds: frozenset[str] = frozenset({"payment"})

    async def run_state(self, operation_id: str) -> RunState:
        assert operation_id == self.ended
        async with transaction(self.pool) as connection:
            locked = await store.lock(connection, operation_id)
            await store.move(connection, locked, Status.NEEDS_ATTENTION, action="parked")
        await self.actions.resume(operation_id, ADA)
        return RunState.TERMINATED

    async def broken_off_since(self, moment: datetime) -> list[str]:
        return [self.ended]

    async def lane_state(self, kind: str, lane: int) -> RunState:
        return RunState.RUNNING


async def test_the_janitor_does_not_park_what_was_resumed_while_it_looked(
    pool: Pool, actions: OperatorActions, accept: NewOperationMaker
) -> None:
    # Rows of other tests have workflows this engine knows nothing of.
    await pool.execute(
        "UPDATE operations SET status = 'failed', finished_at = now() WHERE finished_at IS NULL"
    )
    operation = await accept()
    await store.mark_started(pool, [operation.id])
    engine: Any = ActedOnMeanwhile(pool, actions, operation.id)
    times = JanitorTimes(start_grace_s=3600, stale_after_s=3600)
    assert await Janitor(pool, engine, times=times).look() == 0
    assert (await store.get(pool, operation.id)).status == Status.PROCESSING
