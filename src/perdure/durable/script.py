"""An operation's own workflow as the runner of its script: able to wait, and to be parked."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from perdure.core.errors import ANSWERS, PerdureError, ProviderAway
from perdure.core.script import CallStep, Given, OwnStep, Result, Reversal, ScriptStep, Step
from perdure.durable.first_tries import first_try
from perdure.durable.operation_ids import reversal_id
from perdure.durable.options import LONG_STEP, PROVIDER_CALL, PROVIDER_CALL_SOON, PROVIDER_INQUIRY
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.scope import current_scope


class WorkflowRunner:
    """Runs a script's steps as activities.

    Args:
        tell: Has messages delivered.
        own: How the workflow takes its `OwnStep`s.
        tries_first: Providers that are quick are called where the workflow runs.
        undo_marker: Of what earlier runs did not undo: a call that they had not begun themselves.

    Attributes:
        begun: The calls this run has begun.
        done: The steps it has done.
    """

    def __init__(
        self,
        tell: Callable[[list[str]], Awaitable[None]],
        *,
        own: Mapping[OwnStep[Any, Any], Callable[[Any], Awaitable[Any]]] | None = None,
        tries_first: bool = True,
        undo_marker: str | None = None,
    ) -> None:
        self._tell = tell
        self.begun: set[CallStep[Any, Any]] = set()
        self.done: set[Step[Any, Any]] = set()
        self._own = own or {}
        self._tries_first = tries_first
        self._undo_marker = undo_marker

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        """Run a step, as `Runner` says."""
        if isinstance(step, CallStep):
            return await self._call(step, given)
        if isinstance(step, Step) and step.takes_long:
            return await self._at_length(step, given)
        if isinstance(step, Step):
            result: Result = await current_scope().database_step(
                step.name,
                given,
                returns=step.returns,
                undoes=step.undoes or step.past_return,
            )
            self.done.add(step)
            return result
        if isinstance(step, Reversal):
            return await current_scope().insist(
                step.name, lambda: _undone_by_child(step, given), undoes=True
            )
        assert isinstance(step, OwnStep)
        own: Result = await self._own[step](given)
        return own

    async def run_until(
        self, call: CallStep[Given, Result], given: Given, check: Callable[[Result], None]
    ) -> Result:
        """Make a call until its answer passes a check; one that does not parks the operation."""

        async def attempt() -> Result:
            result = await self._attempt(call, given)
            check(result)
            return result

        return await current_scope().insist(call.name, attempt)

    async def tell(self, notification_ids: list[str]) -> None:
        """Have messages delivered; this never fails."""
        await self._tell(notification_ids)

    async def _at_length(self, step: Step[Given, Result], given: Given) -> Result:
        scope = current_scope()

        def attempt() -> Awaitable[Result]:
            return scope.provider_step(
                step.name, given, returns=step.returns, queue=OPERATIONS, profile=LONG_STEP
            )

        result = await scope.insist(step.name, attempt, undoes=step.undoes or step.past_return)
        self.done.add(step)
        return result

    async def _call(self, call: CallStep[Given, Result], given: Given) -> Result:
        if self._was_left_by_earlier_runs(call):
            return call.returns()
        self.begun.add(call)
        if call.first_try is not None and self._tries_first:
            tried = await first_try(call.first_try.name, given, returns=call.first_try.returns)
            if tried is not None and (made := call.found(tried)) is not None:
                return made
        return await current_scope().insist(
            call.name, lambda: self._attempt(call, given), undoes=call.undoes is not None
        )

    def _was_left_by_earlier_runs(self, call: CallStep[Any, Any]) -> bool:
        """Whether nothing is undone, as this run did not begin it, and began before it would."""
        if call.undoes is None or call.undoes in self.begun or self._undo_marker is None:
            return False
        return not workflow.patched(self._undo_marker)

    async def _attempt(self, call: CallStep[Given, Result], given: Given) -> Result:
        try:
            return await self._at_provider(call, given)
        except (*ANSWERS, ProviderAway):
            raise
        except PerdureError as error:
            if call.resolve is None:
                raise
            # The tries are used up. What became of them is found out before anything is decided.
            found = call.found(await self._resolve(call, call.resolve, given))
            if found is None:
                # It may be that it was not made because it was called off.
                current_scope().check_goes_on()
                raise call.not_made(given, error) from error
            return found

    async def _resolve(
        self, call: CallStep[Given, Any], resolve: CallStep[Given, Any], given: Given
    ) -> Any:
        if call.parks:
            return await self._at_provider(resolve, given)
        return await current_scope().insist(resolve.name, lambda: self._at_provider(resolve, given))

    async def _at_provider(self, step: CallStep[Given, Result], given: Given) -> Result:
        usual = PROVIDER_CALL_SOON if step.tried_soon else PROVIDER_CALL
        inquires = step.inquires or step.undoes is not None
        return await current_scope().provider_step(
            step.name,
            given,
            returns=step.returns,
            queue=provider_queue(step.provider(given)),
            profile=PROVIDER_INQUIRY if inquires else usual,
        )


async def _undone_by_child(reversal: Reversal[Given, Result], given: Given) -> Result:
    """Have a workflow of its own undo; see `durable.reversal` for what that does."""
    scope = current_scope()
    while True:
        try:
            child = await workflow.start_child_workflow(
                reversal.workflow,
                given,
                id=reversal_id(scope.operation_id),
                result_type=reversal.returns,
                parent_close_policy=ParentClosePolicy.TERMINATE,
            )
        except WorkflowAlreadyStartedError:
            # An earlier run of this workflow was ended, and its child is ending.
            await workflow.sleep(1)
        else:
            return await scope.end_of_undoing(child)
