"""A bank sync's own workflow: page after page, able to wait for the aggregator and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell

from perdure.bank_sync.contracts import (
    PROGRESS,
    WORKFLOW,
    BankSyncEnd,
    BankSyncInput,
    Progress,
)
from perdure.bank_sync.process import run_bank_sync


@workflow.defn(name=WORKFLOW)
class BankSyncWorkflow:
    """Carries one sync to its end."""

    def __init__(self) -> None:
        self._progress = Progress()

    @workflow.run
    async def run(self, sync: BankSyncInput) -> BankSyncEnd:
        """Run the sync's script; where there are many pages, in several histories."""
        end = await run_bank_sync(sync, WorkflowRunner(tell), self._note)
        if end is None:
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(sync)
        return end

    @workflow.query(name=PROGRESS)
    def progress(self) -> Progress:
        """Return how far it is, by the page that was read last."""
        return self._progress

    def _note(self, progress: Progress) -> None:
        self._progress = progress
