"""A database that takes nothing, and values that it cannot hold: nobody else pays for them."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import asyncpg
import pytest

from perdure.core.ids import new_id
from perdure.operations import store
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.joined import NewIntent
from perdure.operations.model import Status
from perdure.operations.provider_call_groups import ProviderCallGroups
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.storage.pool import Connection, Pool, transaction

from .conftest import NewOperationMaker
from .scripted_lane import Lane


@pytest.fixture
def lane(pool: Pool) -> Lane:
    return Lane(pool, new_id("lane"), [], {}, Counter(), [])


@pytest.mark.parametrize(
    "error",
    [asyncpg.ReadOnlySQLTransactionError("x"), asyncpg.DiskFullError("x"), ConnectionResetError()],
    ids=repr,
)
async def test_a_database_that_takes_nothing_ends_the_stretch_and_fails_nobody(
    lane: Lane, error: Exception
) -> None:
    await lane.add(3)

    def script() -> None:
        raise error

    lane.scripts = {1: script}
    with pytest.raises(type(error)):
        await lane.run()
    assert await lane.reasons() == {}
    lane.scripts = {}
    assert (await lane.run()).is_empty
    assert set(await lane.statuses()) == {Status.SUCCEEDED}


async def test_an_operation_that_gave_way_is_tried_again_in_its_lane(lane: Lane) -> None:
    await lane.add(3)
    circles = [asyncpg.DeadlockDetectedError("a circle")]

    def script() -> None:
        if circles:
            raise circles.pop()

    lane.scripts = {1: script}
    assert (await lane.run()).promoted == 0
    assert await lane.reasons() == {}
    assert set(await lane.statuses()) == {Status.SUCCEEDED}


async def test_a_result_that_postgresql_cannot_hold_fails_its_own_step_only(
    pool: Pool, accept: NewOperationMaker
) -> None:
    async def one(_: StepTransaction, given: str) -> str:
        return given

    async def many(_: Connection, given: Mapping[str, str]) -> dict[str, StepDone[str]]:
        return {found: StepDone(each) for found, each in given.items()}

    step = GroupedStep(pool, TransactionalSteps(pool), "tell", one=one, many=many, returns=str)
    told = ["1", "2", "a NUL: \0", "4", "5"]
    operations = [await accept() for _ in told]
    results = await asyncio.gather(
        *(step.run(found.id, each) for found, each in zip(operations, told, strict=True)),
        return_exceptions=True,
    )
    assert isinstance(results[2], asyncpg.UntranslatableCharacterError)
    assert [*results[:2], *results[3:]] == ["1", "2", "4", "5"]


async def test_one_reference_that_postgresql_cannot_hold_holds_up_nobody(
    pool: Pool, accept: NewOperationMaker
) -> None:
    groups = ProviderCallGroups(pool)
    references = [*"abcd", "a NUL: \0", "x" * 10_000, *"efgh"]
    operation_ids = [(await accept()).id for _ in references]
    async with transaction(pool) as connection:
        for operation_id in operation_ids:
            operation = await store.lock(connection, operation_id)
            await store.move(connection, operation, Status.PROCESSING, action="begun")
    intents = [
        NewIntent(
            operation_id,
            "charge",
            "gateway",
            reference,
            datetime.now(UTC),
            undoes=False,
            moves=True,
        )
        for operation_id, reference in zip(operation_ids, references, strict=True)
    ]
    written = await asyncio.gather(*(groups.intend(intent) for intent in intents))
    assert written == ["\0" not in reference for reference in references]
