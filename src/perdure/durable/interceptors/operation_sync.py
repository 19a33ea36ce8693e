"""Keeps an operation's row and its workflow together, for any kind of operation.

The activity side writes each attempt at a step: when it began, when it ended, with what. A step
that commits something carries that row in its own commit, so that syncing costs nothing there. The
workflow side opens the operation's scope, and parks the row of a workflow that breaks off.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

import structlog
from temporalio import activity, workflow
from temporalio.exceptions import FailureError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from perdure.core.errors import (
    PerdureError,
    ProviderNotCalled,
    ProviderOutcomeUnknown,
    TurnPending,
)
from perdure.core.telemetry import Facts, telemetry
from perdure.durable.failures import database_away, to_domain_error, to_failure
from perdure.durable.operation_ids import is_operation, operation_of
from perdure.durable.scope import open_scope
from perdure.operations.attempts import (
    Attempt,
    attempt_under_way,
    close_attempt,
    forget_attempt,
    open_attempt,
    record_attempt,
)
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool

Function = TypeVar("Function", bound=Callable[..., Any])

_NOT_BEGUN: Final = (TurnPending, ProviderNotCalled)
"""What ends an attempt before it has begun: it has no row."""

_RECORDS_ITSELF = "__records_its_attempts__"
_BEATS_ITSELF = "__beats_by_itself__"


def records_its_attempts(function: Function) -> Function:
    """Mark an activity whose commits carry the rows of its attempts."""
    setattr(function, _RECORDS_ITSELF, True)
    return function


def records_itself(function: Callable[..., Any]) -> bool:
    """Whether an activity's commits carry the rows of its attempts."""
    return getattr(function, _RECORDS_ITSELF, False)


def beats_by_itself(function: Function) -> Function:
    """Mark an activity whose heartbeats carry what it has done so far."""
    setattr(function, _BEATS_ITSELF, True)
    return function


class OperationSync(Interceptor):
    """Writes what happens to an operation into its rows."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Wrap the activities."""
        return _ActivitySync(next, self._pool)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002
    ) -> type[WorkflowInboundInterceptor] | None:
        """Wrap the workflows."""
        return _WorkflowSync


class _ActivitySync(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, pool: Pool) -> None:  # noqa: A002
        super().__init__(next)
        self._pool = pool

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        operation_id = operation_of(info.workflow_id or "")
        attempt = Attempt(step=info.activity_type.rpartition(".")[2], number=info.attempt)
        beats = info.heartbeat_timeout and not getattr(input.fn, _BEATS_ITSELF, False)
        beat = asyncio.create_task(_heartbeat(info)) if beats else None
        try:
            with (
                attempt_under_way(attempt),
                _logging_as(info, operation_id),
                telemetry().about(_facts_of(info, operation_id, attempt)),
            ):
                if operation_id is None:
                    return await super().execute_activity(input)
                records = records_itself(input.fn)
                run = self._run_self_recording if records else self._run_recorded
                work = run(input, operation_id, attempt)
                # Nobody takes a local one back: it is in no queue.
                return await (work if info.is_local else _to_its_end(work))
        except PerdureError as error:
            telemetry().note({"outcome": "failed", "code": error.code})
            raise to_failure(error) from error
        except Exception as error:
            if operation_id is None:  # of any other, the operation's end tells
                telemetry().report(error, info.activity_type)
            # What runs in the workflow's worker has a policy of its own for it (`DATABASE_STEP`).
            if info.is_local or not is_outage(error):
                raise
            raise database_away(error, info) from error
        finally:
            if beat is not None:
                beat.cancel()

    async def _run_self_recording(
        self,
        input: ExecuteActivityInput,  # noqa: A002
        operation_id: str,
        attempt: Attempt,
    ) -> Any:
        try:
            return await super().execute_activity(input)
        except Exception as error:
            if not attempt.is_recorded and not isinstance(error, _NOT_BEGUN):
                outcome = "unknown" if isinstance(error, ProviderOutcomeUnknown) else "failed"
                await record_attempt(
                    self._pool, operation_id, attempt, outcome=outcome, error=error
                )
            raise

    async def _run_recorded(
        self,
        input: ExecuteActivityInput,  # noqa: A002
        operation_id: str,
        attempt: Attempt,
    ) -> Any:
        row_id = await open_attempt(self._pool, operation_id, attempt)
        try:
            result = await super().execute_activity(input)
        except BaseException as error:
            if row_id is not None and isinstance(error, _NOT_BEGUN):
                await forget_attempt(self._pool, row_id)
            elif row_id is not None:
                await close_attempt(self._pool, row_id, outcome="failed", error=error)
            raise
        if row_id is not None:
            await close_attempt(self._pool, row_id, outcome="succeeded")
        return result


def _logging_as(info: activity.Info, operation_id: str | None) -> AbstractContextManager[object]:
    """Have what the activity logs name its workflow, and the operation if it is one's."""
    ids = {"workflow_id": info.workflow_id, "operation_id": operation_id}
    return structlog.contextvars.bound_contextvars(**ids)


def _facts_of(info: activity.Info, operation_id: str | None, attempt: Attempt) -> Facts:
    return {
        "operation_id": operation_id,
        "kind": info.activity_type.partition(".")[0],
        "step": attempt.step,
        "attempt": attempt.number,
    }


async def _to_its_end(work: Coroutine[Any, Any, Any]) -> Any:
    """Do a step that a request to cancel does not cut short; its worker's end does."""
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            if task.done() or details is None or not details.cancel_requested:
                task.cancel()
                raise


async def _heartbeat(info: activity.Info) -> None:
    """Tell the server that the attempt lives, three times in each time-out."""
    assert info.heartbeat_timeout is not None
    while True:
        # Starting was a sign of life already, and most attempts end before the next is due.
        await asyncio.sleep(info.heartbeat_timeout.total_seconds() / 3)
        activity.heartbeat()


class _WorkflowSync(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
        workflow_id = workflow.info().workflow_id
        if not is_operation(workflow_id):
            return await super().execute_workflow(input)
        scope = open_scope(workflow_id)
        telemetry().note({"operation_id": workflow_id})
        try:
            return await super().execute_workflow(input)
        except FailureError as error:
            await scope.park(None, to_domain_error(error))
            raise
