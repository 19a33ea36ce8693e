"""What `perdure doctor` says of each thing it looks at."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the report.

    Args:
        fix: What to do about it.
    """

    subject: str
    health: Health
    detail: str
    fix: str | None = None
