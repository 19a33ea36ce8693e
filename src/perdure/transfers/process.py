"""A transfer's steps, and its script: their order, written once, whatever runs them."""

from operator import attrgetter
from typing import Final

from perdure.capability.contracts import End, FirstTry, Held, failure_of
from perdure.core.errors import PerdureError, ProviderDeclined
from perdure.core.script import CallStep, Runner, Step, not_reached
from perdure.transfers import contracts, rules
from perdure.transfers.contracts import (
    BANK,
    UNAVAILABLE,
    CloseTransfer,
    PayoutOutcome,
    PayoutResolution,
    SettleTransfer,
    TransferInput,
)

FIRST_TRY: Final = Step(contracts.RUN_FIRST_TRY, TransferInput, FirstTry)
"""All of it in one go, if nothing is in the way."""

HOLD: Final = Step(contracts.HOLD_FUNDS, TransferInput, Held, leads_to_call=True)
"""Check the account, and set the money aside."""

RESOLVE_PAYOUT: Final = CallStep(
    contracts.RESOLVE_PAYOUT,
    TransferInput,
    PayoutResolution,
    provider=lambda _: BANK,
    inquires=True,
)
PAY_OUT: Final = CallStep(
    contracts.PAY_OUT,
    TransferInput,
    PayoutOutcome,
    provider=lambda _: BANK,
    resolve=RESOLVE_PAYOUT,
    found=attrgetter("payout"),
    not_made=not_reached("The bank", UNAVAILABLE),
)
"""Have the bank pay, once."""

SETTLE: Final = Step(contracts.SETTLE, SettleTransfer, End)
"""Post the money: from here on the transfer has succeeded."""

RECALL_PAYOUT: Final = CallStep(
    contracts.RECALL_PAYOUT,
    TransferInput,
    PayoutResolution,
    provider=lambda _: BANK,
    undoes=PAY_OUT,
)
CLOSE: Final = Step(contracts.CLOSE, CloseTransfer, End, undoes=True)
"""Release the money: the transfer has failed, or is cancelled."""


async def run_transfer(transfer: TransferInput, steps: Runner) -> End:
    """Carry a transfer to its end: the money paid out and the customer told, or nothing moved."""
    is_held = False
    try:
        await steps.run(HOLD, transfer)
        is_held = True
        payout = await steps.run(PAY_OUT, transfer)
        rules.check_paid(payout)
        end = await steps.run(SETTLE, SettleTransfer(transfer, payout))
    except PerdureError as error:
        # A payout the bank refused did nothing; any other end may have moved money.
        if is_held and not isinstance(error, ProviderDeclined):
            await steps.run(RECALL_PAYOUT, transfer)
        end = await steps.run(CLOSE, CloseTransfer(transfer, failure_of(error)))
    await steps.tell(end.notification_ids)
    return end
