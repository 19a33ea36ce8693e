"""Changes of workflows' logic that nobody may deploy: the replay has to find them."""

from temporalio import workflow

from perdure.payments import contracts
from perdure.payments.contracts import PaymentEnd, PaymentInput
from perdure.payments.workflow import PaymentWorkflow
from perdure.transfers.contracts import WORKFLOW as TRANSFER
from perdure.transfers.contracts import TransferEnd, TransferInput
from perdure.transfers.workflow import TransferWorkflow


@workflow.defn(name=contracts.WORKFLOW)
class ChargesBeforeItHolds(PaymentWorkflow):
    """The steps in another order."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:
        super().__init__(payment)

    @workflow.run
    async def run(self, payment: PaymentInput) -> PaymentEnd:
        charge = await self.charge(payment)
        await self.hold_funds(payment)
        return await self.settle(payment, charge)


@workflow.defn(name=contracts.WORKFLOW)
class WaitsBeforeItBegins(PaymentWorkflow):
    """One more timer, not behind a marker."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:
        super().__init__(payment)

    @workflow.run
    async def run(self, payment: PaymentInput) -> PaymentEnd:
        await workflow.sleep(1)
        return await super().run(payment)


@workflow.defn(name=TRANSFER)
class PaysBeforeItHolds(TransferWorkflow):
    """The steps in another order."""

    @workflow.run
    async def run(self, transfer: TransferInput) -> TransferEnd:
        payout = await self.pay_out(transfer)
        await self.hold_funds(transfer)
        return await self.settle(transfer, payout)
