"""A renewal's script: its steps in their order, written once, whatever runs them."""

from typing import Protocol

from perdure.core.errors import PerdureError
from perdure.renewals import rules
from perdure.renewals.contracts import (
    DomainOffer,
    Fee,
    LetStand,
    RenewalEnd,
    RenewalFailure,
    RenewalInput,
    RenewalReport,
    Undone,
)


class RenewalSteps(Protocol):
    """What runs the steps: a workflow of the renewal's own, or a lane.

    Each step raises the domain's errors. What cannot be done now is waited for, or parked, inside
    the step.
    """

    async def check_domain(self, renewal: RenewalInput) -> DomainOffer:
        """Ask the registry for the domain's status and price; the first answer is kept."""
        ...

    async def hold_fee(self, renewal: RenewalInput, fee: Fee) -> None:
        """Check the account, and set the fee aside."""
        ...

    async def renew(self, renewal: RenewalInput) -> RenewalReport:
        """Have the registry renew, once; the answer is known when this returns."""
        ...

    async def check_report(
        self, renewal: RenewalInput, fee: Fee, report: RenewalReport
    ) -> RenewalReport:
        """Compare the registry's report with what was asked for; returns the one that agrees."""
        ...

    async def record(self, renewal: RenewalInput, fee: Fee, report: RenewalReport) -> RenewalEnd:
        """Post the fee and write the new date: from here on the renewal has succeeded."""
        ...

    async def undo_renewal(self, renewal: RenewalInput) -> Undone:
        """Undo what the registry did, or may have done, if it lets us."""
        ...

    async def let_stand(self, given: LetStand) -> RenewalEnd:
        """Record what the registry does not take back: the renewal has succeeded."""
        ...

    async def close(self, renewal: RenewalInput, failure: RenewalFailure) -> RenewalEnd:
        """Release the fee and the domain: the renewal has failed, or is cancelled."""
        ...

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell the customer; this never fails."""
        ...


async def run_renewal(renewal: RenewalInput, steps: RenewalSteps) -> RenewalEnd:
    """Carry a renewal to its end: the domain renewed and paid for once, or neither."""
    begun: list[rules.Step] = []
    fee: Fee | None = None
    try:
        fee = rules.fee_of(renewal, await steps.check_domain(renewal))
        await steps.hold_fee(renewal, fee)
        begun.append(rules.Step.RENEW)
        report = await steps.renew(renewal)
        rules.check_stands(report)
        report = await steps.check_report(renewal, fee, report)
        end = await steps.record(renewal, fee, report)
    except PerdureError as error:
        failure = rules.failure_of(error)
        undone = Undone()
        if rules.has_to_be_undone(begun, error):
            undone = await steps.undo_renewal(renewal)
        if fee is None and undone.standing is not None:
            # A lane or an earlier run renewed it, so the registry's offer is kept.
            fee = rules.fee_of(renewal, await steps.check_domain(renewal))
        if fee is not None and undone.standing is not None:
            standing = LetStand(renewal, fee, undone.standing, failure, undone.refusal)
            end = await steps.let_stand(standing)
        else:
            end = await steps.close(renewal, failure)
    await steps.notify(end.notification_ids)
    return end
