"""Workflows that begin at a moment: Temporal keeps the time, whatever is restarted or deployed."""

from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from perdure.core.clock import utc_now


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
