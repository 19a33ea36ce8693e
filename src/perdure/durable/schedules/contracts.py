"""What a schedule starts, and the names by which it is run."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

WORKFLOW: Final = "Scheduled"
BEGIN: Final = "scheduled.begin"


@dataclass(frozen=True, slots=True)
class Terms:
    """When something recurs.

    Args:
        cron: Minute, hour, day, month, weekday.
        timezone: Whose clock that is.
        catchup_s: How long a time is made up for that nobody was there at.
    """

    cron: str
    timezone: str = "UTC"
    catchup_s: int = 604_800


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What recurs, and when: as it was declared when the schedule was made."""

    name: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Due:
    """One time of a schedule."""

    name: str
    at: datetime


def prefix(operations_queue: str) -> str:
    """Return what the ids of an installation's schedules begin with, by its operations' queue."""
    return f"{operations_queue}-schedule-"
