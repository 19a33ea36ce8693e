"""How the simulated bank behaves: by test destination, and by chance.

`docs/simulators.md` has the table.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from perdure.simulators.faults import ALWAYS, Answer, Difference


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How requests for one destination are treated.

    Args:
        decline_code: Refuses at once.
        unavailable_first: How many first attempts are answered 503 before anything is done.
        rate_limited_first: How many first attempts are answered 429.
        failure_code: The payout is taken, and fails.
        answer: What the client gets once the payout is made.
        says: What that answer says otherwise than it is.
        does: What is done otherwise than it was asked for.
    """

    decline_code: str | None = None
    unavailable_first: int = 0
    rate_limited_first: int = 0
    failure_code: str | None = None
    answer: Answer = Answer.NORMAL
    says: Difference | None = None
    does: Difference | None = None


PAYS: Final = Behaviour()
"""What any destination gets that is not listed: an IBAN, say."""

NOT_RECALLABLE: Final = "dest_not_recallable"

DESTINATIONS: Final[dict[str, Behaviour]] = {
    "dest_ok": PAYS,
    "dest_declined": Behaviour(decline_code="account_closed"),
    "dest_fails": Behaviour(failure_code="account_blocked"),
    "dest_flaky": Behaviour(unavailable_first=2),
    "dest_rate_limited": Behaviour(rate_limited_first=2),
    "dest_down": Behaviour(unavailable_first=ALWAYS),
    "dest_error_after": Behaviour(answer=Answer.UNAVAILABLE),
    "dest_cut_after": Behaviour(answer=Answer.CUT),
    "dest_timeout": Behaviour(answer=Answer.NEVER),
    "dest_slow": Behaviour(answer=Answer.SLOW),
    "dest_in_use": Behaviour(answer=Answer.IN_USE),
    "dest_other_amount": Behaviour(does=Difference.AMOUNT),
    "dest_other_currency": Behaviour(does=Difference.CURRENCY),
    "dest_other_reference": Behaviour(does=Difference.REFERENCE),
    "dest_unknown_status": Behaviour(does=Difference.STATUS),
    NOT_RECALLABLE: PAYS,
}


class Fault(StrEnum):
    """What can go wrong by chance."""

    UNAVAILABLE_BEFORE = "unavailable_before"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE_AFTER = "unavailable_after"
    CUT_AFTER = "cut_after"
    DELAY = "delay"
    IN_USE = "in_use"
    OTHER_AMOUNT = "other_amount"
    OTHER_CURRENCY = "other_currency"
    OTHER_REFERENCE = "other_reference"
    UNKNOWN_STATUS = "unknown_status"


_CHANGES: Final[dict[Fault, dict[str, Any]]] = {
    Fault.UNAVAILABLE_BEFORE: {"unavailable_first": ALWAYS},
    Fault.RATE_LIMITED: {"rate_limited_first": ALWAYS},
    Fault.UNAVAILABLE_AFTER: {"answer": Answer.UNAVAILABLE},
    Fault.CUT_AFTER: {"answer": Answer.CUT},
    Fault.DELAY: {"answer": Answer.SLOW},
    Fault.IN_USE: {"answer": Answer.IN_USE},
    **{Fault(one): {"says": one} for one in Difference},
}


def hit_by(behaviour: Behaviour, fault: Fault | None) -> Behaviour:
    """Return a behaviour as a fault changes it."""
    return replace(behaviour, **_CHANGES[fault]) if fault else behaviour
