"""Moments and days that callers give, and how long something takes, for people."""

from datetime import UTC, date, datetime

from perdure.core.errors import InvalidInput


def read_moment(param: str, text: str) -> datetime:
    """Return a moment written as ISO 8601 has it, with its time zone, in UTC.

    Raises:
        InvalidInput: `invalid_time`: it is not, or in UTC not in the years 1 to 9999.
    """
    try:
        found = datetime.fromisoformat(text.upper())
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(
        f"{text[:40]!r} is not a time with its zone, in the years 1 to 9999 as UTC has it; one"
        " looks like 2030-01-31T12:00:00Z.",
        code="invalid_time",
        param=param,
    )


def read_date(param: str, text: str) -> date:
    """Return a day written as 2030-01-31.

    Raises:
        InvalidInput: `invalid_date`.
    """
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    # `fromisoformat` takes other forms too: 20300131, 2030-W05-4.
    if found is None or found.isoformat() != text:
        raise InvalidInput(
            f"{text[:40]!r} is not a date; write it as 2030-01-31.",
            code="invalid_date",
            param=param,
        )
    return found


def duration(seconds: float) -> str:
    """Write a time for people."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
