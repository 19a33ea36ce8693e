"""Payments in a lane, with what it does in its own way: the fraud check, and the gateway's word."""

from collections.abc import Awaitable, Callable

from perdure.core.script import Bodies
from perdure.fraud.contracts import SCORER, FraudCheck, FraudVerdict
from perdure.limits.permits import PermitFor
from perdure.notifications.contracts import Deliver
from perdure.operations.lanes.script import LaneScript
from perdure.operations.lanes.steps import Promoted, provider_lane_step
from perdure.operations.lanes.work import aside, waits_at_most
from perdure.payments import rules
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import ChargeOutcome, PaymentInput
from perdure.payments.process import CHECK_FRAUD, CONFIRMATION, Charged, run_payment

Score = Callable[[FraudCheck], Awaitable[FraudVerdict]]
"""Has the fraud service judge a payment."""


def lane_of(
    bodies: Bodies,
    score: Score,
    callbacks: GatewayCallbacks,
    *,
    deliver: Deliver,
    permit: PermitFor,
    confirmation_s: float = 60.0,
) -> LaneScript[PaymentInput]:
    """Return what carries payments out in a lane.

    Args:
        bodies: What does the work of the steps that a lane shares with a payment's own workflow.
        deliver: Delivers messages; returns those that are left to the notification service.
        permit: Lets a step at an outside system begin.
        confirmation_s: How long the gateway's confirmation is waited for before the payment is
            promoted, in seconds.
    """

    async def passes_fraud_check(payment: PaymentInput) -> bool:
        async with provider_lane_step("score", SCORER, permit):
            return (await score(rules.fraud_check_of(payment))).passed

    async def confirmation(charged: Charged) -> ChargeOutcome:
        payment, charge = charged.payment, charged.charge
        if charge.status != "pending":
            return charge
        within_s = waits_at_most(min(confirmation_s, payment.options.callback_timeout_s))
        with aside():
            told = await callbacks.confirmation(payment.operation_id, within_s=within_s)
        # One that takes long, or is not all that it should be, is left to the own workflow.
        if not told:
            raise Promoted(f"The gateway did not confirm within {within_s:g} s.")
        confirmed = rules.confirmed_by(payment, charge, told)
        if confirmed is None:
            raise Promoted("The gateway has to be asked about what its callback told.")
        return confirmed

    own: Bodies = {CHECK_FRAUD: passes_fraud_check, CONFIRMATION: confirmation}
    return LaneScript(run_payment, PaymentInput, {**bodies, **own}, deliver=deliver, permit=permit)
