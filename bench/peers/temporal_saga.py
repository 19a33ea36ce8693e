"""The workflow of the Temporal tutorials: five activities, one after the other."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from bench.steps import Payment

TASK_QUEUE = "money-transfer"


@workflow.defn
class MoneyTransfer:
    """A payment."""

    @workflow.run
    async def run(self, payment: Payment) -> str:
        """Carry it out; returns the provider's id of the payout."""
        retry_policy = RetryPolicy(
            maximum_attempts=3,
            maximum_interval=timedelta(seconds=2),
        )
        timeout = timedelta(seconds=5)
        await workflow.execute_activity(
            "validate", payment, start_to_close_timeout=timeout, retry_policy=retry_policy
        )
        await workflow.execute_activity(
            "hold", payment, start_to_close_timeout=timeout, retry_policy=retry_policy
        )
        payout_id: str = await workflow.execute_activity(
            "pay_out", payment, start_to_close_timeout=timeout, retry_policy=retry_policy
        )
        await workflow.execute_activity(
            "settle",
            args=[payment, payout_id],
            start_to_close_timeout=timeout,
            retry_policy=retry_policy,
        )
        await workflow.execute_activity(
            "notify", payment, start_to_close_timeout=timeout, retry_policy=retry_policy
        )
        return payout_id
