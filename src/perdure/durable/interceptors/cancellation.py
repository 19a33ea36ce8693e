"""Answers requests to stop an operation, in whatever way they come to its workflow.

The signal `cancel`, the update `cancel` and Temporal's own cancellation all write the request to
the row and wake the workflow. No step is cut short: the script meets the request at its next step
or wait, and undoes what was done.
"""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from perdure.durable.operation_ids import is_operation
from perdure.durable.scope import (
    RESUME,
    CancelCall,
    CancelDecision,
    OperationScope,
    current_scope,
)

CANCEL = "cancel"


class Cancellation(Interceptor):
    """Gives every operation's workflow the handlers `cancel` (signal and update) and `resume`."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002
    ) -> type[WorkflowInboundInterceptor] | None:
        """Wrap the workflows."""
        return _WorkflowCancellation


class _WorkflowCancellation(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
        if not is_operation(workflow.info().workflow_id):
            return await super().execute_workflow(input)
        scope = current_scope()
        _set_handlers(scope)
        script = asyncio.ensure_future(super().execute_workflow(input))
        while not script.done():
            try:
                # Waiting does not end with the script's error, nor end the script when cancelled.
                await workflow.wait([script])
            except asyncio.CancelledError:
                await scope.cancel(
                    CancelCall("temporal", "The workflow was cancelled in Temporal.")
                )
        await workflow.wait_condition(workflow.all_handlers_finished)
        return script.result()


def _set_handlers(scope: OperationScope) -> None:
    async def on_cancel_signal(call: CancelCall | None = None) -> None:
        await scope.cancel(call)

    async def on_cancel_update(call: CancelCall | None = None) -> CancelDecision:
        return await scope.cancel(call)

    def on_resume_signal() -> None:
        scope.resume()

    workflow.set_signal_handler(CANCEL, on_cancel_signal)
    workflow.set_update_handler(CANCEL, on_cancel_update)
    workflow.set_signal_handler(RESUME, on_resume_signal)
