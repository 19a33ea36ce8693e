"""A refund's own workflow: able to wait for its provider and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell_by_marker

from perdure.refunds.contracts import WORKFLOW, RefundEnd, RefundInput
from perdure.refunds.process import run_refund


@workflow.defn(name=WORKFLOW)
class RefundWorkflow:
    """Carries one refund to its end."""

    @workflow.run
    async def run(self, refund: RefundInput) -> RefundEnd:
        """Run the refund's script."""
        return await run_refund(refund, WorkflowRunner(tell_by_marker))
