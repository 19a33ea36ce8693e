"""A break's workflow: it runs when somebody has said how the break is resolved, and no longer."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.scope import current_scope
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell

from perdure.capability.contracts import End, failure_of
from perdure.core.errors import PerdureError
from perdure.operations.model import Status
from perdure.reconciliation.contracts import BREAK_WORKFLOW, BreakInput
from perdure.reconciliation.process import RESOLVE, run_break


@workflow.defn(name=BREAK_WORKFLOW)
class ReconciliationBreakWorkflow:
    """Resolves one break, or has it wait for another resolution."""

    @workflow.run
    async def run(self, given: BreakInput) -> End:
        """Run the break's script; a resolution that cannot be carried out parks the break."""
        try:
            return await run_break(given, WorkflowRunner(tell))
        except PerdureError as error:
            # Nothing waits for the next resolution: it is a run of its own.
            await current_scope().park(RESOLVE.name, error)
            return End(Status.NEEDS_ATTENTION, failure_of(error))
