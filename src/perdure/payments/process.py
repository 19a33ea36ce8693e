"""A payment's script: its steps in their order, written once, whatever runs them."""

import asyncio
from typing import Protocol

from perdure.core.errors import Conflict, PerdureError
from perdure.payments import rules
from perdure.payments.contracts import (
    ChargeOutcome,
    PaymentEnd,
    PaymentFailure,
    PaymentInput,
)


class PaymentSteps(Protocol):
    """What runs the steps: a workflow of the payment's own, or a lane.

    Each step raises the domain's errors. What cannot be done now is waited for, or parked, inside
    the step.
    """

    async def hold_funds(self, payment: PaymentInput) -> None:
        """Check the account and the limits, and set the money aside."""
        ...

    async def passes_fraud_check(self, payment: PaymentInput) -> bool:
        """Have the fraud service judge the payment."""
        ...

    async def charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Have the gateway collect, once; the answer is known when this returns."""
        ...

    async def confirmation(self, payment: PaymentInput, charge: ChargeOutcome) -> ChargeOutcome:
        """Wait for the gateway's confirmation, and ask it when the time is over."""
        ...

    async def settle(self, payment: PaymentInput, charge: ChargeOutcome) -> PaymentEnd:
        """Post the money: from here on the payment has succeeded."""
        ...

    async def compensate(self, activity: str, payment: PaymentInput) -> None:
        """Undo what a step did, or may have done."""
        ...

    async def close(self, payment: PaymentInput, failure: PaymentFailure) -> PaymentEnd:
        """Release the money: the payment has failed, or is cancelled."""
        ...

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell payer and payee; this never fails."""
        ...


async def run_payment(payment: PaymentInput, steps: PaymentSteps) -> PaymentEnd:
    """Carry a payment to its end: the money moved and everybody told, or nothing moved."""
    begun: list[rules.Step] = []
    try:
        await _check_and_hold(payment, steps, begun)
        charge = await steps.charge(payment)
        charge = await steps.confirmation(payment, charge)
        rules.check_confirmed(charge)
        end = await steps.settle(payment, charge)
    except PerdureError as error:
        for activity in rules.compensation_plan(begun, error):
            await steps.compensate(activity, payment)
        end = await steps.close(payment, rules.failure_of(error))
    await steps.notify(end.notification_ids)
    return end


async def _check_and_hold(
    payment: PaymentInput, steps: PaymentSteps, begun: list[rules.Step]
) -> None:
    """Set the money aside while the fraud check runs; both have to be good before money leaves.

    Once it is set aside, a lane or an earlier run may have charged already, whatever the check says
    now: a charge may have begun. Only a hold that was refused says that none has.
    """
    fraud_check = asyncio.ensure_future(steps.passes_fraud_check(payment))
    # Looked at even if the hold is refused first, so that no error of the check goes unseen.
    fraud_check.add_done_callback(lambda check: check.cancelled() or check.exception())
    try:
        await steps.hold_funds(payment)
        begun.append(rules.Step.CHARGE)
    except PerdureError as error:
        if isinstance(error, Conflict):
            begun.append(rules.Step.CHARGE)
        fraud_check.cancel()
        raise
    rules.check_fraud(await fraud_check)
