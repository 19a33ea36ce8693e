"""A transfer's own workflow: able to wait for the bank and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.first_tries import first_try
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell_by_marker

from perdure.capability.contracts import End, FirstTry
from perdure.transfers.contracts import WORKFLOW, TransferInput
from perdure.transfers.process import FIRST_TRY, run_transfer


@workflow.defn(name=WORKFLOW)
class TransferWorkflow:
    """Carries one transfer to its end."""

    @workflow.run
    async def run(self, transfer: TransferInput) -> End:
        """Run the transfer's script: in one go if nothing is in the way, else step by step."""
        done = await first_try(FIRST_TRY.name, transfer, returns=FirstTry)
        if done is not None and done.end is not None:
            await tell_by_marker(done.untold)
            return done.end
        return await run_transfer(transfer, WorkflowRunner(tell_by_marker))
