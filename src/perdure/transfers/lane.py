"""A transfer's steps in a lane: the same activities, called directly."""

from typing import Any

from perdure.limits.permits import PermitFor
from perdure.notifications.contracts import Deliver
from perdure.operations.lanes.steps import Promoted, lane_step, provider_lane_step
from perdure.operations.steps import from_json
from perdure.transfers.activities import TransferBankActivities, TransferLedgerActivities
from perdure.transfers.contracts import (
    BANK,
    PayoutOutcome,
    SettleTransfer,
    TransferEnd,
    TransferFailure,
    TransferInput,
)
from perdure.transfers.process import run_transfer


class TransferLane:
    """Runs transfers' scripts in a lane.

    Args:
        deliver: Delivers messages; returns those that are left to the notification service.
        permit: Lets a step at the bank begin.
    """

    def __init__(
        self,
        ledger: TransferLedgerActivities,
        bank: TransferBankActivities,
        deliver: Deliver,
        permit: PermitFor,
    ) -> None:
        self._ledger = ledger
        self._bank = bank
        self._deliver = deliver
        self._permit = permit

    async def run(self, operation_id: str, given: dict[str, Any]) -> TransferEnd:
        """Carry a transfer to its end.

        Raises:
            Promoted, Postponed: It cannot go on here, or not now.
        """
        transfer = from_json(TransferInput, given)
        assert transfer.operation_id == operation_id
        return await self.carry_out(transfer)

    async def carry_out(self, transfer: TransferInput) -> TransferEnd:
        """Carry a transfer to its end; as `run`."""
        return await run_transfer(transfer, self)

    async def hold_funds(self, transfer: TransferInput) -> None:
        """Set the money aside."""
        with lane_step("hold_funds"):
            await self._ledger.hold_funds(transfer)

    async def pay_out(self, transfer: TransferInput) -> PayoutOutcome:
        """Have the bank pay, once."""
        async with provider_lane_step("pay_out", BANK, self._permit):
            return await self._bank.pay_out(transfer)

    async def settle(self, transfer: TransferInput, payout: PayoutOutcome) -> TransferEnd:
        """Post the money."""
        with lane_step("settle"):
            return await self._ledger.settle(SettleTransfer(transfer, payout))

    async def compensate(self, activity: str, transfer: TransferInput) -> None:
        """Leave it to the transfer's own workflow."""
        raise Promoted(f"{activity}: {transfer.operation_id} has to be undone.")

    async def close(self, transfer: TransferInput, failure: TransferFailure) -> TransferEnd:
        """Leave it to the transfer's own workflow."""
        raise Promoted(f"{transfer.operation_id} did not succeed: {failure.message}")

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell the customer; what cannot be delivered now is seen to by the janitor."""
        await self._deliver(notification_ids)
