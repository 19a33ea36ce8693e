"""Undoes what the gateway took for a payment that had ended without it."""

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from perdure.durable.options import PROVIDER_INQUIRY, on_queue
    from perdure.durable.queues import provider_queue

from perdure.payments.contracts import GATEWAY, LATE_CHARGE_WORKFLOW, UNDO_LATE_CHARGE


@workflow.defn(name=LATE_CHARGE_WORKFLOW)
class LateChargeWorkflow:
    """Undoes one payment's late charge, on the gateway's queue."""

    @workflow.run
    async def run(self, payment_id: str) -> bool:
        """Try for a day; False: it is not undone, and is looked into again."""
        try:
            await workflow.execute_activity(
                UNDO_LATE_CHARGE, payment_id, **on_queue(provider_queue(GATEWAY), PROVIDER_INQUIRY)
            )
        except FailureError:
            return False
        return True
