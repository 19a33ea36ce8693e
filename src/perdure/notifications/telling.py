"""How an operation's workflow has its messages delivered."""

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from perdure.durable import options
from perdure.durable.queues import NOTIFICATIONS
from perdure.notifications.contracts import DELIVER, WORKFLOW, workflow_id


async def tell(notification_ids: list[str]) -> None:
    """Deliver messages, in parallel; this never fails."""
    await asyncio.gather(*(_deliver(found) for found in notification_ids))


async def _deliver(notification_id: str) -> None:
    try:
        await workflow.execute_activity(
            DELIVER, notification_id, **options.on_queue(NOTIFICATIONS, options.NOTIFY)
        )
    except FailureError:
        # The operation is over; the message goes on being tried by a workflow of its own. The
        # janitor may have started that already.
        with suppress(WorkflowAlreadyStartedError):
            await workflow.start_child_workflow(
                WORKFLOW,
                notification_id,
                id=workflow_id(notification_id),
                task_queue=NOTIFICATIONS,
                parent_close_policy=ParentClosePolicy.ABANDON,
            )
