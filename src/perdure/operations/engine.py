"""What operations need of the engine that runs them."""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from perdure.operations.model import Operation


class RunState(StrEnum):
    """What the engine says of an operation's workflow."""

    ABSENT = "absent"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"


class Engine(Protocol):
    """Starts and tells the workflows of operations. Temporal implements it, in `durable.engine`."""

    @property
    def kinds(self) -> Collection[str]:
        """The names of the kinds whose operations it runs."""
        ...

    async def start(self, operation: Operation, *, again: bool = False) -> bool:
        """Start the operation's workflow; False if there is one already.

        Args:
            again: Start one even though an earlier one ended.
        """
        ...

    async def replace(self, operation: Operation) -> None:
        """Start the operation's workflow, ending one that runs."""
        ...

    async def reset(self, operation_id: str, *, reason: str) -> bool:
        """Have a workflow that ended go on from before its last activity.

        False: there is no history of it, or none that it could go on from.
        """
        ...

    async def run_lane(self, kind: str, lane: int) -> None:
        """Have a lane's workflow run, and hear that there is something to do in it."""
        ...

    async def lane_state(self, kind: str, lane: int) -> RunState:
        """Tell how a lane's workflow stands."""
        ...

    async def signal_cancel(self, operation_id: str, *, actor: str, reason: str) -> None:
        """Wake the workflow.

        A request to cancel is on its row. A workflow that is gone is no error.
        """
        ...

    async def signal_resume(self, operation_id: str) -> None:
        """Have a parked workflow try its step again. A workflow that is gone is no error."""
        ...

    async def run_state(self, operation_id: str) -> RunState:
        """Tell how the operation's latest run stands."""
        ...

    async def broken_off_since(self, moment: datetime) -> list[str]:
        """Return the operations whose workflow ended after a moment other than by completing."""
        ...
