"""A giftcard's own workflow: able to wait for the provider and for people."""

from temporalio import workflow

from perdure import End, run_in_one_go
from perdure_giftcards.contracts import Giftcard
from perdure_giftcards.process import FIRST_TRY, run_giftcard


@workflow.defn(name="Giftcard")
class GiftcardWorkflow:
    """Carries one giftcard to its end."""

    @workflow.run
    async def run(self, giftcard: Giftcard) -> End:
        """Run the giftcard's script: in one go if nothing is in the way, else step by step."""
        return await run_in_one_go(run_giftcard, FIRST_TRY, giftcard)
