"""A renewal's steps, and its script: their order, written once, whatever runs them."""

from operator import attrgetter
from typing import Final

from perdure.capability.contracts import End, Held, failure_of
from perdure.core.errors import PerdureError, ProviderUnavailable
from perdure.core.script import CallStep, Runner, Step
from perdure.renewals import contracts, rules
from perdure.renewals.contracts import (
    CloseRenewal,
    DomainOffer,
    Fee,
    HoldFee,
    LetStand,
    RecordRenewal,
    RenewalInput,
    RenewalReport,
    RenewalResolution,
    Undone,
)


def _registry(renewal: RenewalInput) -> str:
    return renewal.registry


def _not_made(renewal: RenewalInput, error: PerdureError) -> PerdureError:
    # The domain still waits for it: an operator has it go on, or calls it off.
    return ProviderUnavailable(
        f"The registry could not be had to renew {renewal.request.domain}, and did nothing."
        f" {error.message}",
        code="registry_unavailable",
    )


CHECK_DOMAIN: Final = CallStep(
    contracts.CHECK_DOMAIN, RenewalInput, DomainOffer, provider=_registry
)
"""Ask the registry for the domain's status and price; the first answer is kept."""

HOLD_FEE: Final = Step(contracts.HOLD_FEE, HoldFee, Held, leads_to_call=True)
"""Check the account, and set the fee aside."""

RESOLVE_RENEWAL: Final = CallStep(
    contracts.RESOLVE_RENEWAL, RenewalInput, RenewalResolution, provider=_registry, inquires=True
)
RENEW: Final = CallStep(
    contracts.RENEW,
    RenewalInput,
    RenewalReport,
    provider=_registry,
    resolve=RESOLVE_RENEWAL,
    found=attrgetter("report"),
    not_made=_not_made,
    parks=True,
)
"""Have the registry renew, once."""

READ_REPORT: Final = CallStep(
    contracts.READ_REPORT, RenewalInput, RenewalReport, provider=_registry
)
"""Read the registry's report of a renewal again."""

RECORD: Final = Step(contracts.RECORD, RecordRenewal, End)
"""Post the fee and write the new date: from here on the renewal has succeeded."""

UNDO_RENEWAL: Final = CallStep(
    contracts.UNDO_RENEWAL, RenewalInput, Undone, provider=_registry, undoes=RENEW
)
"""Undo what the registry did, or may have done, if it lets us."""

LET_STAND: Final = Step(contracts.LET_STAND, LetStand, End, undoes=True)
"""Record what the registry does not take back: the renewal has succeeded."""

CLOSE: Final = Step(contracts.CLOSE, CloseRenewal, End, undoes=True)
"""Release the fee and the domain: the renewal has failed, or is cancelled."""


async def run_renewal(renewal: RenewalInput, steps: Runner) -> End:
    """Carry a renewal to its end: the domain renewed and paid for once, or neither."""
    has_begun = False
    fee: Fee | None = None
    try:
        fee = rules.fee_of(renewal, await steps.run(CHECK_DOMAIN, renewal))
        await steps.run(HOLD_FEE, HoldFee(renewal, fee))
        has_begun = True
        report = await steps.run(RENEW, renewal)
        report = await _compared(renewal, fee, report, steps)
        end = await steps.run(RECORD, RecordRenewal(renewal, fee, report))
    except PerdureError as error:
        failure = failure_of(error)
        undone = Undone()
        if rules.has_to_be_undone(error, has_begun=has_begun):
            undone = await steps.run(UNDO_RENEWAL, renewal)
        if fee is None and undone.standing is not None:
            # A lane or an earlier run renewed it, so the registry's offer is kept.
            fee = rules.fee_of(renewal, await steps.run(CHECK_DOMAIN, renewal))
        if fee is not None and undone.standing is not None:
            standing = LetStand(renewal, fee, undone.standing, failure, undone.refusal)
            end = await steps.run(LET_STAND, standing)
        else:
            end = await steps.run(CLOSE, CloseRenewal(renewal, failure))
    await steps.tell(end.notification_ids)
    return end


async def _compared(
    renewal: RenewalInput, fee: Fee, report: RenewalReport, steps: Runner
) -> RenewalReport:
    """Return a report that agrees with what was asked for; one that does not is read again."""

    def check(found: RenewalReport) -> None:
        rules.check_stands(found)
        rules.check_report(renewal, fee, found)

    rules.check_stands(report)
    try:
        rules.check_report(renewal, fee, report)
    except PerdureError:
        return await steps.run_until(READ_REPORT, renewal, check)
    return report
