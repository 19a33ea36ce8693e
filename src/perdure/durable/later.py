"""Workflows that begin at a moment: Temporal keeps the time, whatever is restarted or deployed."""

from datetime import datetime, timedelta
from typing import Any, Final

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.clock import utc_now

WAKE: Final = "wake"
"""The signal that has one come to its end: nothing is waited for any more."""


async def begin_at(
    client: Client, workflow: str, given: Any, *, workflow_id: str, queue: str, at: datetime
) -> None:
    """Have a workflow begin at a moment, and only once for its id; asking again changes nothing.

    Args:
        queue: Its name at Temporal.
    """
    left = at - utc_now()
    try:
        await client.start_workflow(
            workflow,
            given,
            id=workflow_id,
            task_queue=queue,
            start_delay=left if left > timedelta(0) else None,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
    except WorkflowAlreadyStartedError:
        return


class Waking:
    """Has workflows that begin at a moment not wait for it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def is_over(self, workflow_id: str, *, reason: str) -> bool:
        """Whether one has ended, or never was; one that has not begun is ended, any other woken."""
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            found = await handle.describe()
            if found.status != WorkflowExecutionStatus.RUNNING:
                return True
            # No signal has one begin before its time.
            if found.execution_time is not None and found.execution_time > utc_now():
                await handle.terminate(reason=reason)
                return True
            await handle.signal(WAKE, reason)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return True
            raise
        return False
