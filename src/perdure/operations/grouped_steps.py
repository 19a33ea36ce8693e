"""Transactional steps that commit together with others of their kind in flight.

A group does what is certain: operations nobody else holds, that may go forward, whose step was
never done and meets no rule that refuses it. Everything else is run by itself, as
`TransactionalSteps` does, which waits, returns what was stored, or says why not.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, TypeVar

import structlog

from perdure.operations import breakdowns, store
from perdure.operations.attempts import Attempt, current_attempt
from perdure.operations.joined import NewAnswer, NewIntent, joined_with
from perdure.operations.model import FINISHED, Status
from perdure.operations.provider_call_groups import write_answers, write_intents
from perdure.operations.steps import (
    MAY_GO_FORWARD,
    Move,
    StepTransaction,
    TransactionalSteps,
    fingerprint,
    note_move,
    to_json,
)
from perdure.storage.group_commit import GroupCommit
from perdure.storage.outages import is_away
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

Given = TypeVar("Given")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class StepDone(Generic[Result]):
    """What a step did for one operation of a group."""

    result: Result
    move: Move | None = None


@dataclass(frozen=True, slots=True)
class _Call(Generic[Given]):
    operation_id: str
    given: Given
    fingerprint: bytes
    attempt: Attempt
    answer: NewAnswer | None
    intent: NewIntent | None


@dataclass(slots=True)
class _Written(Generic[Result]):
    """What of a call was written; the rest is done by itself."""

    is_answered: bool = False
    done: StepDone[Result] | None = None
    is_intended: bool = False


class GroupedStep(Generic[Given, Result]):
    """One step of one kind of operation.

    Args:
        name: The step's name within the operation.
        one: Does the step for one operation, in its own transaction; raises what refuses it.
        many: Does it for the operations it can, by id, in a common transaction; one that is not in
            what it returns was left as it is.
        returns: The type of the result, to read it back.
        undoes, ends: As in `TransactionalSteps.run`.
    """

    def __init__(
        self,
        pool: Pool,
        steps: TransactionalSteps,
        name: str,
        *,
        one: Callable[[StepTransaction, Given], Awaitable[Result]],
        many: Callable[
            [Connection, Mapping[str, Given]], Awaitable[Mapping[str, StepDone[Result]]]
        ],
        returns: type[Result],
        undoes: bool = False,
        ends: Sequence[str] = (),
    ) -> None:
        self._pool = pool
        self._steps = steps
        self._name = name
        self._one = one
        self._many = many
        self._returns = returns
        self._undoes = undoes
        self._ends = ends
        self._group: GroupCommit[_Call[Given], _Written[Result]] = GroupCommit(self._write)

    async def run(self, operation_id: str, given: Given) -> Result:
        """Do the step once; every later run returns what it stored.

        Raises:
            NotFound, IdempotencyMismatch, Conflict, OperationCancelled, OperationParked,
                TurnPending: As `TransactionalSteps.run`; and whatever `one` refuses with.
        """
        attempt, joined = current_attempt(self._name), joined_with(operation_id)
        call = _Call(operation_id, given, fingerprint(given), attempt, joined.answer, joined.intent)
        try:
            written = await self._group.submit(call)
        except Exception as error:
            if is_away(error):
                raise
            # A twin did the step between the group's look and its locks, or something is wrong with
            # it: done alone, it tells.
            about = {"step": self._name, "operation_id": operation_id}
            log.info("step_left_by_its_group", **about, error=repr(error))
            written = _Written()
        if written.is_answered:
            joined.answer = None
        if written.is_intended:
            joined.intent = None
        if (done := written.done) is not None:
            attempt.is_recorded = True
            note_move(done.move)
            return done.result

        async def alone(step: StepTransaction) -> Result:
            return await self._one(step, given)

        return await self._steps.run(
            operation_id,
            self._name,
            given,
            alone,
            returns=self._returns,
            undoes=self._undoes,
            ends=self._ends,
        )

    async def _write(self, calls: list[_Call[Given]]) -> Sequence[_Written[Result]]:
        # Of two runners of one operation in a group, the second goes by itself.
        by_id: dict[str, _Call[Given]] = {}
        for call in calls:
            by_id.setdefault(call.operation_id, call)
        async with transaction(self._pool) as connection:
            unanswered = await _answer(connection, by_id.values())
            free = await self._lock_free(
                connection, [one for one in by_id if one not in unanswered]
            )
            done: Mapping[str, StepDone[Result]] = {}
            if free:
                done = await self._many(connection, {found: by_id[found].given for found in free})
            if done:
                await self._record(connection, free, by_id, done)
            intended = await _intend(connection, [by_id[found] for found in done])
        return [
            _Written(
                call.answer is not None and call.operation_id not in unanswered,
                done.get(call.operation_id),
                call.operation_id in intended,
            )
            if by_id[call.operation_id] is call
            else _Written()
            for call in calls
        ]

    async def _lock_free(
        self, connection: Connection, operation_ids: list[str]
    ) -> dict[str, Status]:
        """Lock the operations that this step can go forward with; returns their status."""
        rows = await connection.fetch(
            f"SELECT id, status FROM operations WHERE id = ANY($1) AND {MAY_GO_FORWARD}"
            " AND NOT EXISTS (SELECT FROM effects WHERE operation_id = operations.id AND step = $2)"
            " ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
            operation_ids,
            self._name,
        )
        return {row["id"]: Status(row["status"]) for row in rows}

    async def _record(
        self,
        connection: Connection,
        free: Mapping[str, Status],
        by_id: Mapping[str, _Call[Given]],
        done: Mapping[str, StepDone[Result]],
    ) -> None:
        calls = [by_id[operation_id] for operation_id in done]
        moves = [step.move for step in done.values()]
        statuses = [
            move.status if move else free[operation_id]
            for operation_id, move in zip(done, moves, strict=True)
        ]
        await connection.execute(
            _RECORD,
            self._name,
            list(done),
            [call.fingerprint for call in calls],
            [to_json(step.result) for step in done.values()],
            [call.attempt.number for call in calls],
            [call.attempt.started_at for call in calls],
            [move.action if move else None for move in moves],
            [status.value for status in statuses],
            [move.reason if move else None for move in moves],
            [move.result if move else None for move in moves],
            [asdict(move.failure) if move and move.failure else None for move in moves],
            [status in FINISHED for status in statuses],
            store.SYSTEM,
        )
        for operation_id, move in zip(done, moves, strict=True):
            if move is not None:
                await breakdowns.keep(connection, operation_id, move.status, move.failure)


async def _answer(connection: Connection, calls: Iterable[_Call[Any]]) -> set[str]:
    """Write the answers that go along; returns of which operations they were not."""
    answers = [call.answer for call in calls if call.answer is not None]
    written = await write_answers(connection, answers) if answers else []
    return {one.operation_id for one, is_done in zip(answers, written, strict=True) if not is_done}


async def _intend(connection: Connection, calls: Iterable[_Call[Any]]) -> set[str]:
    """Write the intents that go along; returns of which operations they were."""
    intents = [call.intent for call in calls if call.intent is not None]
    written = await write_intents(connection, intents) if intents else []
    return {one.operation_id for one, is_done in zip(intents, written, strict=True) if is_done}


_RECORD: Final = f"""
WITH done AS (
    SELECT * FROM unnest($2::text[], $3::bytea[], $4::jsonb[], $5::integer[], $6::timestamptz[],
        $7::text[], $8::text[], $9::text[], $10::jsonb[], $11::jsonb[], $12::boolean[])
    AS done (id, fingerprint, step_result, attempt, started_at, action, status, reason, result,
        failure, is_finished)
), effect AS (
    INSERT INTO effects (operation_id, step, fingerprint, result)
    SELECT id, $1, fingerprint, step_result FROM done
), attempt AS (
    INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at, finished_at)
    SELECT id, $1, attempt, 'succeeded', started_at, clock_timestamp() FROM done
), trail AS (
    INSERT INTO operation_trail (operation_id, actor, action, status, reason)
    SELECT id, $13, action, status, reason FROM done WHERE action IS NOT NULL
)
UPDATE operations SET
    status = done.status,
    result = coalesce(done.result, operations.result),
    failure = CASE WHEN action IS NULL THEN operations.failure ELSE done.failure END,
    updated_at = now(),
    workflow_started_at = {store.STARTED_BY_A_STEP},
    finished_at = CASE WHEN is_finished THEN coalesce(finished_at, now()) END
FROM done WHERE operations.id = done.id
"""
