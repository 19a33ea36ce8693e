"""How a workflow waits for a check: until a callback hints at something new, or a timer's end."""

from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

from perdure.durable.scope import current_scope
from perdure.identity.contracts import Wait


class Hints:
    """What was told of a workflow's check since it looked for the last time.

    A hint may come before the check's own beginning is known; it counts all the same.
    """

    def __init__(self) -> None:
        self._untaken = 0

    def take(self, event_id: str) -> None:  # noqa: ARG002 - in the history, for people
        """Take a hint."""
        self._untaken += 1

    async def wait(self, wait: Wait) -> float:
        """Wait for a hint, or the time's end; returns how long it was, in seconds."""
        began_s = workflow.time()
        with suppress(TimeoutError):
            await workflow.wait_condition(self._is_any, timeout=timedelta(seconds=wait.seconds))
        self._untaken = 0
        return workflow.time() - began_s

    async def wait_in_operation(self, wait: Wait) -> float:
        """Wait as `wait` does, unless the operation is to stop.

        Raises:
            OperationCancelled: It is.
        """
        began_s = workflow.time()
        await current_scope().wait(self._is_any, timeout_s=wait.seconds)
        self._untaken = 0
        return workflow.time() - began_s

    def _is_any(self) -> bool:
        return self._untaken > 0
