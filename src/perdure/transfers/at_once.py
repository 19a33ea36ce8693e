"""A transfer carried out in one go, where its own workflow runs."""

from temporalio import activity

from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.limits.permits import PermitFor
from perdure.notifications.contracts import Deliver
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.steps import Postponed, Promoted
from perdure.transfers.activities import TransferBankActivities, TransferLedgerActivities
from perdure.transfers.contracts import RUN_AT_ONCE, AtOnce, TransferInput
from perdure.transfers.lane import TransferLane


class TransferAtOnceActivities:
    """Runs the steps as a lane does: each commits by itself, and is found done if it runs again.

    Most transfers meet nothing to wait for, and are spared the engine's part in each step.

    Args:
        deliver: Delivers messages; returns those that are left to the notification service.
        first_tries: Says whether the bank is quick enough to be called here.
        permit: Lets a step at the bank begin, if it may at once.
    """

    def __init__(
        self,
        ledger: TransferLedgerActivities,
        bank: TransferBankActivities,
        deliver: Deliver,
        first_tries: FirstTries,
        permit: PermitFor,
    ) -> None:
        self._ledger = ledger
        self._bank = bank
        self._deliver = deliver
        self._first_tries = first_tries
        self._permit = permit

    @activity.defn(name=RUN_AT_ONCE)
    @records_its_attempts
    async def run_at_once(self, transfer: TransferInput) -> AtOnce:
        """Carry a transfer to its end, if nothing is in the way."""
        if not self._first_tries.may_begin():
            return AtOnce()
        untold: list[str] = []

        async def deliver(notification_ids: list[str]) -> list[str]:
            untold.extend(await self._deliver(notification_ids))
            return untold

        try:
            lane = TransferLane(self._ledger, self._bank, deliver, self._permit)
            end = await lane.carry_out(transfer)
        except (Promoted, Postponed):
            return AtOnce()
        return AtOnce(end, untold)
