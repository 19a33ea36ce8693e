"""Changes of workflows' logic that nobody may deploy: the replay has to find them."""

from dataclasses import replace

from temporalio import workflow

from perdure.bank_sync import process as syncing
from perdure.bank_sync.contracts import WORKFLOW as BANK_SYNC
from perdure.bank_sync.contracts import BankSyncEnd, BankSyncInput
from perdure.bank_sync.workflow import BankSyncWorkflow
from perdure.capability.contracts import End
from perdure.durable.reversal import undo
from perdure.durable.script import WorkflowRunner
from perdure.notifications.telling import tell
from perdure.payments import contracts
from perdure.payments import process as payments
from perdure.payments.contracts import HoldFunds, PaymentInput, SettlePayment
from perdure.payments.workflow import PaymentWorkflow
from perdure.refunds.contracts import WORKFLOW as REFUND
from perdure.refunds.contracts import GivenBack, RefundEnd, RefundInput, SettleRefund
from perdure.refunds.process import SETTLE
from perdure.refunds.workflow import RefundWorkflow
from perdure.renewals import process as renewals
from perdure.renewals import rules
from perdure.renewals.contracts import WORKFLOW as RENEWAL
from perdure.renewals.contracts import HoldFee, RecordRenewal, RenewalInput
from perdure.renewals.workflow import RenewalWorkflow
from perdure.trades import process as trades
from perdure.trades.contracts import REVERSAL_WORKFLOW as REVERSAL
from perdure.trades.contracts import Delivery, TradeInput
from perdure.trades.reversal_workflow import TradeReversalWorkflow
from perdure.transfers import process as transfers
from perdure.transfers.contracts import WORKFLOW as TRANSFER
from perdure.transfers.contracts import SettleTransfer, TransferInput
from perdure.transfers.workflow import TransferWorkflow


@workflow.defn(name=contracts.WORKFLOW)
class ChargesBeforeItHolds(PaymentWorkflow):
    """The steps in another order."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:
        super().__init__(payment)

    @workflow.run
    async def run(self, payment: PaymentInput) -> End:
        steps = WorkflowRunner(tell)
        charge = await steps.run(payments.CHARGE, payment)
        await steps.run(payments.HOLD, HoldFunds(payment))
        return await steps.run(payments.SETTLE, SettlePayment(payment, charge))


@workflow.defn(name=contracts.WORKFLOW)
class WaitsBeforeItBegins(PaymentWorkflow):
    """One more timer, not behind a marker."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:
        super().__init__(payment)

    @workflow.run
    async def run(self, payment: PaymentInput) -> End:
        await workflow.sleep(1)
        return await super().run(payment)


@workflow.defn(name=TRANSFER)
class PaysBeforeItHolds(TransferWorkflow):
    """The steps in another order."""

    @workflow.run
    async def run(self, transfer: TransferInput) -> End:
        steps = WorkflowRunner(tell)
        payout = await steps.run(transfers.PAY_OUT, transfer)
        await steps.run(transfers.HOLD, transfer)
        return await steps.run(transfers.SETTLE, SettleTransfer(transfer, payout))


@workflow.defn(name=RENEWAL)
class RenewsBeforeItHolds(RenewalWorkflow):
    """The steps in another order."""

    @workflow.run
    async def run(self, renewal: RenewalInput) -> End:
        steps = WorkflowRunner(tell)
        fee = rules.fee_of(renewal, await steps.run(renewals.CHECK_DOMAIN, renewal))
        report = await steps.run(renewals.RENEW, renewal)
        await steps.run(renewals.HOLD_FEE, HoldFee(renewal, fee))
        return await steps.run(renewals.RECORD, RecordRenewal(renewal, fee, report))


@workflow.defn(name=REFUND)
class SettlesBeforeItGivesBack(RefundWorkflow):
    """Our books first."""

    @workflow.run
    async def run(self, refund: RefundInput) -> RefundEnd:
        return await WorkflowRunner(tell).run(SETTLE, SettleRefund(refund, GivenBack()))


@workflow.defn(name=BANK_SYNC)
class AppliesBeforeItLooks(BankSyncWorkflow):
    """The looks left for later."""

    @workflow.run
    async def run(self, sync: BankSyncInput) -> BankSyncEnd:
        steps = WorkflowRunner(tell)
        while (await steps.run(syncing.FETCH_PAGE, sync)).has_more:
            pass
        return await steps.run(syncing.APPLY, sync)


@workflow.defn(name=REVERSAL)
class UnblocksBeforeItReturns(TradeReversalWorkflow):
    """Not in reverse."""

    @workflow.run
    async def run(self, trade: TradeInput) -> Delivery:
        undoing = tuple(reversed(trades.REVERSE.undoing))
        return await undo(replace(trades.REVERSE, undoing=undoing), trade)
