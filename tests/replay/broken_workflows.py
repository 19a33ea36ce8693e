"""Changes of workflows' logic that nobody may deploy: the replay has to find them."""

from temporalio import workflow

from perdure.durable.scope import current_scope
from perdure.durable.script import WorkflowRunner
from perdure.notifications.telling import tell_by_marker
from perdure.payments import contracts
from perdure.payments.contracts import PaymentEnd, PaymentInput
from perdure.payments.workflow import PaymentWorkflow
from perdure.refunds.contracts import SETTLE, GivenBack, RefundEnd, RefundInput, SettleRefund
from perdure.refunds.contracts import WORKFLOW as REFUND
from perdure.refunds.workflow import RefundWorkflow
from perdure.renewals import rules
from perdure.renewals.contracts import WORKFLOW as RENEWAL
from perdure.renewals.contracts import RenewalEnd, RenewalInput
from perdure.renewals.workflow import RenewalWorkflow
from perdure.transfers.contracts import WORKFLOW as TRANSFER
from perdure.transfers.contracts import SettleTransfer, TransferEnd, TransferInput
from perdure.transfers.process import HOLD, PAY_OUT
from perdure.transfers.process import SETTLE as SETTLE_TRANSFER
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
        steps = WorkflowRunner(tell_by_marker)
        payout = await steps.run(PAY_OUT, transfer)
        await steps.run(HOLD, transfer)
        return await steps.run(SETTLE_TRANSFER, SettleTransfer(transfer, payout))


@workflow.defn(name=RENEWAL)
class RenewsBeforeItHolds(RenewalWorkflow):
    """The steps in another order."""

    @workflow.run
    async def run(self, renewal: RenewalInput) -> RenewalEnd:
        fee = rules.fee_of(renewal, await self.check_domain(renewal))
        report = await self.renew(renewal)
        await self.hold_fee(renewal, fee)
        return await self.record(renewal, fee, report)


@workflow.defn(name=REFUND)
class SettlesBeforeItGivesBack(RefundWorkflow):
    """Our books first."""

    @workflow.run
    async def run(self, refund: RefundInput) -> RefundEnd:
        return await current_scope().database_step(
            SETTLE, SettleRefund(refund, GivenBack()), returns=RefundEnd
        )
