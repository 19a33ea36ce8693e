"""A payment's own workflow: every step an activity, able to wait for the gateway and for people."""

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ChildWorkflowCancellationType, ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from perdure.core.errors import (
        ANSWERS,
        OperationCancelled,
        PerdureError,
        ProviderAway,
        ProviderDisagrees,
        Refused,
    )
    from perdure.durable import options, versions
    from perdure.durable.first_tries import first_try
    from perdure.durable.queues import FRAUD, provider_queue
    from perdure.durable.scope import OperationScope, Result, current_scope
    from perdure.notifications.telling import tell

from perdure.fraud import contracts as fraud
from perdure.payments import contracts, rules
from perdure.payments.contracts import (
    AtOnce,
    ChargeOutcome,
    ChargeResolution,
    ClosePayment,
    GatewayCallback,
    Held,
    HoldFunds,
    PaymentEnd,
    PaymentFailure,
    PaymentInput,
    PaymentStatus,
    SettlePayment,
)
from perdure.payments.process import run_payment

_GATEWAY_QUEUE = provider_queue(contracts.GATEWAY)


@workflow.defn(name=contracts.WORKFLOW)
class PaymentWorkflow:
    """Carries one payment to its end."""

    @workflow.init
    def __init__(self, payment: PaymentInput) -> None:  # noqa: ARG002 - Temporal hands the input
        self._status = PaymentStatus.PENDING
        self._callbacks: list[GatewayCallback] = []
        self._compares = False
        self._tries_first = False
        self._charges = False

    @workflow.run
    async def run(self, payment: PaymentInput) -> PaymentEnd:
        """Run the payment's script."""
        # One marker a run: each costs as much as a step.
        self._compares = workflow.patched(versions.CALLBACKS_ARE_HINTS)
        self._tries_first = self._compares or workflow.patched(versions.FIRST_TRIES)
        return await run_payment(payment, self)

    @workflow.signal(name=contracts.GATEWAY_CALLBACK)
    def on_gateway_callback(self, callback: GatewayCallback) -> None:
        """Take what the gateway tells, which may come before the charge's own answer."""
        self._callbacks.append(callback)

    @workflow.query(name=contracts.STATUS)
    def status(self) -> PaymentStatus:
        """Answer where the payment stands."""
        return self._status

    async def hold_funds(self, payment: PaymentInput) -> None:
        """Check the account and the limits, and set the money aside."""
        counts = self._tries_first or workflow.patched(versions.PAYMENT_DAILY_LIMIT)
        limit = payment.options.daily_limit_minor if counts else None
        await self._scope.database_step(
            contracts.HOLD_FUNDS, HoldFunds(payment, limit), returns=Held
        )
        self._status = PaymentStatus.PROCESSING

    async def passes_fraud_check(self, payment: PaymentInput) -> bool:
        """Have the fraud service judge the payment; a judgement that makes no sense parks it.

        So does a scorer that is away for longer than the payment waits.
        """
        return await self._scope.insist(fraud.SCORE, lambda: self._fraud_check(payment))

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
                await workflow.wait_condition(lambda: self._status != PaymentStatus.PENDING)
                raise
            except PerdureError as error:
                raise Refused(
                    "The fraud check could not be made, so no money was moved; try again later.",
                    code="fraud_check_unavailable",
                ) from error

    async def _fraud_verdict(self, payment: PaymentInput) -> fraud.FraudVerdict:
        request = payment.request
        check = await workflow.start_child_workflow(
            fraud.WORKFLOW_AT_ONCE if self._tries_first else fraud.WORKFLOW,
            fraud.FraudCheck(
                payment.operation_id,
                request.customer_id,
                request.amount_minor,
                request.currency,
                request.payment_method,
            ),
            id=fraud.workflow_id(payment.operation_id),
            result_type=fraud.FraudVerdict,
            task_queue=FRAUD,
            parent_close_policy=ParentClosePolicy.TERMINATE,
            # A payment that is refused meanwhile does not wait for the check's end.
            cancellation_type=ChildWorkflowCancellationType.TRY_CANCEL,
        )
        verdict: fraud.FraudVerdict = await self._scope.end_of(
            check, marker=versions.CANCEL_WAITING_CHECK
        )
        return verdict

    async def charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Have the gateway collect, once."""
        self._charges = True
        if self._tries_first:
            tried = await first_try(contracts.CHARGE_AT_ONCE, payment, returns=AtOnce)
            if tried is not None and tried.charge is not None:
                return tried.charge
        return await self._scope.insist(contracts.CHARGE, lambda: self._charge(payment))

    async def _charge(self, payment: PaymentInput) -> ChargeOutcome:
        try:
            return await self._at_gateway(
                contracts.CHARGE, payment, ChargeOutcome, options.PROVIDER_CALL
            )
        except (*ANSWERS, ProviderAway):
            raise
        except PerdureError as error:
            # The tries are used up. What became of them is found out before anything is decided.
            resolution = await self._insist_at_gateway(
                contracts.RESOLVE_CHARGE, payment, ChargeResolution
            )
            if resolution.charge is None:
                raise Refused(
                    "The gateway cannot be reached, so no money was moved; try again later.",
                    code="gateway_unavailable",
                ) from error
            return resolution.charge

    async def confirmation(self, payment: PaymentInput, charge: ChargeOutcome) -> ChargeOutcome:
        """Wait for the gateway's confirmation, and ask it when the time is over."""
        if charge.status != "pending":
            return charge
        told = await (self._told(payment, charge) if self._compares else self._told_first(payment))
        if told is not None:
            return told
        return await self._insist_at_gateway(contracts.CONFIRM_CHARGE, payment, ChargeOutcome)

    async def _told(self, payment: PaymentInput, made: ChargeOutcome) -> ChargeOutcome | None:
        """Return how the charge ended, once a callback tells it, or has us ask; None: none did.

        Whatever is told besides, the whole time is waited.
        """
        until_s = workflow.time() + payment.options.callback_timeout_s
        while True:
            left_s = max(until_s - workflow.time(), 0)
            if not await self._scope.wait(lambda: bool(self._callbacks), timeout_s=left_s):
                return None
            told, self._callbacks = self._callbacks, []
            if (confirmed := rules.confirmed_by(payment, made, told)) is not None:
                return confirmed
            found = await self._insist_at_gateway(contracts.CHECK_CHARGE, payment, ChargeOutcome)
            if found.status != "pending":
                return found

    async def _told_first(self, payment: PaymentInput) -> ChargeOutcome | None:
        """Return what the first callback says, as runs did before they compared."""
        confirmed = await self._scope.wait(
            lambda: bool(self._callbacks), timeout_s=payment.options.callback_timeout_s
        )
        return self._callbacks[0].charge if confirmed else None

    async def settle(self, payment: PaymentInput, charge: ChargeOutcome) -> PaymentEnd:
        """Post the money."""
        end = await self._scope.database_step(
            contracts.SETTLE, SettlePayment(payment, charge), returns=PaymentEnd
        )
        self._status = PaymentStatus.SUCCESS
        return end

    async def compensate(self, activity: str, payment: PaymentInput) -> None:
        """Undo what a step did, or may have done, be it before this run."""
        if self._charges or workflow.patched(versions.UNDO_EARLIER_RUNS):
            await self._insist_at_gateway(activity, payment, ChargeResolution, undoes=True)

    async def close(self, payment: PaymentInput, failure: PaymentFailure) -> PaymentEnd:
        """Release the money."""
        end = await self._scope.database_step(
            contracts.CLOSE, ClosePayment(payment, failure), returns=PaymentEnd, undoes=True
        )
        self._status = PaymentStatus.FAIL
        return end

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell payer and payee in parallel."""
        await tell(notification_ids, tries_first=self._tries_first)

    async def _at_gateway(
        self,
        activity: str,
        payment: PaymentInput,
        returns: type[Result],
        profile: workflow.ActivityConfig,
    ) -> Result:
        return await self._scope.provider_step(
            activity, payment, returns=returns, queue=_GATEWAY_QUEUE, profile=profile
        )

    async def _insist_at_gateway(
        self,
        activity: str,
        payment: PaymentInput,
        returns: type[Result],
        *,
        undoes: bool = False,
    ) -> Result:
        return await self._scope.insist(
            activity,
            lambda: self._at_gateway(activity, payment, returns, options.PROVIDER_INQUIRY),
            undoes=undoes,
        )

    @property
    def _scope(self) -> OperationScope:
        return current_scope()
