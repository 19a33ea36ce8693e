"""The option `--deadline`."""

from datetime import datetime
from typing import Final

from perdure.core.times import read_moment

DEADLINE_HELP: Final = (
    "Cancelled, and undone, if it has not ended by then: 2030-01-31T12:00:00Z, say."
)


def read_deadline(text: str | None) -> datetime | None:
    """Return a moment written as ISO 8601 has it, with its time zone.

    Raises:
        InvalidInput: It is not.
    """
    if text is None:
        return None
    return read_moment("deadline", text)
