"""A trade's decisions, without effects: above all, which way it recovers from what goes wrong.

Block, money and delivery are one exchange: what is delivered is paid for, and the other way round
(docs/adr/0039-recoveries.md). Until the asset is delivered everything can be given back; from then
on nothing is.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from perdure.core.errors import ProviderDeclined


class Outcome(StrEnum):
    """How a step ends otherwise than with what it is for."""

    REFUSED = "refused"
    """Who was asked answered no, and did nothing."""
    NOT_MADE = "not made"
    """Its tries are used up, while others get through; it is sure that nothing was done."""
    AWAY = "away"
    """Nobody gets through, for longer than is waited."""
    UNKNOWN = "unknown"
    """It may have been done, and who was asked does not tell."""
    DISAGREES = "disagrees"
    """Something else was done than was asked for."""
    CANCELLED = "cancelled"
    """An operator called the trade off."""


class Recovery(StrEnum):
    """What becomes of the trade then."""

    FORWARD = "forward"
    """The step is tried until it is done; parked meanwhile, it goes on once it is relaunched."""
    BACKWARD = "backward"
    """What was done is undone, the latest first, and the trade has failed or is cancelled."""
    PARK = "park"
    """A person looks at once: relaunched, the step goes on; cancelled, the trade goes backward."""


_FORWARD, _BACKWARD, _PARK = Recovery

_AT_A_SERVICE: Final = {
    Outcome.REFUSED: _BACKWARD,
    Outcome.NOT_MADE: _BACKWARD,
    Outcome.AWAY: _FORWARD,
    Outcome.UNKNOWN: _FORWARD,
    Outcome.DISAGREES: _PARK,
    Outcome.CANCELLED: _BACKWARD,
}
_UNDOING: Final = {
    Outcome.REFUSED: _PARK,
    Outcome.NOT_MADE: _FORWARD,
    Outcome.AWAY: _FORWARD,
    Outcome.UNKNOWN: _FORWARD,
    Outcome.DISAGREES: _PARK,
    Outcome.CANCELLED: _FORWARD,
}

RECOVERIES: Final[Mapping[str, Mapping[Outcome, Recovery]]] = {
    "open": {Outcome.REFUSED: _BACKWARD, Outcome.CANCELLED: _BACKWARD},
    "block_asset": _AT_A_SERVICE,
    "move_money": _AT_A_SERVICE,
    # The money is where it was to go: what is left to do is worth waiting for.
    "deliver_asset": _AT_A_SERVICE | {Outcome.NOT_MADE: _FORWARD},
    "settle": {Outcome.REFUSED: _FORWARD, Outcome.CANCELLED: _FORWARD},
    "find_delivery": _UNDOING,
    "return_money": _UNDOING,
    "unblock_asset": _UNDOING,
    "close": {Outcome.REFUSED: _FORWARD, Outcome.CANCELLED: _FORWARD},
}
"""Of each step, and each way it may end: which way the trade recovers."""


def goes_back(step: str, outcome: Outcome) -> bool:
    """Whether a step's end has what was done before it undone."""
    return RECOVERIES[step][outcome] is Recovery.BACKWARD


def check_stands(status: str, expected: str, *, code: str) -> None:
    """Let an answer pass of what was done and stands.

    Raises:
        ProviderDeclined: It came to nothing, or was taken back there.
    """
    if status != expected:
        raise ProviderDeclined(f"It is {status} there, so the trade goes no further.", code=code)
