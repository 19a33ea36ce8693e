"""A renewal's steps in a lane: the same activities, called directly."""

from typing import Any

from perdure.limits.permits import PermitFor
from perdure.notifications.contracts import Deliver
from perdure.operations.lanes.steps import Promoted, lane_step, provider_lane_step
from perdure.operations.steps import from_json
from perdure.renewals import rules
from perdure.renewals.activities import RenewalLedgerActivities
from perdure.renewals.contracts import (
    DomainOffer,
    Fee,
    HoldFee,
    LetStand,
    RecordRenewal,
    RenewalEnd,
    RenewalFailure,
    RenewalInput,
    RenewalReport,
    Undone,
)
from perdure.renewals.process import run_renewal
from perdure.renewals.registry_activities import RenewalRegistryActivities


class RenewalLane:
    """Runs renewals' scripts in a lane.

    Args:
        deliver: Delivers messages; returns those that are left to the notification service.
        permit: Lets a step at a registry begin.
    """

    def __init__(
        self,
        ledger: RenewalLedgerActivities,
        registries: RenewalRegistryActivities,
        deliver: Deliver,
        permit: PermitFor,
    ) -> None:
        self._ledger = ledger
        self._registries = registries
        self._deliver = deliver
        self._permit = permit

    async def run(self, operation_id: str, given: dict[str, Any]) -> RenewalEnd:
        """Carry a renewal to its end.

        Raises:
            Promoted, Postponed: It cannot go on here, or not now.
        """
        renewal = from_json(RenewalInput, given)
        assert renewal.operation_id == operation_id
        return await run_renewal(renewal, self)

    async def check_domain(self, renewal: RenewalInput) -> DomainOffer:
        """Ask the registry for the domain's status and price."""
        async with provider_lane_step("check_domain", renewal.registry, self._permit):
            return await self._registries.check_domain(renewal)

    async def hold_fee(self, renewal: RenewalInput, fee: Fee) -> None:
        """Set the fee aside."""
        with lane_step("hold_fee"):
            await self._ledger.hold_fee(HoldFee(renewal, fee))

    async def renew(self, renewal: RenewalInput) -> RenewalReport:
        """Have the registry renew, once."""
        async with provider_lane_step("renew", renewal.registry, self._permit):
            return await self._registries.renew(renewal)

    async def check_report(
        self, renewal: RenewalInput, fee: Fee, report: RenewalReport
    ) -> RenewalReport:
        """Compare the report with what was asked for."""
        with lane_step("check_report"):
            rules.check_report(renewal, fee, report)
        return report

    async def record(self, renewal: RenewalInput, fee: Fee, report: RenewalReport) -> RenewalEnd:
        """Post the fee, and write the new date."""
        with lane_step("record"):
            return await self._ledger.record(RecordRenewal(renewal, fee, report))

    async def undo_renewal(self, renewal: RenewalInput) -> Undone:
        """Leave it to the renewal's own workflow."""
        raise Promoted(f"{renewal.operation_id} has to be undone.")

    async def let_stand(self, given: LetStand) -> RenewalEnd:
        """Leave it to the renewal's own workflow."""
        raise Promoted(f"{given.renewal.operation_id} is not undone: {given.refusal}")

    async def close(self, renewal: RenewalInput, failure: RenewalFailure) -> RenewalEnd:
        """Leave it to the renewal's own workflow."""
        raise Promoted(f"{renewal.operation_id} did not succeed: {failure.message}")

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell the customer; what cannot be delivered now is seen to by the janitor."""
        await self._deliver(notification_ids)
