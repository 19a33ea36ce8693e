"""Transactional steps: effect, idempotency record and the operation's new state in one commit.

A step run twice returns what the first run stored. It locks the operation's row first, so two
runners of one operation take turns, and a request to cancel is seen by whichever of them holds the
row.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from pydantic import TypeAdapter

from perdure.core.errors import (
    Conflict,
    IdempotencyMismatch,
    OperationCancelled,
    OperationParked,
    TurnPending,
)
from perdure.core.telemetry import telemetry
from perdure.operations import breakdowns, store
from perdure.operations.attempts import Attempt, current_attempt
from perdure.operations.joined import joined_with
from perdure.operations.model import FINISHED, Failure, Operation, RunRequest, Status
from perdure.storage.pool import Connection, Pool, transaction

Result = TypeVar("Result")

OPERATION_FINISHED: Final = "operation_finished"
"""The code of the conflict that a step meets on an operation that has ended."""

_REPLACED_S: Final = 6.0
"""How long a run that another is to replace is left in peace."""


@dataclass(slots=True)
class StepTransaction:
    """What the body of a step works with.

    Attributes:
        connection: With the step's transaction open; all the step writes goes through it.
        operation: The operation as it stands, locked.
        planned: The status it takes when the step commits; set by `move`.
    """

    connection: Connection
    operation: Operation
    planned: "Move | None" = None

    def move(
        self,
        status: Status,
        *,
        action: str,
        reason: str | None = None,
        result: dict[str, Any] | None = None,
        failure: Failure | None = None,
    ) -> None:
        """Have the operation take this status when the step commits."""
        self.planned = Move(status, action, reason, result, failure)


@dataclass(frozen=True, slots=True)
class Move:
    """A change of an operation's status, and why."""

    status: Status
    action: str
    reason: str | None = None
    result: dict[str, Any] | None = None
    failure: Failure | None = None


def note_move(move: Move | None) -> None:
    """Tell of a change of status that was committed."""
    if move is not None:
        code = move.failure.code if move.failure else None
        telemetry().note({"status": move.status.value, "code": code})


@lru_cache(maxsize=256)
def _adapter(result_type: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", result_type))


def to_json(value: Any) -> Any:
    """Return a value (a dataclass, plain values) as JSON can hold it."""
    return _adapter(cast("Hashable", type(value))).dump_python(value, mode="json")


def from_json(result_type: type[Result], value: Any) -> Result:
    """Return what `to_json` was given."""
    result: Result = _adapter(cast("Hashable", result_type)).validate_python(value)
    return result


def fingerprint(value: Any) -> bytes:
    """Return a digest that two inputs share only if they say the same.

    What a field says by default is left out: a field that is added with a default must not make an
    input that was given before it another one.
    """
    dumped = _adapter(cast("Hashable", type(value))).dump_python(
        value, mode="json", exclude_defaults=True
    )
    return _digest(dumped)


def former_fingerprint(value: Any) -> bytes:
    """Return the digest of version 0.1, which had every field; to go with version 0.3."""
    return _digest(to_json(value))


def _digest(dumped: Any) -> bytes:
    text = json.dumps(dumped, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def may_begin(operation: Operation) -> bool:
    """Whether a step that goes forward may begin; `check_may_begin` says why not."""
    ends = operation.is_finished or operation.is_reversing
    return not ends and operation.cancel_request is None and operation.park_request is None


MAY_GO_FORWARD: Final = (
    "finished_at IS NULL AND status <> 'reversing' AND reversal_begun_at IS NULL"
    " AND cancel_request IS NULL AND park_request IS NULL AND original_request IS NULL"
)
"""The condition of `may_begin`, in SQL; what was corrected needs a closer look."""


def check_may_begin(operation: Operation, step: str) -> None:
    """Refuse to begin a step of an operation that ended, is being undone, or is to stop or wait.

    Raises:
        Conflict: `operation_finished`, `operation_reversing`.
        OperationCancelled: A request to cancel is on the row.
        OperationParked: An operator holds it.
    """
    if operation.is_finished:
        raise Conflict(
            f"{operation.id} is already {operation.status}; step {step} is not begun.",
            code=OPERATION_FINISHED,
        )
    if operation.cancel_request is not None:
        raise OperationCancelled(operation.cancel_request.reason)
    if operation.is_reversing:
        raise Conflict(
            f"{operation.id} is being undone; step {step} is not begun.",
            code="operation_reversing",
        )
    check_not_parked(operation)


def check_not_parked(operation: Operation) -> None:
    """Refuse to begin a step of an operation that an operator holds.

    Raises:
        OperationParked: Until it is released.
    """
    if operation.park_request is not None:
        # By whom and why is on the row and the trail: this is told to customers too.
        raise OperationParked("An operator holds it.")


def check_not_replaced(operation: Operation) -> None:
    """Refuse to ask a provider for what was corrected, before the run that knows it has begun.

    Raises:
        TurnPending: `run_replaced`.
    """
    if operation.run_request == RunRequest.REPLACE:
        raise _replaced(operation)


def _check_asks_the_same(operation: Operation, given: Any) -> None:
    """Have a run give way that began before what it was asked for was corrected.

    Its own end may come by a callback before the engine has heard of the correction, or a worker
    may be at its last step.

    Raises:
        TurnPending: `run_replaced`.
    """
    if operation.original_request is None or not is_dataclass(given):
        return
    for found in (given, *(getattr(given, field.name) for field in fields(given))):
        asked = getattr(found, "request", None) if is_dataclass(found) else None
        if asked is not None and from_json(type(asked), operation.input["request"]) != asked:
            raise _replaced(operation)


def _replaced(operation: Operation) -> TurnPending:
    return TurnPending(
        f"{operation.id} was corrected, and another run takes this one's place.",
        code="run_replaced",
        retry_after_s=_REPLACED_S,
    )


class TransactionalSteps:
    """Runs steps that touch nothing but the database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(
        self,
        operation_id: str,
        step: str,
        given: Any,
        body: Callable[[StepTransaction], Awaitable[Result]],
        *,
        returns: type[Result],
        undoes: bool = False,
        ends: Sequence[str] = (),
    ) -> Result:
        """Run the body once; every later run returns what it stored.

        Args:
            step: The step's name within the operation.
            given: What the step was asked to do; another input under the same name is an error.
            body: Does the step's work on the transaction it is handed. What it raises undoes all of
                it.
            returns: The type of the result, to read it back.
            undoes: The step undoes or closes, so a request to cancel does not stop it.
            ends: The steps of which one ends the operation, this among them. Where another did it
                first, perhaps in another way, that one's result is returned.

        Raises:
            NotFound: No such operation.
            IdempotencyMismatch: The step ran before, with another input.
            Conflict: The operation is finished.
            OperationCancelled: The operation is to stop.
            OperationParked: An operator holds it.
            TurnPending: It was asked for something else since.
        """
        await joined_with(operation_id).write()
        attempt = current_attempt(step)
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, operation_id)
            # Looked up after the lock is held: a twin that held it has committed what it did.
            stored = await connection.fetchrow(
                "SELECT fingerprint, result FROM effects WHERE operation_id = $1 AND step = $2",
                operation_id,
                step,
            )
            if stored is not None and _is_of(stored["fingerprint"], given):
                attempt.is_recorded = True
                return from_json(returns, stored["result"])
            if operation.is_finished and ends:
                return await self._end_of(connection, operation, ends, returns)
            if operation.is_finished or not undoes:
                check_may_begin(operation, step)
            _check_asks_the_same(operation, given)
            if stored is not None:
                raise IdempotencyMismatch(
                    f"Step {step} of {operation_id} was done before with another input.",
                    code="step_input_changed",
                )
            work = StepTransaction(connection, operation)
            result = await body(work)
            await _commit_step(work, step, fingerprint(given), to_json(result), attempt)
        note_move(work.planned)
        return result

    async def check_not_parked(self, operation_id: str) -> None:
        """Refuse what is about to be done outside of a step, if an operator holds the operation.

        Raises:
            OperationParked: Until it is released.
        """
        check_not_parked(await store.get(self._pool, operation_id))

    async def stored(
        self, work: StepTransaction, step: str, *, returns: type[Result]
    ) -> Result | None:
        """Return what another step of the operation stored; None: it was never done."""
        row = await work.connection.fetchrow(
            "SELECT result FROM effects WHERE operation_id = $1 AND step = $2",
            work.operation.id,
            step,
        )
        return from_json(returns, row["result"]) if row else None

    async def _end_of(
        self,
        connection: Connection,
        operation: Operation,
        ends: Sequence[str],
        returns: type[Result],
    ) -> Result:
        row = await connection.fetchrow(
            "SELECT result FROM effects WHERE operation_id = $1 AND step = ANY($2)",
            operation.id,
            ends,
        )
        assert row is not None, f"{operation.id} has ended by no step of its own"
        return from_json(returns, row["result"])

    async def begin_reversal(self, operation_id: str) -> bool:
        """Have an operation's row say that what it did is being undone: no step goes forward now.

        False: it has ended, so there is nothing to undo any more, least of all a success.
        """
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, operation_id)
            if operation.is_finished:
                return False
            if operation.status != Status.REVERSING:
                await store.move(connection, operation, Status.REVERSING, action="reversal_begun")
            return True


def _is_of(stored: bytes | None, given: Any) -> bool:
    """Whether a stored result is of this input."""
    # Without a fingerprint it holds for any input: an operator corrected the operation since.
    return stored is None or stored in (fingerprint(given), former_fingerprint(given))


async def _commit_step(
    work: StepTransaction, step: str, digest: bytes, result: Any, attempt: Attempt
) -> None:
    """Write the step's records, all in one statement."""
    attempt.is_recorded = True
    move = work.planned
    before = work.operation.status
    status = move.status if move else before
    assert not work.operation.is_finished or status == before, "a finished operation moved"
    await work.connection.execute(
        "WITH effect AS ("
        " INSERT INTO effects (operation_id, step, fingerprint, result) VALUES ($1, $2, $3, $4)"
        "), attempt AS ("
        " INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at,"
        " finished_at) VALUES ($1, $2, $5, 'succeeded', $6, clock_timestamp())"
        "), trail AS ("
        " INSERT INTO operation_trail (operation_id, actor, action, status, reason)"
        " SELECT $1, $7, $8, $9, $10 WHERE $8::text IS NOT NULL"
        ") UPDATE operations SET status = $9, result = coalesce($11, result),"
        " failure = CASE WHEN $8::text IS NULL THEN failure ELSE $12 END, updated_at = now(),"
        f" workflow_started_at = {store.STARTED_BY_A_STEP},"
        " finished_at = CASE WHEN $13 THEN coalesce(finished_at, now()) END WHERE id = $1",
        work.operation.id,
        step,
        digest,
        result,
        attempt.number,
        attempt.started_at,
        store.SYSTEM,
        move.action if move else None,
        status.value,
        move.reason if move else None,
        move.result if move else None,
        asdict(move.failure) if move and move.failure else None,
        status in FINISHED,
    )
    if move is not None:
        await breakdowns.keep(work.connection, work.operation.id, status, move.failure)
