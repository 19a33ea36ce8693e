"""What a workflow knows of the operation it runs.

The interceptors keep it, the capability's workflow reads it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from perdure.core.errors import (
    ANSWERS,
    OperationCancelled,
    OperationParked,
    PerdureError,
    TurnPending,
)
from perdure.durable import versions
from perdure.durable.failures import to_domain_error
from perdure.durable.options import DATABASE_STEP, on_queue

Result = TypeVar("Result")

_TURN_AGAIN_S: Final = 5.0
"""How long a call is left in peace whose turn has not come."""

REQUEST_CANCEL: Final = "operation.request_cancel"
PARK: Final = "operation.park"
BEGIN_REVERSAL: Final = "operation.begin_reversal"

RESUME: Final = "resume"
"""The signal that has what is parked go on."""


@dataclass(frozen=True)
class CancelCall:
    """Who asks an operation to stop, and why; carried by the signal and the update `cancel`."""

    actor: str = "unknown"
    reason: str = "No reason was given."


@dataclass(frozen=True)
class CancelOperation:
    """The input of the activity that writes a request to cancel."""

    operation_id: str
    actor: str
    reason: str


@dataclass(frozen=True)
class CancelDecision:
    """Yes or no to a request to cancel, with the reason."""

    accepted: bool
    reason: str


@dataclass(frozen=True)
class ParkOperation:
    """The input of the activity that parks an operation for an operator."""

    operation_id: str
    code: str
    message: str
    step: str | None = None


@dataclass(frozen=True)
class ReversalBegun:
    """The calls to the outside that were begun, as rows name them: no other begins any more."""

    steps: list[str]


class OperationScope:
    """The operation of the running workflow."""

    def __init__(self, operation_id: str) -> None:
        self.operation_id = operation_id
        self.cancel_reason: str | None = None
        self._resumes = 0
        self._is_undoing = False

    async def cancel(self, call: CancelCall | None = None) -> CancelDecision:
        """Write the request to the row and wake what waits, if the answer is yes."""
        call = call or CancelCall()
        decision: CancelDecision = await workflow.execute_local_activity(
            REQUEST_CANCEL,
            CancelOperation(self.operation_id, call.actor, call.reason),
            result_type=CancelDecision,
            **DATABASE_STEP,
        )
        if decision.accepted:
            self.cancel_reason = call.reason
        return decision

    def resume(self) -> None:
        """Have a parked step tried again."""
        self._resumes += 1

    async def wait(self, condition: Callable[[], bool], *, timeout_s: float) -> bool:
        """Wait for a condition, or a request to cancel; False: the time is over.

        Raises:
            OperationCancelled: The operation is to stop.
        """
        try:
            await workflow.wait_condition(
                lambda: condition() or self.cancel_reason is not None,
                timeout=timedelta(seconds=timeout_s),
            )
        except TimeoutError:
            return condition()
        if condition():
            return True
        raise OperationCancelled(self.cancel_reason or "")

    async def insist(
        self, step: str, attempt: Callable[[], Awaitable[Result]], *, undoes: bool = False
    ) -> Result:
        """Do a step that has to be done, or park it until an operator resumes it.

        An answer passes, be it a no. Only a step that ran out of tries, or met a defect, is parked.

        Raises:
            Refused, InvalidInput, NotFound, Conflict: The step's answer.
            OperationCancelled: The operation is to stop; not raised for what undoes.
        """
        # From here on nothing is called off any more, whoever asks for it, and however late.
        self._is_undoing = self._is_undoing or undoes
        while True:
            resumes = self._resumes
            try:
                return await attempt()
            except PerdureError as error:
                # What undoes has no answer to give but "done".
                if isinstance(error, ANSWERS) and not undoes:
                    raise
                await self.park(step, error)
            await self._resumed(resumes)

    @property
    def _is_to_stop(self) -> bool:
        """Whether a request to cancel stops what goes on now."""
        return self.cancel_reason is not None and not self._is_undoing

    def check_goes_on(self) -> None:
        """Let an operation pass that is not to stop.

        Raises:
            OperationCancelled: It is.
        """
        if self._is_to_stop:
            raise OperationCancelled(self.cancel_reason or "")

    async def _resumed(self, resumes: int) -> None:
        """Wait for a resume beyond so many, or a request to cancel."""
        await workflow.wait_condition(lambda: self._resumes > resumes or self._is_to_stop)
        self.check_goes_on()

    async def park(self, step: str | None, error: PerdureError) -> None:
        """Have the row say that an operator has to look."""
        await workflow.execute_local_activity(
            PARK,
            ParkOperation(self.operation_id, error.code, error.message, step),
            **DATABASE_STEP,
        )

    async def database_step(
        self, activity: str, given: Any, *, returns: type[Result], undoes: bool = False
    ) -> Result:
        """Run a transactional step in this worker, and insist on it."""

        async def attempt() -> Result:
            try:
                result: Result = await workflow.execute_local_activity(
                    activity, given, result_type=returns, **DATABASE_STEP
                )
            except FailureError as error:
                raise to_domain_error(error) from error
            return result

        return await self.insist(activity, attempt, undoes=undoes)

    async def provider_step(
        self,
        activity: str,
        given: Any,
        *,
        returns: type[Result],
        queue: str,
        profile: workflow.ActivityConfig,
    ) -> Result:
        """Run an activity on a provider's queue, once no operator holds the operation.

        Raises:
            PerdureError: What it failed with, as the domain knows it.
            OperationCancelled: The operation was held, and is to stop.
        """
        while True:
            resumes = self._resumes
            try:
                return await self._unless_cancelled(
                    workflow.start_activity(
                        activity, given, result_type=returns, **on_queue(queue, profile)
                    )
                )
            except FailureError as error:
                if is_cancelled_exception(error) and self._is_to_stop:
                    raise OperationCancelled(self.cancel_reason or "") from error
                found = to_domain_error(error)
                if isinstance(found, TurnPending):
                    await self._pause(_TURN_AGAIN_S)
                    continue
                if not isinstance(found, OperationParked):
                    raise found from error
                await self.park(activity, found)
            await self._resumed(resumes)

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the operation is to stop; what undoes sleeps in any case."""
        if self.cancel_reason is None and not self._is_undoing:
            await self.wait(lambda: False, timeout_s=seconds)
        else:
            await workflow.sleep(seconds)

    async def end_of(
        self, child: workflow.ChildWorkflowHandle[Any, Result], *, marker: str
    ) -> Result:
        """Wait for a child's end; a request to cancel does not wait for it.

        Args:
            marker: Of what no earlier run did.

        Raises:
            PerdureError: What it failed with, as the domain knows it.
            OperationCancelled: The operation is to stop.
        """
        try:
            await workflow.wait_condition(lambda: child.done() or self._is_to_stop)
        except asyncio.CancelledError:
            child.cancel()
            raise
        if not child.done() and workflow.patched(marker):
            raise OperationCancelled(self.cancel_reason or "")
        try:
            return await child
        except FailureError as error:
            raise to_domain_error(error) from error

    async def end_of_undoing(self, child: workflow.ChildWorkflowHandle[Any, Result]) -> Result:
        """Wait for the end of a child that undoes, and pass on to it what has it go on.

        Raises:
            PerdureError: What it failed with, as the domain knows it.
        """
        resumes = self._resumes
        while not child.done():
            if await self._resumed_before_end_of(child, resumes):
                resumes = self._resumes
                with suppress(FailureError):  # it has just ended
                    await child.signal(RESUME)
        try:
            return await child
        except FailureError as error:
            raise to_domain_error(error) from error

    async def _resumed_before_end_of(self, child: "asyncio.Future[Any]", resumes: int) -> bool:
        await workflow.wait_condition(lambda: child.done() or self._resumes > resumes)
        return self._resumes > resumes

    async def _unless_cancelled(self, call: workflow.ActivityHandle[Result]) -> Result:
        """Wait for a provider's activity, which a request to cancel takes out of its queue.

        One that a worker has begun goes on to its end; see `interceptors.operation_sync`.
        """
        if self.cancel_reason is None and not self._is_undoing:
            await workflow.wait_condition(lambda: call.done() or self.cancel_reason is not None)
            if not call.done() and workflow.patched(versions.CANCEL_WAITING_CALL):
                call.cancel()
        return await call


_scope: ContextVar[OperationScope] = ContextVar("operation_scope")


def open_scope(operation_id: str) -> OperationScope:
    """Make the scope of the workflow that begins; called once, by the interceptor."""
    scope = OperationScope(operation_id)
    _scope.set(scope)
    return scope


def current_scope() -> OperationScope:
    """Return the scope of the running workflow."""
    return _scope.get()
