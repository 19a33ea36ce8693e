"""What follows from how a check stands, without effects."""

from typing import Final

from perdure.core.check_states import ENDED
from perdure.core.errors import PerdureError
from perdure.identity.contracts import UNDECIDED, Seen

_PAUSE_S_MAX: Final = 3600.0


def next_pause_s(pause_s: float) -> float:
    """Return how long a verifier is left alone that was asked after this long."""
    return min(2 * pause_s, max(pause_s, _PAUSE_S_MAX))


def check_decided(seen: Seen) -> None:
    """Let a check pass that has ended.

    Raises:
        PerdureError: `identity_undecided`; a person has to look.
    """
    if seen.status not in ENDED:
        raise PerdureError(
            "The identity check has not come to a verdict for longer than it is waited for; see how"
            " it stands at the verifier's, and relaunch the operation.",
            code=UNDECIDED,
        )
