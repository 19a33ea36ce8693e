"""What a lane is given, and the names by which it is run."""

from dataclasses import dataclass
from typing import Final

WORKFLOW: Final = "Lane"
RUN: Final = "lane.run"
MORE: Final = "more"
"""The signal that operations were added."""
PROGRESS: Final = "progress"
"""The query that answers with the `Lane` as it stands."""


def workflow_id(queue: str, kind: str, number: int) -> str:
    """Return the id of a lane's workflow, given the name of its queue at Temporal."""
    return f"{queue}-{kind}-{number}"


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of a kind of operation, and what it did since its workflow was first started.

    Args:
        done: Operations that reached their end in it.
        promoted: Operations that left it for a workflow of their own.
    """

    kind: str
    number: int
    done: int = 0
    promoted: int = 0


@dataclass(frozen=True, slots=True)
class LaneStretch:
    """What one stretch of a lane did.

    Args:
        is_empty: Nothing was left in the lane.
    """

    done: int
    promoted: int
    is_empty: bool
