"""The child workflow that undoes a trade."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.reversal import undo

from perdure.trades.contracts import REVERSAL_WORKFLOW, Delivery, TradeInput
from perdure.trades.process import REVERSE


@workflow.defn(name=REVERSAL_WORKFLOW)
class TradeReversalWorkflow:
    """Undoes one trade, unless it was delivered."""

    @workflow.run
    async def run(self, trade: TradeInput) -> Delivery:
        """Give back what was done, the latest first; returns the delivery that stands, if any."""
        return await undo(REVERSE, trade)
