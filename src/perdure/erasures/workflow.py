"""An erasure's own workflow: each step until it is done, in the queue where floods go."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import LANE_RUN
    from perdure.durable.queues import LANES
    from perdure.durable.scope import current_scope

from perdure.core.errors import OperationCancelled
from perdure.erasures.contracts import (
    CLOSE,
    DELETE_KEYS,
    EMPTY_FIELDS,
    ERASE_MENTIONS,
    RETIRE_KEYS,
    SETTLE_DOWN,
    WORKFLOW,
    Erased,
    ErasureInput,
)


@workflow.defn(name=WORKFLOW)
class ErasureWorkflow:
    """Carries one erasure to its end."""

    @workflow.run
    async def run(self, erasure: ErasureInput) -> None:
        """Wait until nothing of the customer is under way, then take out who it is."""
        self._erasure = erasure
        try:
            await self._step(SETTLE_DOWN)
        except OperationCancelled:
            await self._step(CLOSE, undoes=True)
            return
        # From here on nothing calls it off: what is emptied cannot be had back.
        for step in (ERASE_MENTIONS, EMPTY_FIELDS, RETIRE_KEYS, DELETE_KEYS):
            await self._step(step, undoes=True)

    async def _step(self, activity: str, *, undoes: bool = False) -> None:
        scope = current_scope()
        await scope.insist(
            activity,
            lambda: scope.provider_step(
                activity, self._erasure, returns=Erased, queue=LANES, profile=LANE_RUN
            ),
            undoes=undoes,
        )
