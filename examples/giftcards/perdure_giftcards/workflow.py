"""A giftcard's own workflow: able to wait for the provider and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.first_tries import first_try
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell_by_marker

from perdure import End, FirstTry
from perdure_giftcards.contracts import WORKFLOW, GiftcardInput
from perdure_giftcards.process import FIRST_TRY, run_giftcard


@workflow.defn(name=WORKFLOW)
class GiftcardWorkflow:
    """Carries one giftcard to its end."""

    @workflow.run
    async def run(self, giftcard: GiftcardInput) -> End:
        """Run the giftcard's script: in one go if nothing is in the way, else step by step."""
        done = await first_try(FIRST_TRY.name, giftcard, returns=FirstTry)
        if done is not None and done.end is not None:
            await tell_by_marker(done.untold)
            return done.end
        return await run_giftcard(giftcard, WorkflowRunner(tell_by_marker))
