"""The payment's logic as it was in v1, before the daily limit: what an old worker still runs."""

from temporalio import workflow

from perdure.capability.contracts import End
from perdure.payments import contracts
from perdure.payments.contracts import PaymentInput
from perdure.payments.workflow import PaymentWorkflow


@workflow.defn(name=contracts.WORKFLOW)
class PaymentWorkflowV1(PaymentWorkflow):
    """Holds funds without counting them, and without a marker."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:
        super().__init__(payment)

    @workflow.run
    async def run(self, payment: PaymentInput) -> End:
        return await self._carry_out(payment, counts=False)
