"""A trade's own workflow: every call an activity, able to wait for both services and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell

from perdure.capability.contracts import End
from perdure.trades.contracts import WORKFLOW, TradeInput
from perdure.trades.process import run_trade


@workflow.defn(name=WORKFLOW)
class TradeWorkflow:
    """Carries one trade to its end."""

    @workflow.run
    async def run(self, trade: TradeInput) -> End:
        """Run the trade's script, step by step."""
        return await run_trade(trade, WorkflowRunner(tell))
