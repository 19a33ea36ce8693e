"""The check of somebody's identity, as kinds have it made within their own scripts."""

from dataclasses import replace
from operator import attrgetter
from typing import Final

from perdure.core.check_states import ASKS_THE_PERSON, ENDED, CheckState
from perdure.core.errors import OperationCancelled, PerdureError, Refused
from perdure.core.script import CallStep, OwnStep, Runner, Step
from perdure.identity import contracts, rules
from perdure.identity.contracts import (
    CHECKS_MAX,
    IDENTITY,
    Found,
    IdentityCheck,
    Seen,
    SeenCheck,
    Wait,
)

RESOLVE: Final = CallStep(
    contracts.RESOLVE_CHECK, IdentityCheck, Found, provider=lambda _: IDENTITY, inquires=True
)


def _not_begun(_: object, __: PerdureError) -> PerdureError:
    return Refused(
        "Your identity could not be checked now; try again later.", code=contracts.UNAVAILABLE
    )


def _beginning(number: int) -> CallStep[IdentityCheck, Seen]:
    return CallStep(
        f"{contracts.BEGIN_CHECK}{f'_{number}' if number > 1 else ''}",
        IdentityCheck,
        Seen,
        provider=lambda _: IDENTITY,
        resolve=RESOLVE,
        found=attrgetter("seen"),
        not_made=_not_begun,
        tried_soon=True,
    )


BEGINNINGS: Final = tuple(_beginning(number) for number in range(1, CHECKS_MAX + 1))
"""Have the verifier begin a check, once; each further one is a call of its own."""

LOOK: Final = CallStep(
    contracts.LOOK, IdentityCheck, Seen, provider=lambda _: IDENTITY, inquires=True
)
"""Ask the verifier how a check stands."""

RECORD: Final = Step(contracts.RECORD, SeenCheck, list[str])
"""Keep how it stands, and owe the person what they are to be told; its result is the messages."""

WAIT: Final = OwnStep(contracts.WAIT, Wait, float)
"""Wait until something is told of the check, or the time is over; its result is how long it was."""

CALL_OFF: Final = CallStep(
    contracts.CALL_OFF, IdentityCheck, Found, provider=lambda _: IDENTITY, undoes=BEGINNINGS[0]
)
"""End a check that nobody waits for any more."""


async def check_identity(check: IdentityCheck, steps: Runner) -> Seen:
    """Have somebody's identity checked; returns the approval.

    Raises:
        Refused: `identity_declined`; `identity_not_completed`: none of the checks came to a
            verdict; `identity_unavailable`; or what the verifier refuses to check.
        OperationCancelled: It was called off, at the verifier's too.
    """
    for number, begin in enumerate(BEGINNINGS, start=1):
        seen = await _one_check(replace(check, number=number), begin, steps)
        if seen.status == CheckState.APPROVED:
            return seen
        if seen.status == CheckState.DECLINED:
            raise Refused("Your identity could not be confirmed.", code=contracts.DECLINED)
    raise Refused(
        "The check of your identity was not completed; ask again to begin another one.",
        code=contracts.NOT_COMPLETED,
    )


async def _one_check(
    check: IdentityCheck, begin: CallStep[IdentityCheck, Seen], steps: Runner
) -> Seen:
    try:
        seen = await steps.run(begin, check)
        return await _followed(check, seen, steps)
    except OperationCancelled:
        await steps.run(CALL_OFF, check)
        raise


async def _followed(check: IdentityCheck, seen: Seen, steps: Runner) -> Seen:
    """Follow a check to its end, however long that takes."""
    options, recorded, asked = check.options, None, 0
    waited_s, pause_s = 0.0, options.inquiry_s
    while True:
        if seen != recorded:
            asked += seen.status in ASKS_THE_PERSON
            await steps.tell(await steps.run(RECORD, SeenCheck(check, seen, asked)))
            recorded = seen
        if seen.status in ENDED:
            return seen
        if waited_s >= options.undecided_s:
            seen = await steps.run_until(LOOK, check, rules.check_decided)
            continue
        waited_s += await steps.run(WAIT, Wait(min(pause_s, options.undecided_s - waited_s)))
        pause_s = rules.next_pause_s(pause_s)
        seen = await steps.run(LOOK, check)
