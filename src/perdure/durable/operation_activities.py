"""The activities every operation's workflow has: they write to its row."""

from temporalio import activity

from perdure.core.errors import OperationParked
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.durable.scope import (
    BEGIN_REVERSAL,
    PARK,
    REQUEST_CANCEL,
    CancelDecision,
    CancelOperation,
    ParkOperation,
    ReversalBegun,
)
from perdure.operations import store
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.operations.cancellation import request_cancel
from perdure.operations.model import Failure, Status
from perdure.operations.taking_back import begin_reversal
from perdure.storage.pool import Pool, transaction


class OperationActivities:
    """Given the process's pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @activity.defn(name=REQUEST_CANCEL)
    @records_its_attempts
    async def request_cancel(self, call: CancelOperation) -> CancelDecision:
        """Write a request to cancel, unless it is too late."""
        async with transaction(self._pool) as connection:
            answer = await request_cancel(
                connection, call.operation_id, actor=call.actor, reason=call.reason
            )
        current_attempt("request_cancel").is_recorded = True
        return CancelDecision(answer.accepted, answer.reason)

    @activity.defn(name=PARK)
    @records_its_attempts
    async def park(self, call: ParkOperation) -> None:
        """Have an operator look; an operation that ended, or was released, is left as it is."""
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, call.operation_id)
            await record_attempt(
                connection, operation.id, current_attempt("park"), outcome="succeeded"
            )
            was_released = call.code == OperationParked.code and operation.park_request is None
            if operation.is_finished or was_released:
                return
            await store.move(
                connection,
                operation,
                Status.NEEDS_ATTENTION,
                action="parked",
                reason=call.message,
                failure=Failure(call.code, call.message, call.step),
            )

    @activity.defn(name=BEGIN_REVERSAL)
    @records_its_attempts
    async def begin_reversal(self, operation_id: str) -> ReversalBegun:
        """Have no step go forward from now on; returns the calls there are to be undone."""
        steps = await begin_reversal(self._pool, operation_id)
        current_attempt("begin_reversal").is_recorded = True
        return ReversalBegun(steps)
