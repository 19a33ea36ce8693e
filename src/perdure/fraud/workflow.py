"""The fraud check.

A workflow of its own, so that it can grow (a second scorer, a person's look) by itself.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import FRAUD_SCORE, on_queue
    from perdure.durable.queues import provider_queue

from perdure.fraud.contracts import SCORE, SCORER, WORKFLOW, FraudCheck, FraudVerdict


@workflow.defn(name=WORKFLOW)
class FraudCheckWorkflow:
    """Judges one operation."""

    @workflow.run
    async def run(self, check: FraudCheck) -> FraudVerdict:
        """Ask the scorer."""
        verdict: FraudVerdict = await workflow.execute_activity(
            SCORE,
            check,
            result_type=FraudVerdict,
            **on_queue(provider_queue(SCORER), FRAUD_SCORE),
        )
        return verdict
