"""A payment's steps in a lane: the same activities, called directly."""

from collections.abc import Awaitable, Callable
from typing import Any

from perdure.fraud.contracts import SCORER, FraudCheck, FraudVerdict
from perdure.limits.permits import PermitFor
from perdure.notifications.contracts import Deliver
from perdure.operations.attempts import Attempt, attempt_under_way
from perdure.operations.lanes.runner import aside
from perdure.operations.lanes.steps import Promoted, lane_step, provider_lane_step
from perdure.operations.steps import from_json
from perdure.payments import rules
from perdure.payments.activities import PaymentGatewayActivities, PaymentLedgerActivities
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import (
    GATEWAY,
    ChargeOutcome,
    HoldFunds,
    PaymentEnd,
    PaymentFailure,
    PaymentInput,
    SettlePayment,
)
from perdure.payments.process import run_payment

Score = Callable[[FraudCheck], Awaitable[FraudVerdict]]
"""Has the fraud service judge a payment."""


class PaymentLane:
    """Runs payments' scripts in a lane.

    Args:
        deliver: Delivers messages; returns those that are left to the notification service.
        permit: Lets a step at an outside system begin.
        confirmation_s: How long the gateway's confirmation is waited for before the payment is
            promoted, in seconds.
    """

    def __init__(
        self,
        ledger: PaymentLedgerActivities,
        gateway: PaymentGatewayActivities,
        score: Score,
        callbacks: GatewayCallbacks,
        *,
        deliver: Deliver,
        permit: PermitFor,
        confirmation_s: float = 60.0,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._score = score
        self._callbacks = callbacks
        self._deliver = deliver
        self._permit = permit
        self._confirmation_s = confirmation_s

    async def run(self, operation_id: str, given: dict[str, Any]) -> PaymentEnd:
        """Carry a payment to its end.

        Raises:
            Promoted, Postponed: It cannot go on here, or not now.
        """
        assert given["operation_id"] == operation_id
        return await run_payment(from_json(PaymentInput, given), self)

    async def hold_funds(self, payment: PaymentInput) -> None:
        """Set the money aside."""
        # What refuses it goes to the script, which then calls the fraud check off.
        with attempt_under_way(Attempt("hold_funds")):
            await self._ledger.hold_funds(HoldFunds(payment, payment.options.daily_limit_minor))

    async def passes_fraud_check(self, payment: PaymentInput) -> bool:
        """Ask the scorer."""
        request = payment.request
        check = FraudCheck(
            payment.operation_id,
            request.customer_id,
            request.amount_minor,
            request.currency,
            request.payment_method,
        )
        async with provider_lane_step("score", SCORER, self._permit):
            return (await self._score(check)).passed

    async def charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Have the gateway collect, once."""
        async with provider_lane_step("charge", GATEWAY, self._permit):
            return await self._gateway.charge(payment)

    async def confirmation(self, payment: PaymentInput, charge: ChargeOutcome) -> ChargeOutcome:
        """Wait a little for the gateway's confirmation.

        One that takes long, or is not all that it should be, is left to the payment's own workflow.
        """
        if charge.status != "pending":
            return charge
        within_s = min(self._confirmation_s, payment.options.callback_timeout_s)
        with aside():
            told = await self._callbacks.confirmation(payment.operation_id, within_s=within_s)
        if not told:
            raise Promoted(f"The gateway did not confirm within {within_s:g} s.")
        confirmed = rules.confirmed_by(payment, charge, told)
        if confirmed is None:
            raise Promoted("The gateway has to be asked about what its callback told.")
        return confirmed

    async def settle(self, payment: PaymentInput, charge: ChargeOutcome) -> PaymentEnd:
        """Post the money."""
        with lane_step("settle"):
            return await self._ledger.settle(SettlePayment(payment, charge))

    async def compensate(self, activity: str, payment: PaymentInput) -> None:
        """Leave it to the payment's own workflow."""
        raise Promoted(f"{activity}: {payment.operation_id} has to be undone.")

    async def close(self, payment: PaymentInput, failure: PaymentFailure) -> PaymentEnd:
        """Leave it to the payment's own workflow."""
        raise Promoted(f"{payment.operation_id} did not succeed: {failure.message}")

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell payer and payee; what cannot be delivered now is seen to by the janitor."""
        await self._deliver(notification_ids)
