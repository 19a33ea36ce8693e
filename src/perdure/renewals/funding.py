"""How a renewal's fee is taken from the customer's account, and what else is written with it."""

from collections.abc import Sequence
from datetime import date
from operator import attrgetter
from typing import Any, Final

from perdure.capability.contracts import End
from perdure.capability.funded import FundedKind, FundedSteps, Funds, Success
from perdure.core.script import Body, ScriptStep
from perdure.ledger.chart import SystemAccount
from perdure.operations.model import Status
from perdure.operations.steps import Move
from perdure.renewals import domains
from perdure.renewals.contracts import (
    KIND,
    CloseRenewal,
    Fee,
    HoldFee,
    LetStand,
    RecordRenewal,
    RenewalReport,
)
from perdure.renewals.domains import Renewed
from perdure.renewals.messages import failure_messages, standing_messages, success_messages
from perdure.renewals.process import CLOSE, HOLD_FEE, LET_STAND, RECORD
from perdure.storage.pool import Connection


def funds_of(given: HoldFee) -> Funds:
    """Return what is set aside for a renewal."""
    request, fee = given.renewal.request, given.fee
    return Funds(
        given.renewal.operation_id,
        request.customer_id,
        request.account_id,
        fee.amount_minor,
        fee.currency,
    )


def result_of(fee: Fee, report: RenewalReport) -> dict[str, Any]:
    """Return the result of a renewal that succeeded, as its row has it."""
    return {
        "expires_on": report.expires_on,
        "price_minor": fee.amount_minor,
        "currency": fee.currency,
        "registry_renewal_id": report.renewal_id,
    }


def _success(given: RecordRenewal) -> Success:
    messages = success_messages(given.renewal, given.fee, given.report)
    return Success(messages, result_of(given.fee, given.report))


async def _record(connection: Connection, given: Sequence[RecordRenewal]) -> None:
    renewed = [
        Renewed(
            one.renewal.request.domain,
            one.renewal.operation_id,
            date.fromisoformat(one.report.expires_on),
        )
        for one in given
    ]
    await domains.record_renewed(connection, renewed)


async def _release(connection: Connection, given: CloseRenewal) -> None:
    renewal = given.renewal
    await domains.release(connection, renewal.request.domain, renewal.operation_id)


FUNDED: Final = FundedKind(
    verb="renew",
    code=KIND,
    taken_by=SystemAccount.REGISTRY_CLEARING,
    hold=HOLD_FEE,
    settle=RECORD,
    close=CLOSE,
    ends=(LET_STAND.row_name,),
    operation_id=attrgetter("renewal.operation_id"),
    funds=funds_of,
    success=_success,
    failure_messages=failure_messages,
    held_as="fee_held",
    settled_as="recorded",
    on_success=_record,
    on_close=_release,
)


class RenewalFunds(FundedSteps[HoldFee, RecordRenewal, CloseRenewal]):
    """A renewal's steps on our own database."""

    @property
    def bodies(self) -> dict[ScriptStep[Any, Any], Body]:
        """What does the work of the steps."""
        return {**super().bodies, LET_STAND: self.let_stand}

    async def let_stand(self, given: LetStand) -> End:
        """Record a renewal that was to be undone, and that the registry does not take back."""
        renewal, fee, report = given.renewal, given.fee, given.report
        reason = f"{given.failure.message} It is not undone: {given.refusal}"
        return await self.settle_although(
            LET_STAND,
            given,
            RecordRenewal(renewal, fee, report),
            standing_messages(renewal, fee, report),
            Move(Status.SUCCEEDED, "left_standing", reason, result_of(fee, report)),
        )
