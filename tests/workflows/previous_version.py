"""The payment's logic as it was in v1, before the daily limit: what an old worker still runs."""

from temporalio import workflow

from perdure.payments import contracts
from perdure.payments.contracts import Held, HoldFunds, PaymentEnd, PaymentInput, PaymentStatus
from perdure.payments.workflow import PaymentWorkflow


@workflow.defn(name=contracts.WORKFLOW)
class PaymentWorkflowV1(PaymentWorkflow):
    """Holds funds without a marker."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:
        super().__init__(payment)

    @workflow.run
    async def run(self, payment: PaymentInput) -> PaymentEnd:
        return await super().run(payment)

    async def hold_funds(self, payment: PaymentInput) -> None:
        await self._scope.database_step(contracts.HOLD_FUNDS, HoldFunds(payment), returns=Held)
        self._status = PaymentStatus.PROCESSING
