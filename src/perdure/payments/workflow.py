"""A payment's own workflow: every step an activity, able to wait for the gateway and for people."""

from functools import partial

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from perdure.core.errors import (
        OperationCancelled,
        PerdureError,
        ProviderAway,
        ProviderDisagrees,
        Refused,
    )
    from perdure.durable import versions
    from perdure.durable.queues import FRAUD
    from perdure.durable.scope import current_scope
    from perdure.durable.script import WorkflowRunner
    from perdure.notifications.telling import tell

from perdure.capability.contracts import End
from perdure.fraud import contracts as fraud
from perdure.payments import contracts, process, rules
from perdure.payments.contracts import ChargeOutcome, GatewayCallback, PaymentInput, PaymentStatus
from perdure.payments.process import Charged, run_payment


@workflow.defn(name=contracts.WORKFLOW)
class PaymentWorkflow:
    """Carries one payment to its end."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:  # noqa: ARG002 - Temporal hands the input
        self._callbacks: list[GatewayCallback] = []
        self._compares = False
        self._tries_first = False
        self._steps = WorkflowRunner(tell)

    @workflow.run
    async def run(self, payment: PaymentInput) -> End:
        """Run the payment's script."""
        # One marker a run: each costs as much as a step.
        self._compares = workflow.patched(versions.CALLBACKS_ARE_HINTS)
        self._tries_first = self._compares or workflow.patched(versions.FIRST_TRIES)
        counts = self._tries_first or workflow.patched(versions.PAYMENT_DAILY_LIMIT)
        return await self._carry_out(payment, counts=counts)

    async def _carry_out(self, payment: PaymentInput, *, counts: bool) -> End:
        self._steps = WorkflowRunner(
            partial(tell, tries_first=self._tries_first),
            own={
                process.CHECK_FRAUD: self._passes_fraud_check,
                process.CONFIRMATION: self._confirmation,
            },
            tries_first=self._tries_first,
            undo_marker=versions.UNDO_EARLIER_RUNS,
        )
        return await run_payment(payment, self._steps, counts=counts)

    @workflow.signal(name=contracts.GATEWAY_CALLBACK)
    def on_gateway_callback(self, callback: GatewayCallback) -> None:
        """Take what the gateway tells, which may come before the charge's own answer."""
        self._callbacks.append(callback)

    @workflow.query(name=contracts.STATUS)
    def status(self) -> PaymentStatus:
        """Answer where the payment stands."""
        done = self._steps.done
        if process.SETTLE in done:
            return PaymentStatus.SUCCESS
        if process.CLOSE in done:
            return PaymentStatus.FAIL
        return PaymentStatus.PROCESSING if process.HOLD in done else PaymentStatus.PENDING

    async def _passes_fraud_check(self, payment: PaymentInput) -> bool:
        """Have the fraud service judge the payment; a judgement that makes no sense parks it.

        So does a scorer that is away for longer than the payment waits.
        """
        return await current_scope().insist(fraud.SCORE, lambda: self._fraud_check(payment))

    async def _fraud_check(self, payment: PaymentInput) -> bool:
        while True:
            try:
                return (await self._fraud_verdict(payment)).passed
            except WorkflowAlreadyStartedError:
                # An earlier run of this workflow was ended, and its check is ending.
                await workflow.sleep(1)
            except OperationCancelled:
                raise
            except (ProviderDisagrees, ProviderAway):
                # The hold, which goes on meanwhile, gives the row its status: park after it.
                await workflow.wait_condition(lambda: process.HOLD in self._steps.done)
                raise
            except PerdureError as error:
                raise Refused(
                    "The fraud check could not be made, so no money was moved; try again later.",
                    code="fraud_check_unavailable",
                ) from error

    async def _fraud_verdict(self, payment: PaymentInput) -> fraud.FraudVerdict:
        check = await workflow.start_child_workflow(
            fraud.WORKFLOW_FIRST_TRY if self._tries_first else fraud.WORKFLOW,
            rules.fraud_check_of(payment),
            id=fraud.workflow_id(payment.operation_id),
            result_type=fraud.FraudVerdict,
            task_queue=FRAUD,
            parent_close_policy=ParentClosePolicy.TERMINATE,
            # A payment that is refused meanwhile does not wait for the check's end.
            cancellation_type=ChildWorkflowCancellationType.TRY_CANCEL,
        )
        verdict: fraud.FraudVerdict = await current_scope().end_of(
            check, marker=versions.CANCEL_WAITING_CHECK
        )
        return verdict

    async def _confirmation(self, charged: Charged) -> ChargeOutcome:
        """Wait for the gateway's confirmation, and ask it when the time is over."""
        payment, charge = charged.payment, charged.charge
        if charge.status != "pending":
            return charge
        told = await (self._told(payment, charge) if self._compares else self._told_first(payment))
        if told is not None:
            return told
        return await self._steps.run(process.CONFIRM_CHARGE, payment)

    async def _told(self, payment: PaymentInput, made: ChargeOutcome) -> ChargeOutcome | None:
        """Return how the charge ended, once a callback tells it, or has us ask; None: none did.

        Whatever is told besides, the whole time is waited.
        """
        until_s = workflow.time() + payment.options.callback_timeout_s
        while True:
            left_s = max(until_s - workflow.time(), 0)
            if not await current_scope().wait(lambda: bool(self._callbacks), timeout_s=left_s):
                return None
            told, self._callbacks = self._callbacks, []
            if (confirmed := rules.confirmed_by(payment, made, told)) is not None:
                return confirmed
            found = await self._steps.run(process.CHECK_CHARGE, payment)
            if found.status != "pending":
                return found

    async def _told_first(self, payment: PaymentInput) -> ChargeOutcome | None:
        """Return what the first callback says, as runs did before they compared."""
        confirmed = await current_scope().wait(
            lambda: bool(self._callbacks), timeout_s=payment.options.callback_timeout_s
        )
        return self._callbacks[0].charge if confirmed else None
