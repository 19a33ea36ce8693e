"""Steps in a group: each operation gets what it would have got by itself."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from perdure.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InsufficientFunds,
    NotFound,
    OperationCancelled,
)
from perdure.core.ids import new_id
from perdure.operations import reporting, store
from perdure.operations.attempts import Attempt, attempt_under_way
from perdure.operations.cancellation import request_cancel
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.model import Failure, Operation, Status
from perdure.operations.steps import Move, StepTransaction, TransactionalSteps
from perdure.storage.pool import Connection, Pool, transaction
from tests.polls import eventually

from .conftest import NewOperationMaker


@dataclass(frozen=True)
class Given:
    """What the step is to do; `poor` is refused by itself, and left out of a group."""

    amount_minor: int = 5
    poor: bool = False


@dataclass(frozen=True)
class Done:
    """What it did."""

    amount_minor: int


HELD = Move(Status.PROCESSING, "held")


class Step:
    """The step `hold`, that says how it was run and leaves a line on the trail that counts."""

    def __init__(self, pool: Pool, move: Move | None = HELD) -> None:
        self.groups: list[list[str]] = []
        self.alone: list[str] = []
        self.move = move
        self.many_fails: Exception | None = None
        self.grouped = GroupedStep(
            pool,
            TransactionalSteps(pool),
            "hold",
            one=self.one,
            many=self.many,
            returns=Done,
            ends=("settle", "close"),
        )

    async def one(self, step: StepTransaction, given: Given) -> Done:
        self.alone.append(step.operation.id)
        if given.poor:
            raise InsufficientFunds("Not enough.")
        await store.note(step.connection, step.operation, actor="test", action="effect")
        step.planned = self.move
        return Done(given.amount_minor)

    async def many(
        self, connection: Connection, given: Mapping[str, Given]
    ) -> dict[str, StepDone[Done]]:
        self.groups.append(list(given))
        await connection.execute(
            "INSERT INTO operation_trail (operation_id, actor, action, status)"
            " SELECT id, 'test', 'effect', status FROM operations WHERE id = ANY($1)",
            [found for found, each in given.items() if not each.poor],
        )
        if self.many_fails is not None:
            raise self.many_fails
        return {
            found: StepDone(Done(each.amount_minor), self.move)
            for found, each in given.items()
            if not each.poor
        }

    async def run(self, operation: Operation, given: Given | None = None) -> Done:
        return await self.grouped.run(operation.id, given or Given())

    async def run_together(self, *operations: Operation) -> list[Done | BaseException]:
        """Run it for operations of one group; returns results and errors in their order."""
        return await asyncio.gather(
            *(self.run(operation) for operation in operations), return_exceptions=True
        )


@pytest.fixture
def step(pool: Pool) -> Step:
    return Step(pool)


async def effects(pool: Pool, operation: Operation) -> int:
    trail = await reporting.trail(pool, operation.id)
    return sum(entry.action == "effect" for entry in trail)


async def put(pool: Pool, operation: Operation, status: Status) -> Operation:
    async with transaction(pool) as connection:
        locked = await store.lock(connection, operation.id)
        await store.move(connection, locked, status, action="put")
    return operation


@asynccontextmanager
async def held_by_another(pool: Pool, operation: Operation) -> AsyncIterator[Connection]:
    async with transaction(pool) as connection:
        await store.lock(connection, operation.id)
        yield connection


async def test_those_of_a_group_are_done_together_with_their_records(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    operations = [await accept() for _ in range(5)]
    assert await step.run_together(*operations) == [Done(5)] * 5
    assert [sorted(group) for group in step.groups] == [sorted(each.id for each in operations)]
    assert step.alone == []
    for operation in operations:
        row = await store.get(pool, operation.id)
        assert (row.status, await effects(pool, operation)) == (Status.PROCESSING, 1)
        assert row.workflow_started_at is not None
        last = (await reporting.trail(pool, operation.id))[-1]
        assert (last.action, last.status, last.actor) == ("held", Status.PROCESSING, "system")
        [attempt] = await reporting.step_attempts(pool, operation.id)
        assert (attempt.step, attempt.outcome, attempt.attempt) == ("hold", "succeeded", 1)


async def test_a_step_done_before_returns_what_it_stored(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    done, new = await accept(), await accept()
    assert await step.run(done) == Done(5)
    assert await step.run_together(done, new) == [Done(5), Done(5)]
    assert step.groups == [[done.id], [new.id]]
    assert (await effects(pool, done), await effects(pool, new)) == (1, 1)


async def test_a_step_done_before_with_another_input_is_refused(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    done, new = await accept(), await accept()
    await step.run(done)
    refused, result = await asyncio.gather(
        step.run(done, Given(amount_minor=6)), step.run(new), return_exceptions=True
    )
    assert isinstance(refused, IdempotencyMismatch)
    assert (refused.code, result) == ("step_input_changed", Done(5))
    assert await effects(pool, done) == 1


async def test_who_is_in_a_group_twice_is_done_once(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    twice, other = await accept(), await accept()
    assert await step.run_together(twice, other, twice) == [Done(5)] * 3
    assert (await effects(pool, twice), await effects(pool, other)) == (1, 1)


async def test_who_is_in_a_group_twice_with_two_inputs_is_done_once_and_refused_once(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    twice = await accept()
    first, second = await asyncio.gather(
        step.run(twice), step.run(twice, Given(amount_minor=6)), return_exceptions=True
    )
    assert first == Done(5)
    assert isinstance(second, IdempotencyMismatch)
    assert await effects(pool, twice) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.REVERSING, "operation_reversing"), (Status.NEEDS_ATTENTION, None)],
)
async def test_who_is_being_undone_gets_a_conflict_and_who_is_parked_goes_on(
    pool: Pool, step: Step, accept: NewOperationMaker, status: Status, code: str | None
) -> None:
    put_so, other = await put(pool, await accept(), status), await accept()
    result, done = await step.run_together(put_so, other)
    assert done == Done(5)
    if code is None:
        assert result == Done(5)
    else:
        assert isinstance(result, Conflict)
        assert result.code == code
    assert await effects(pool, put_so) == (code is None)


async def test_who_is_to_stop_is_told_so(pool: Pool, step: Step, accept: NewOperationMaker) -> None:
    cancelled, other = await accept(), await accept()
    async with transaction(pool) as connection:
        await request_cancel(connection, cancelled.id, actor="ada", reason="typo")
    result, done = await step.run_together(cancelled, other)
    assert isinstance(result, OperationCancelled)
    assert (str(result), done) == ("typo", Done(5))
    assert await effects(pool, cancelled) == 0


async def test_who_has_ended_is_told_its_end(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    ended, other = await accept(), await accept()

    async def close(closing: StepTransaction) -> Done:
        closing.move(Status.FAILED, action="closed")
        return Done(0)

    await TransactionalSteps(pool).run(ended.id, "close", Given(), close, returns=Done, undoes=True)
    assert await step.run_together(ended, other) == [Done(0), Done(5)]
    assert await effects(pool, ended) == 0


async def test_who_does_not_exist_is_not_found(step: Step, accept: NewOperationMaker) -> None:
    other = await accept()
    missing, done = await asyncio.gather(
        step.grouped.run(new_id("pay"), Given()), step.run(other), return_exceptions=True
    )
    assert isinstance(missing, NotFound)
    assert done == Done(5)


async def test_who_is_held_by_another_waits_for_it_and_holds_up_nobody(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    held, other = await accept(), await accept()
    async with held_by_another(pool, held):
        waiting = asyncio.create_task(step.run(held))
        assert await step.run(other) == Done(5)
        assert not waiting.done()
    assert await waiting == Done(5)
    assert step.alone == [held.id]
    assert (await effects(pool, held), await effects(pool, other)) == (1, 1)


async def test_who_was_held_while_another_did_the_step_gets_what_that_one_stored(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    operation = await accept()
    twin = Step(pool)
    results = await asyncio.gather(
        *(each.run(operation) for each in (step, twin) for _ in range(10))
    )
    assert results == [Done(5)] * 20
    assert await effects(pool, operation) == 1


async def test_one_that_is_refused_spoils_nothing_for_the_others(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    poor, *others = [await accept() for _ in range(4)]
    refused, *done = await asyncio.gather(
        step.run(poor, Given(poor=True)), *map(step.run, others), return_exceptions=True
    )
    assert isinstance(refused, InsufficientFunds)
    assert done == [Done(5)] * 3
    assert step.alone == [poor.id]
    assert (await store.get(pool, poor.id)).status == Status.PENDING
    assert [await effects(pool, other) for other in others] == [1, 1, 1]


async def test_a_group_whose_database_goes_away_fails_all_of_it_and_writes_nothing(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    operations = [await accept() for _ in range(3)]
    step.many_fails = asyncpg.ReadOnlySQLTransactionError("cannot execute INSERT")
    results = await step.run_together(*operations)
    assert [type(result) for result in results] == [asyncpg.ReadOnlySQLTransactionError] * 3
    for operation in operations:
        row = await store.get(pool, operation.id)
        assert (row.status, await effects(pool, operation)) == (Status.PENDING, 0)
        assert await reporting.step_attempts(pool, operation.id) == []
    assert step.alone == []
    step.many_fails = None
    assert await step.run_together(*operations) == [Done(5)] * 3


@pytest.mark.parametrize(
    "error",
    [asyncpg.DeadlockDetectedError("a circle"), asyncpg.DataError("0x00"), ZeroDivisionError()],
    ids=repr,
)
async def test_a_group_that_fails_by_its_own_is_done_one_by_one(
    pool: Pool, step: Step, accept: NewOperationMaker, error: Exception
) -> None:
    operations = [await accept() for _ in range(3)]
    step.many_fails = error
    assert await step.run_together(*operations) == [Done(5)] * 3
    assert sorted(step.alone) == sorted(operation.id for operation in operations)
    assert [await effects(pool, operation) for operation in operations] == [1, 1, 1]


async def test_two_groups_over_the_same_operations_in_other_orders_have_one_effect_each(
    pool: Pool, accept: NewOperationMaker
) -> None:
    operations = [await accept() for _ in range(12)]
    processes = [Step(pool) for _ in range(4)]
    orders = [operations, operations[::-1], operations[6:] + operations[:6], operations]
    async with asyncio.timeout(60):
        results = await asyncio.gather(
            *(each.run_together(*order) for each, order in zip(processes, orders, strict=True))
        )
    assert results == [[Done(5)] * 12] * 4
    assert [await effects(pool, operation) for operation in operations] == [1] * 12


@pytest.mark.parametrize("together", [True, False])
async def test_result_failure_and_end_of_an_operation_are_kept_as_by_itself(
    pool: Pool, accept: NewOperationMaker, together: bool
) -> None:
    operation = await accept()
    failure = Failure("card_declined", "No.")
    step = Step(pool, Move(Status.FAILED, "closed", "declined", {"a": 1}, failure))
    if together:
        assert await step.run(operation) == Done(5)
        assert step.groups
    else:
        other = await accept()
        async with held_by_another(pool, operation):
            waiting = asyncio.create_task(step.run(operation))
            await step.run(other)  # in the same group, which leaves out the one that is held
        assert await waiting == Done(5)
        assert step.alone == [operation.id]
    row = await store.get(pool, operation.id)
    assert (row.status, row.result, row.failure) == (Status.FAILED, {"a": 1}, failure)
    assert row.finished_at is not None
    last = (await reporting.trail(pool, operation.id))[-1]
    assert (last.action, last.reason) == ("closed", "declined")


async def test_a_step_that_moves_nothing_leaves_the_row_as_it_is(
    pool: Pool, accept: NewOperationMaker
) -> None:
    operation = await accept()
    step = Step(pool, move=None)
    assert await step.run(operation) == Done(5)
    row = await store.get(pool, operation.id)
    assert (row.status, row.finished_at) == (Status.PENDING, None)
    assert [entry.action for entry in await reporting.trail(pool, operation.id)] == [
        "accepted",
        "effect",
    ]


async def test_the_attempt_of_each_is_its_own(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    async def run_as(operation: Operation, number: int) -> Attempt:
        with attempt_under_way(Attempt("hold", number)) as attempt:
            await step.run(operation)
        return attempt

    first, second = await accept(), await accept()
    attempts = await asyncio.gather(run_as(first, 1), run_as(second, 3))
    assert [attempt.is_recorded for attempt in attempts] == [True, True]
    numbers = [
        (await reporting.step_attempts(pool, operation.id))[0].attempt
        for operation in (first, second)
    ]
    assert numbers == [1, 3]


async def test_who_is_cancelled_while_its_group_is_written_is_done_all_the_same(
    pool: Pool, step: Step, accept: NewOperationMaker
) -> None:
    gone, other = await accept(), await accept()
    waiting = [asyncio.create_task(step.run(gone)), asyncio.create_task(step.run(other))]
    await eventually(lambda: step.groups, pause_s=0)
    waiting[0].cancel()
    _, done = await asyncio.gather(*waiting, return_exceptions=True)
    assert done == Done(5)
    # Whoever takes it up finds it done.
    assert await step.run(gone) == Done(5)
    assert (await effects(pool, gone), await effects(pool, other)) == (1, 1)
