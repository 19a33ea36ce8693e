"""Checks a customer again whose approval has ended: begun then, by a timer that Temporal keeps."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from perdure.core.errors import OperationCancelled, PerdureError, Refused
    from perdure.core.script import CallStep, Given, OwnStep, Result, ScriptStep
    from perdure.durable.failures import to_domain_error
    from perdure.durable.later import WAKE
    from perdure.durable.options import DATABASE_STEP, PROVIDER_INQUIRY, on_queue
    from perdure.durable.queues import provider_queue
    from perdure.notifications.telling import tell

from perdure.identity.contracts import (
    END_RECHECK,
    RECHECK_WORKFLOW,
    TOLD,
    IdentityCheck,
    RecheckEnd,
    Wait,
)
from perdure.identity.process import check_identity
from perdure.identity.waiting import Hints

CALLED_OFF: Final = "called_off"
_AGAIN: Final = timedelta(days=1)
"""How long one that could not be made is left; the verifier was asked for a day before."""


@workflow.defn(name=RECHECK_WORKFLOW)
class RecheckWorkflow:
    """Checks one customer again, until there is a verdict."""

    @workflow.init
    def __init__(self, check: IdentityCheck) -> None:  # noqa: ARG002 - Temporal hands the input
        self._hints = Hints()
        self._is_left = False

    @workflow.signal(name=WAKE)
    def wake(self, reason: str) -> None:  # noqa: ARG002 - in the history, for people
        """Come to an end: whoever has left is not checked any more."""
        self._is_left = True
        self._hints.take(WAKE)

    @workflow.signal(name=TOLD)
    def on_identity_told(self, event_id: str) -> None:
        """Take that there may be something new of the check."""
        self._hints.take(event_id)

    @workflow.run
    async def run(self, check: IdentityCheck) -> str:
        """Check; returns how it ended."""
        while not self._is_left:
            try:
                seen = await check_identity(check, _Steps(self._hints, lambda: self._is_left))
            except OperationCancelled:
                break
            except Refused as no:
                await _end(RecheckEnd(check, no.code, no.message))
                return no.code
            except PerdureError as error:
                await _end(RecheckEnd(check, error.code, error.message, is_final=False))
                with suppress(TimeoutError):
                    await workflow.wait_condition(lambda: self._is_left, timeout=_AGAIN)
            else:
                return seen.status
        return CALLED_OFF


class _Steps:
    """Runs the check's steps where no operation is under way any more: nothing is parked."""

    def __init__(self, hints: Hints, is_left: Callable[[], bool]) -> None:
        self._hints = hints
        self._is_left = is_left

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        """Run a step; see `Runner`."""
        if isinstance(step, OwnStep):
            assert isinstance(given, Wait)
            waited: Any = await self._hints.wait(given)
            if self._is_left():
                raise OperationCancelled("The customer has left.")
            return waited  # type: ignore[no-any-return]
        try:
            result: Result
            if isinstance(step, CallStep):
                at_verifier = on_queue(provider_queue(step.provider(given)), PROVIDER_INQUIRY)
                result = await workflow.execute_activity(
                    step.name, given, result_type=step.returns, **at_verifier
                )
            else:
                result = await workflow.execute_local_activity(
                    step.name, given, result_type=step.returns, **DATABASE_STEP
                )
        except FailureError as error:
            raise to_domain_error(error) from error
        return result

    async def run_until(
        self, call: CallStep[Given, Result], given: Given, check: Callable[[Result], None]
    ) -> Result:
        """Make a call whose answer has to pass a check."""
        result = await self.run(call, given)
        check(result)
        return result

    async def tell(self, notification_ids: list[str]) -> None:
        """Have messages delivered; this never fails."""
        await tell(notification_ids)


async def _end(end: RecheckEnd) -> None:
    await workflow.execute_local_activity(END_RECHECK, end, **DATABASE_STEP)
