"""The fraud check.

A workflow of its own, so that it can grow (a second scorer, a person's look) by itself.
"""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.durable.first_tries import first_try
    from perdure.durable.options import PROVIDER_CALL, on_queue
    from perdure.durable.queues import provider_queue

from perdure.fraud.contracts import (
    SCORE,
    SCORE_FIRST_TRY,
    SCORER,
    WORKFLOW,
    WORKFLOW_FIRST_TRY,
    FirstTry,
    FraudCheck,
    FraudVerdict,
)


@workflow.defn(name=WORKFLOW_FIRST_TRY)
class FraudCheckFirstTryWorkflow:
    """Judges one operation: where it runs if the scorer is quick, else by its queue."""

    @workflow.run
    async def run(self, check: FraudCheck) -> FraudVerdict:
        """Ask the scorer."""
        tried = await first_try(SCORE_FIRST_TRY, check, returns=FirstTry)
        if tried is not None and tried.verdict is not None:
            return tried.verdict
        return await _score(check)


@workflow.defn(name=WORKFLOW)
class FraudCheckWorkflow:
    """Judges one operation by the scorer's queue.

    A type of its own, as a marker in the other one would cost as much as the queue.
    """

    @workflow.run
    async def run(self, check: FraudCheck) -> FraudVerdict:
        """Ask the scorer."""
        return await _score(check)


async def _score(check: FraudCheck) -> FraudVerdict:
    verdict: FraudVerdict = await workflow.execute_activity(
        SCORE,
        check,
        result_type=FraudVerdict,
        **on_queue(provider_queue(SCORER), PROVIDER_CALL),
    )
    return verdict
