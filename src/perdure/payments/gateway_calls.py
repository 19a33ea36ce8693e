"""A payment's steps at the gateway."""

from perdure.core.errors import ProviderDisagrees
from perdure.core.script import Bodies
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.limits.permits import PermitFor
from perdure.operations.agreement import agreed
from perdure.operations.first_tries import FirstTries, call_first_try
from perdure.operations.model import Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.payments import rules
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.charges import ChargesUndone, expected_charge, outcome_of
from perdure.payments.contracts import GATEWAY, ChargeOutcome, ChargeResolution, PaymentInput
from perdure.payments.process import (
    CHARGE,
    CHARGE_FIRST_TRY,
    CHECK_CHARGE,
    CONFIRM_CHARGE,
    RESOLVE_CHARGE,
    UNDO_CHARGE,
)
from perdure.providers.gateway import Charge, PaymentGateway


class GatewayCalls:
    """A payment's steps at the gateway.

    Args:
        first_tries: Watches how quick the gateway is, and says whether a workflow may call it.
        callback_url: Where the gateway sends its confirmations.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        gateway: PaymentGateway,
        callbacks: GatewayCallbacks,
        *,
        first_tries: FirstTries,
        callback_url: str | None,
        timeout_s: float = 5.0,
    ) -> None:
        self._calls = calls
        self._steps = steps
        self._gateway = gateway
        self._callbacks = callbacks
        self._first_tries = first_tries
        self._callback_url = callback_url
        self._timeout_s = timeout_s
        self.charges = ChargesUndone(calls, gateway, timeout_s=timeout_s)

    def bodies(self, permit: PermitFor) -> Bodies:
        """Return what does the work of the steps at the gateway.

        Args:
            permit: Lets a call begin where the payment's workflow runs, if it may at once.
        """
        return {
            CHARGE_FIRST_TRY: call_first_try(
                CHARGE, self.charge, first_tries=self._first_tries, permit=permit
            ),
            CHARGE: self.charge,
            RESOLVE_CHARGE: self.resolve_charge,
            CHECK_CHARGE: self.check_charge,
            CONFIRM_CHARGE: self.confirm_charge,
            UNDO_CHARGE: self.undo_charge,
        }

    @records_its_attempts
    async def charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Have the gateway collect, once, whatever happens to this worker.

        Raises:
            ProviderDeclined: It refused.
            ProviderError: Not done, or not known; try again.
            OperationCancelled: The payment is to stop: it was not charged, or nothing confirmed it.
        """
        outcome = await self._calls.get_or_create(self._charge_call(payment))
        return await self._confirmed(payment, outcome)

    async def resolve_charge(self, payment: PaymentInput) -> ChargeResolution:
        """Find out what became of a charge whose answer was lost.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again.
            OperationCancelled: It was made, and the payment is to stop before it is confirmed.
        """
        found = await self._calls.resolve(self._charge_call(payment))
        return ChargeResolution(await self._confirmed(payment, found) if found else None)

    async def check_charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Ask the gateway how a charge stands of which a callback told something else.

        Raises:
            OperationParked: An operator holds the payment.
            ProviderDisagrees: What it has is not the charge it made.
            ProviderError: It gave no answer; ask again.
        """
        await self._steps.check_not_parked(payment.operation_id)
        made = await self._made(payment)
        return await self._asked(payment, made) or made

    async def confirm_charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Ask the gateway for a charge nobody confirmed; a pending one is called off there.

        Raises:
            OperationParked: An operator holds the payment.
            ProviderDisagrees: What it has is not the charge it made.
            ProviderError: It gave no answer; ask again.
        """
        await self._steps.check_not_parked(payment.operation_id)
        made = await self._made(payment)
        found = await self._asked(payment, made)
        if found is None:
            raise ProviderDisagrees(
                f"The gateway has no charge under {payment.operation_id}, where it made"
                f" {made.charge_id}."
            )
        if found.status != "pending":
            return found
        charge = await agreed(
            expected_charge(payment, made),
            await self._gateway.cancel_charge(payment.operation_id),
            lambda: self._gateway.find_charge(payment.operation_id),
        )
        return outcome_of(charge)

    async def undo_charge(self, payment: PaymentInput) -> ChargeResolution:
        """Give back what the charge took, if it took anything.

        Raises:
            ProviderError: Not known, or not done yet; try again.
        """
        if not await self._steps.begin_reversal(payment.operation_id):
            return ChargeResolution(None)
        if await self._calls.left_behind(self._charge_call(payment)) is None:
            return ChargeResolution(None)
        return ChargeResolution(outcome_of(await self.charges.undo(payment.operation_id, "refund")))

    async def _confirmed(self, payment: PaymentInput, charge: ChargeOutcome) -> ChargeOutcome:
        # What is told of the charge, or a request to cancel, may have come before whoever is to
        # wait for it: to an earlier run of the workflow, or while the payment was in a lane.
        if charge.status != "pending":
            return charge
        told = await self._callbacks.kept(payment.operation_id)
        if not told:
            return charge
        confirmed = rules.confirmed_by(payment, charge, told)
        return confirmed or await self._asked(payment, charge) or charge

    async def _made(self, payment: PaymentInput) -> ChargeOutcome:
        """Return the charge as the gateway answered when it made it."""
        made = await self._calls.resolve(self._charge_call(payment))
        assert made is not None, f"{payment.operation_id} waits for a charge that was not made"
        return made

    async def _asked(self, payment: PaymentInput, made: ChargeOutcome) -> ChargeOutcome | None:
        """Ask the gateway how the charge it made stands; None: it has none."""
        found = await self._gateway.find_charge(payment.operation_id)
        if found is None:
            return None
        expected_charge(payment, made).check(found)
        return outcome_of(found)

    def _charge_call(self, payment: PaymentInput) -> ProviderCall[Charge, ChargeOutcome]:
        request, reference = payment.request, payment.operation_id

        async def create() -> Charge:
            with self._first_tries.under_way():
                return await self._gateway.charge(
                    reference=reference,
                    amount_minor=request.amount_minor,
                    currency=request.currency,
                    payment_method=request.payment_method,
                    callback_url=self._callback_url,
                )

        return ProviderCall(
            operation_id=payment.operation_id,
            step="charge",
            provider=GATEWAY,
            reference=reference,
            returns=ChargeOutcome,
            timeout_s=self._timeout_s,
            create=create,
            find=lambda: self._gateway.find_charge(reference),
            expects=expected_charge(payment),
            outcome=outcome_of,
            status_after=Status.WAITING,
        )
