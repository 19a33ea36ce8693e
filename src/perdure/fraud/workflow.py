"""The fraud check.

A workflow of its own, so that it can grow (a second scorer, a person's look) by itself.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable import versions
    from perdure.durable.first_tries import first_try_since
    from perdure.durable.options import FRAUD_SCORE, on_queue
    from perdure.durable.queues import provider_queue

from perdure.fraud.contracts import (
    SCORE,
    SCORE_AT_ONCE,
    SCORER,
    WORKFLOW,
    AtOnce,
    FraudCheck,
    FraudVerdict,
)


@workflow.defn(name=WORKFLOW)
class FraudCheckWorkflow:
    """Judges one operation."""

    @workflow.run
    async def run(self, check: FraudCheck) -> FraudVerdict:
        """Ask the scorer."""
        tried = await first_try_since(versions.FIRST_TRIES, SCORE_AT_ONCE, check, returns=AtOnce)
        if tried is not None and tried.verdict is not None:
            return tried.verdict
        verdict: FraudVerdict = await workflow.execute_activity(
            SCORE,
            check,
            result_type=FraudVerdict,
            **on_queue(provider_queue(SCORER), FRAUD_SCORE),
        )
        return verdict
