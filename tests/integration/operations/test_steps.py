"""Transactional steps: one effect, whoever runs them and however often."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from perdure.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InsufficientFunds,
    NotFound,
    OperationCancelled,
    TurnPending,
)
from perdure.core.ids import new_id
from perdure.operations import reporting, store
from perdure.operations.cancellation import request_cancel
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.model import Failure, Status
from perdure.operations.steps import StepTransaction, TransactionalSteps, to_json
from perdure.storage.pool import Connection, Pool, transaction

from .conftest import NewOperationMaker


@dataclass(frozen=True)
class Done:
    """A step's result."""

    amount_minor: int
    note: str | None = None


@pytest.fixture
def steps(pool: Pool) -> TransactionalSteps:
    return TransactionalSteps(pool)


class Body:
    """A step's body that counts its runs, and writes something that would show twice."""

    def __init__(self, *, moves_to: Status | None = None) -> None:
        self.runs = 0
        self._moves_to = moves_to

    async def __call__(self, step: StepTransaction) -> Done:
        self.runs += 1
        await store.note(step.connection, step.operation, actor="test", action="effect")
        if self._moves_to is not None:
            step.move(self._moves_to, action="stepped")
        return Done(5)


async def count_effects(pool: Pool, operation_id: str) -> int:
    trail = await reporting.trail(pool, operation_id)
    return sum(entry.action == "effect" for entry in trail)


async def test_a_step_run_twice_returns_what_it_stored_e7(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()
    body = Body(moves_to=Status.PROCESSING)
    first = await steps.run(operation.id, "hold", {"a": 1}, body, returns=Done)
    second = await steps.run(operation.id, "hold", {"a": 1}, body, returns=Done)
    assert first == second == Done(5)
    assert body.runs == 1
    assert await count_effects(pool, operation.id) == 1
    assert (await store.get(pool, operation.id)).status == Status.PROCESSING


@dataclass(frozen=True)
class Contact:
    """A part of an input."""

    email: str | None = None


@dataclass(frozen=True)
class Asked:
    """A step's input, as a release has it."""

    amount_minor: int
    contact: Contact = Contact()


@dataclass(frozen=True)
class LaterContact:
    """The same part, a release later."""

    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True)
class LaterAsked:
    """The same input, a release later."""

    amount_minor: int
    contact: LaterContact = LaterContact()
    limits: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Asked(5), LaterAsked(5)),
        (Asked(5, Contact("a@x")), LaterAsked(5, LaterContact("a@x"))),
    ],
)
async def test_a_step_done_before_a_field_was_added_is_done(
    pool: Pool,
    steps: TransactionalSteps,
    accept: NewOperationMaker,
    before: Asked,
    after: LaterAsked,
) -> None:
    operation = await accept()
    body = Body()
    await steps.run(operation.id, "hold", before, body, returns=Done)
    assert await steps.run(operation.id, "hold", after, body, returns=Done) == Done(5)
    changed = replace(after, limits=(7,))
    with pytest.raises(IdempotencyMismatch):
        await steps.run(operation.id, "hold", changed, body, returns=Done)
    assert body.runs == 1


async def test_a_step_recorded_by_version_0_1_is_done(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()
    await pool.execute(
        "INSERT INTO effects (operation_id, step, fingerprint, result) VALUES ($1, 'hold', $2, $3)",
        operation.id,
        # Of `{"amount_minor":5,"contact":{"email":null}}`.
        bytes.fromhex("ce65e2680f3d52e7230c6e4eb37ada53c907645ce6437d20b3d0d1d1aeed1c6e"),
        {"amount_minor": 5, "note": None},
    )
    body = Body()
    assert await steps.run(operation.id, "hold", Asked(5), body, returns=Done) == Done(5)
    with pytest.raises(IdempotencyMismatch):
        await steps.run(operation.id, "hold", Asked(6), body, returns=Done)
    assert body.runs == 0


async def test_racing_runners_of_one_step_have_one_effect(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()
    body = Body()
    results = await asyncio.gather(
        *(steps.run(operation.id, "hold", {"a": 1}, body, returns=Done) for _ in range(10))
    )
    assert set(results) == {Done(5)}
    assert await count_effects(pool, operation.id) == 1


async def test_the_same_step_with_another_input_is_refused(
    steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()
    await steps.run(operation.id, "hold", {"a": 1}, Body(), returns=Done)
    with pytest.raises(IdempotencyMismatch, match="another input") as caught:
        await steps.run(operation.id, "hold", {"a": 2}, Body(), returns=Done)
    assert caught.value.code == "step_input_changed"


async def test_a_refused_step_leaves_nothing(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()

    async def refuse(step: StepTransaction) -> Done:
        await store.note(step.connection, step.operation, actor="test", action="effect")
        step.move(Status.PROCESSING, action="stepped")
        raise InsufficientFunds("Not enough.")

    with pytest.raises(InsufficientFunds):
        await steps.run(operation.id, "hold", 1, refuse, returns=Done)
    assert await count_effects(pool, operation.id) == 0
    assert (await store.get(pool, operation.id)).status == Status.PENDING
    assert await reporting.step_attempts(pool, operation.id) == []


async def test_the_state_the_trail_and_the_attempt_commit_with_the_step(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()

    async def fail(step: StepTransaction) -> None:
        step.move(
            Status.FAILED,
            action="closed",
            reason="declined",
            failure=Failure("card_declined", "No."),
        )

    await steps.run(operation.id, "close", 1, fail, returns=type(None), undoes=True)
    row = await store.get(pool, operation.id)
    assert row.status == Status.FAILED
    assert row.failure == Failure("card_declined", "No.")
    assert row.finished_at is not None
    last = (await reporting.trail(pool, operation.id))[-1]
    assert (last.action, last.status, last.reason) == ("closed", Status.FAILED, "declined")
    [attempt] = await reporting.step_attempts(pool, operation.id)
    assert (attempt.step, attempt.outcome, attempt.attempt) == ("close", "succeeded", 1)


async def test_no_step_begins_on_a_finished_operation_but_a_stored_one_answers(
    steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()
    await steps.run(operation.id, "settle", 1, Body(moves_to=Status.SUCCEEDED), returns=Done)
    assert await steps.run(operation.id, "settle", 1, Body(), returns=Done) == Done(5)
    with pytest.raises(Conflict) as caught:
        await steps.run(operation.id, "hold", 1, Body(), returns=Done)
    assert caught.value.code == "operation_finished"


async def test_a_cancel_on_the_row_stops_what_goes_forward_and_lets_undoing_pass(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()
    async with transaction(pool) as connection:
        answer = await request_cancel(connection, operation.id, actor="ada", reason="typo")
    assert answer.accepted
    with pytest.raises(OperationCancelled, match="typo"):
        await steps.run(operation.id, "hold", 1, Body(), returns=Done)
    body = Body(moves_to=Status.CANCELLED)
    await steps.run(operation.id, "close", 1, body, returns=Done, undoes=True)
    assert (await store.get(pool, operation.id)).status == Status.CANCELLED


async def test_cancelling_what_succeeded_is_refused_with_the_reason_and_on_the_trail(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    operation = await accept()
    await steps.run(operation.id, "settle", 1, Body(moves_to=Status.SUCCEEDED), returns=Done)
    async with transaction(pool) as connection:
        answer = await request_cancel(connection, operation.id, actor="ada", reason="late")
    assert not answer.accepted
    assert "succeeded" in answer.reason
    last = (await reporting.trail(pool, operation.id))[-1]
    assert (last.actor, last.action) == ("ada", "cancel_refused")


async def test_an_unknown_operation_is_not_found(steps: TransactionalSteps) -> None:
    with pytest.raises(NotFound):
        await steps.run(new_id("pay"), "hold", 1, Body(), returns=Done)


async def test_a_reference_names_one_operation(pool: Pool, accept: NewOperationMaker) -> None:
    reference = new_id("req")
    first = await accept(reference=reference, request={"amount_minor": 1})
    again = await accept(reference=reference, request={"amount_minor": 1})
    assert again.id == first.id
    with pytest.raises(IdempotencyMismatch):
        await accept(reference=reference, request={"amount_minor": 2})


async def test_the_trail_cannot_be_rewritten(pool: Pool, accept: NewOperationMaker) -> None:
    operation = await accept()
    for statement in (
        "UPDATE operation_trail SET actor = 'eve' WHERE operation_id = $1",
        "DELETE FROM operation_trail WHERE operation_id = $1",
    ):
        with pytest.raises(Exception, match="append-only"):
            await pool.execute(statement, operation.id)


@dataclass(frozen=True)
class Run:
    """A run's input."""

    request: Asked


@dataclass(frozen=True)
class Settle:
    """What a run's last step is given."""

    run: Run


async def test_a_run_that_began_before_a_correction_gives_way_alone_and_in_a_group(
    pool: Pool, steps: TransactionalSteps, accept: NewOperationMaker
) -> None:
    before, after = (Settle(Run(Asked(1, Contact(email)))) for email in ("wrong@x", "right@x"))
    operation = await accept(request=to_json(before.run.request))
    await pool.execute(
        "UPDATE operations SET original_request = input->'request', input = $2 WHERE id = $1",
        operation.id,
        operation.input | {"request": to_json(after.run.request)},
    )
    body = Body(moves_to=Status.SUCCEEDED)

    async def many(_: Connection, given: Mapping[str, Settle]) -> dict[str, StepDone[Done]]:
        raise AssertionError(given)

    async def one(step: StepTransaction, given: Settle) -> Done:
        return await body(step)

    grouped = GroupedStep(pool, steps, "settle", one=one, many=many, returns=Done)
    for undoes in (False, True):
        with pytest.raises(TurnPending, match="was corrected"):
            await steps.run(operation.id, "close", before, body, returns=Done, undoes=undoes)
    with pytest.raises(TurnPending, match="was corrected"):
        await grouped.run(operation.id, before)
    assert await grouped.run(operation.id, after) == Done(5)
    assert await count_effects(pool, operation.id) == 1
