"""A refund's steps, and its script: first the provider gives back, then our books do."""

from operator import attrgetter
from typing import Final

from perdure.core.errors import OperationCancelled, PerdureError, ProviderUnavailable, Refused
from perdure.core.script import CallStep, Runner, Step
from perdure.refunds import contracts
from perdure.refunds.contracts import (
    CloseRefund,
    FoundOut,
    GivenBack,
    RefundEnd,
    RefundFailure,
    RefundInput,
    SettleRefund,
)


def _given(found: FoundOut) -> GivenBack | None:
    if found.refusal is not None:
        raise Refused(found.refusal.message, code=found.refusal.code)
    return found.given


def _not_made(refund: RefundInput, error: PerdureError) -> PerdureError:
    return ProviderUnavailable(
        f"{refund.provider} could not be had to give it back, and did nothing. {error.message}"
    )


FIND_OUT: Final = CallStep(
    contracts.FIND_OUT, RefundInput, FoundOut, provider=attrgetter("provider"), inquires=True
)
GIVE_BACK: Final = CallStep(
    contracts.GIVE_BACK,
    RefundInput,
    GivenBack,
    provider=attrgetter("provider"),
    resolve=FIND_OUT,
    found=_given,
    not_made=_not_made,
    parks=True,
)
"""Have the provider give back, once."""

FIND_OUT_AT_LAST: Final = CallStep(
    contracts.FIND_OUT, RefundInput, FoundOut, provider=attrgetter("provider"), undoes=GIVE_BACK
)
"""Find out what an earlier try did; nothing calls this off."""

SETTLE: Final = Step(contracts.SETTLE, SettleRefund, RefundEnd, undoes=True)
"""Move the money back on our books.

What is given back has to be there: nothing but a defect, or an account that was closed meanwhile,
keeps it from there, and then a person has to look.
"""

CLOSE: Final = Step(contracts.CLOSE, CloseRefund, RefundEnd, undoes=True)
"""End a refund of which nothing came: it has failed, or is cancelled."""


async def run_refund(refund: RefundInput, steps: Runner) -> RefundEnd:
    """Carry a refund to its end: given back once and told, or nothing given back."""
    given: GivenBack | None = None
    failure: RefundFailure | None = None
    try:
        given = await steps.run(GIVE_BACK, refund)
    except PerdureError as error:
        is_cancelled = isinstance(error, OperationCancelled)
        failure = RefundFailure(error.code, error.message, is_cancelled)
        if is_cancelled:
            # It may have been given back before it was called off, while it was parked.
            given = (await steps.run(FIND_OUT_AT_LAST, refund)).given
    if given is not None:
        end = await steps.run(SETTLE, SettleRefund(refund, given))
    else:
        assert failure is not None
        end = await steps.run(CLOSE, CloseRefund(refund, failure))
    await steps.tell(end.notification_ids)
    return end
