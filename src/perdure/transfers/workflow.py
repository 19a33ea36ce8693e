"""A transfer's own workflow: able to wait for the bank and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.capability.own_workflow import run_in_one_go

from perdure.capability.contracts import End
from perdure.transfers.contracts import WORKFLOW, TransferInput
from perdure.transfers.process import FIRST_TRY, run_transfer


@workflow.defn(name=WORKFLOW)
class TransferWorkflow:
    """Carries one transfer to its end."""

    @workflow.run
    async def run(self, transfer: TransferInput) -> End:
        """Run the transfer's script: in one go if nothing is in the way, else step by step."""
        return await run_in_one_go(run_transfer, FIRST_TRY, transfer)
