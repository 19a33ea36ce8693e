"""What a bulk's workflow is given, and the names by which it is run."""

from dataclasses import dataclass, field
from typing import Any, Final

WORKFLOW: Final = "Bulk"
SELECT: Final = "bulk.select"
RUN: Final = "bulk.run"
FINISH: Final = "bulk.finish"


@dataclass(frozen=True, slots=True)
class BulkInput:
    """A bulk to be carried out: all about it is in the database.

    Args:
        request: What was asked for, for people who look at the workflow.
    """

    operation_id: str
    request: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BulkCall:
    """The input of a bulk's activities."""

    operation_id: str


@dataclass(frozen=True, slots=True)
class StretchEnd:
    """What one stretch of a bulk came to.

    Args:
        is_last: Nothing is left to do.
    """

    is_last: bool


@dataclass(frozen=True, slots=True)
class BulkEnd:
    """What became of a bulk's operations."""

    done: int
    refused: int
    failed: int
    skipped: int
