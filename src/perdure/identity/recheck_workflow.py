"""Checks a customer again whose approval has ended: begun then, by a timer that Temporal keeps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from perdure.core.errors import PerdureError, Refused
    from perdure.core.script import CallStep, Given, OwnStep, Result, ScriptStep
    from perdure.durable.failures import to_domain_error
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

_AGAIN: Final = timedelta(days=1)
"""How long one that could not be made is left; the verifier was asked for a day before."""


@workflow.defn(name=RECHECK_WORKFLOW)
class RecheckWorkflow:
    """Checks one customer again, until there is a verdict."""

    @workflow.init
    def __init__(self, check: IdentityCheck) -> None:  # noqa: ARG002 - Temporal hands the input
        self._hints = Hints()

    @workflow.signal(name=TOLD)
    def on_identity_told(self, event_id: str) -> None:
        """Take that there may be something new of the check."""
        self._hints.take(event_id)

    @workflow.run
    async def run(self, check: IdentityCheck) -> str:
        """Check; returns how it ended."""
        while True:
            try:
                seen = await check_identity(check, _Steps(self._hints))
            except Refused as no:
                await _end(RecheckEnd(check, no.code, no.message))
                return no.code
            except PerdureError as error:
                await _end(RecheckEnd(check, error.code, error.message, is_final=False))
                await workflow.sleep(_AGAIN)
            else:
                return seen.status


class _Steps:
    """Runs the check's steps where no operation is under way any more: nothing is parked."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        """Run a step; see `Runner`."""
        if isinstance(step, OwnStep):
            assert isinstance(given, Wait)
            waited: Any = await self._hints.wait(given)
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
