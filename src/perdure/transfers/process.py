"""A transfer's script: its steps in their order, written once, whatever runs them."""

from typing import Protocol

from perdure.core.errors import PerdureError
from perdure.transfers import rules
from perdure.transfers.contracts import PayoutOutcome, TransferEnd, TransferFailure, TransferInput


class TransferSteps(Protocol):
    """What runs the steps: a workflow of the transfer's own, or a lane.

    Each step raises the domain's errors. What cannot be done now is waited for, or parked, inside
    the step.
    """

    async def hold_funds(self, transfer: TransferInput) -> None:
        """Check the account, and set the money aside."""
        ...

    async def pay_out(self, transfer: TransferInput) -> PayoutOutcome:
        """Have the bank pay, once; the answer is known when this returns."""
        ...

    async def settle(self, transfer: TransferInput, payout: PayoutOutcome) -> TransferEnd:
        """Post the money: from here on the transfer has succeeded."""
        ...

    async def compensate(self, activity: str, transfer: TransferInput) -> None:
        """Undo what a step did, or may have done."""
        ...

    async def close(self, transfer: TransferInput, failure: TransferFailure) -> TransferEnd:
        """Release the money: the transfer has failed, or is cancelled."""
        ...

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell the customer; this never fails."""
        ...


async def run_transfer(transfer: TransferInput, steps: TransferSteps) -> TransferEnd:
    """Carry a transfer to its end: the money paid out and the customer told, or nothing moved."""
    begun: list[rules.Step] = []
    try:
        await steps.hold_funds(transfer)
        begun.append(rules.Step.PAY_OUT)
        payout = await steps.pay_out(transfer)
        rules.check_paid(payout)
        end = await steps.settle(transfer, payout)
    except PerdureError as error:
        for activity in rules.compensation_plan(begun, error):
            await steps.compensate(activity, transfer)
        end = await steps.close(transfer, rules.failure_of(error))
    await steps.notify(end.notification_ids)
    return end
