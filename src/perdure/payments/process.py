"""A payment's steps, and its script: their order, written once, whatever runs them."""

import asyncio
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from perdure.capability.contracts import End, failure_of
from perdure.core.errors import PerdureError
from perdure.core.script import CallStep, OwnStep, Runner, Step, not_reached
from perdure.payments import contracts, rules
from perdure.payments.contracts import (
    GATEWAY,
    UNAVAILABLE,
    ChargeOutcome,
    ChargeResolution,
    ClosePayment,
    Held,
    HoldFunds,
    PaymentInput,
    SettlePayment,
)


@dataclass(frozen=True, slots=True)
class Charged:
    """A payment, and its charge as the gateway made it."""

    payment: PaymentInput
    charge: ChargeOutcome


HOLD: Final = Step(contracts.HOLD_FUNDS, HoldFunds, Held)
"""Check the account and the limits, and set the money aside."""

CHECK_FRAUD: Final = OwnStep("payment.check_fraud", PaymentInput, bool)
"""Have the fraud service judge the payment; True: it passed."""

CHARGE_FIRST_TRY: Final = Step(contracts.CHARGE_FIRST_TRY, PaymentInput, ChargeResolution)
RESOLVE_CHARGE: Final = CallStep(
    contracts.RESOLVE_CHARGE,
    PaymentInput,
    ChargeResolution,
    provider=lambda _: GATEWAY,
    inquires=True,
)
CHARGE: Final = CallStep(
    contracts.CHARGE,
    PaymentInput,
    ChargeOutcome,
    provider=lambda _: GATEWAY,
    first_try=CHARGE_FIRST_TRY,
    resolve=RESOLVE_CHARGE,
    found=attrgetter("charge"),
    not_made=not_reached("The gateway", UNAVAILABLE),
)
"""Have the gateway collect, once."""

CONFIRMATION: Final = OwnStep("payment.confirmation", Charged, ChargeOutcome)
"""Wait for the gateway's confirmation of a charge that is pending."""

CHECK_CHARGE: Final = CallStep(
    contracts.CHECK_CHARGE, PaymentInput, ChargeOutcome, provider=lambda _: GATEWAY, inquires=True
)
"""Ask the gateway how a charge stands of which a callback told something else."""

CONFIRM_CHARGE: Final = CallStep(
    contracts.CONFIRM_CHARGE, PaymentInput, ChargeOutcome, provider=lambda _: GATEWAY, inquires=True
)
"""Ask the gateway for a charge nobody confirmed in time; a pending one is called off there."""

SETTLE: Final = Step(contracts.SETTLE, SettlePayment, End)
"""Post the money: from here on the payment has succeeded."""

UNDO_CHARGE: Final = CallStep(
    contracts.UNDO_CHARGE, PaymentInput, ChargeResolution, provider=lambda _: GATEWAY, undoes=CHARGE
)
CLOSE: Final = Step(contracts.CLOSE, ClosePayment, End, undoes=True)
"""Release the money: the payment has failed, or is cancelled."""


async def run_payment(payment: PaymentInput, steps: Runner, *, counts: bool = True) -> End:
    """Carry a payment to its end: the money moved and everybody told, or nothing moved.

    Args:
        counts: It counts against the customer's daily limit.
    """
    is_held = False
    try:
        fraud_check = asyncio.ensure_future(steps.run(CHECK_FRAUD, payment))
        # Looked at even if the hold is refused first, so that no error of the check goes unseen.
        fraud_check.add_done_callback(lambda check: check.cancelled() or check.exception())
        limit_minor = payment.options.daily_limit_minor if counts else None
        try:
            await steps.run(HOLD, HoldFunds(payment, limit_minor))
        except Exception:
            fraud_check.cancel()
            raise
        is_held = True
        # Both have to be good before money leaves.
        rules.check_fraud(await fraud_check)
        charge = await steps.run(CHARGE, payment)
        charge = await steps.run(CONFIRMATION, Charged(payment, charge))
        rules.check_confirmed(charge)
        end = await steps.run(SETTLE, SettlePayment(payment, charge))
    except PerdureError as error:
        if rules.has_to_be_undone(error, is_held=is_held):
            await steps.run(UNDO_CHARGE, payment)
        end = await steps.run(CLOSE, ClosePayment(payment, failure_of(error)))
    await steps.tell(end.notification_ids)
    return end
