"""A bulk: one workflow for one action on many operations, stretch after stretch.

What is left to do is in the database; the workflow only sees to it that somebody is doing it.
"""

from collections.abc import Awaitable
from typing import Final, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import LANE_RUN
    from perdure.durable.scope import current_scope

from perdure.core.errors import Conflict, OperationCancelled
from perdure.durable.bulks.contracts import (
    FINISH,
    RUN,
    SELECT,
    WORKFLOW,
    BulkCall,
    BulkEnd,
    BulkInput,
    StretchEnd,
)
from perdure.durable.queues import LANES

Result = TypeVar("Result")

_STRETCHES_MAX: Final = 200
"""In one run of the workflow, so that its history stays short."""


@workflow.defn(name=WORKFLOW)
class BulkWorkflow:
    """Selects, acts, and counts."""

    @workflow.run
    async def run(self, bulk: BulkInput) -> BulkEnd:
        """Run stretch after stretch; returns what became of the operations."""
        self._call = BulkCall(bulk.operation_id)
        try:
            await self._step(SELECT, returns=int)
            for _ in range(_STRETCHES_MAX):
                stretch = await self._step(RUN, returns=StretchEnd)
                if stretch.is_last:
                    break
            else:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(bulk)
        except (OperationCancelled, Conflict):
            # It was stopped; or has ended, and this is a run too many, which returns that end.
            workflow.logger.info("bulk_stopped")
        return await self._step(FINISH, returns=BulkEnd, undoes=True)

    async def _step(self, activity: str, *, returns: type[Result], undoes: bool = False) -> Result:
        """Run an activity; while the bulk is paused, wait for it to be resumed."""
        scope = current_scope()

        def attempt() -> Awaitable[Result]:
            return scope.provider_step(
                activity, self._call, returns=returns, queue=LANES, profile=LANE_RUN
            )

        return await scope.insist(activity, attempt, undoes=undoes)
