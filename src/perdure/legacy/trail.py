"""What the old system's runners write on an operation's trail, beside what all do.

It is what Perdure's own way is compared with.
"""

from collections.abc import Mapping
from typing import Any, Final

DONE: Final = "_done"
"""Ends the action of what an internal status came to."""
SAID: Final = "said"
TRY: Final = "try"
FAILED_AT: Final = "failed_at"


def done(attempt: int, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what is kept of what was done.

    Args:
        said: Of what was asked, as who did it tells of it; None: nothing was done outside.
    """
    return {TRY: attempt, SAID: said}


def failed(attempt: int, internal_status: str) -> dict[str, Any]:
    """Return what is kept of what sends an operation back."""
    return {TRY: attempt, FAILED_AT: internal_status}
