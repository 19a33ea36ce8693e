"""A renewal's own workflow: able to wait for the registry and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable import versions
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell_by_marker

from perdure.capability.contracts import End
from perdure.renewals.contracts import WORKFLOW, RenewalInput
from perdure.renewals.process import run_renewal


@workflow.defn(name=WORKFLOW)
class RenewalWorkflow:
    """Carries one renewal to its end."""

    @workflow.run
    async def run(self, renewal: RenewalInput) -> End:
        """Run the renewal's script."""
        steps = WorkflowRunner(tell_by_marker, undo_marker=versions.UNDO_EARLIER_RUNS)
        return await run_renewal(renewal, steps)
