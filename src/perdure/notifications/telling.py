"""How an operation's workflow has its messages delivered."""

import asyncio
from contextlib import suppress

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from perdure.core.errors import PerdureError
from perdure.durable import options, versions
from perdure.durable.first_tries import first_try
from perdure.durable.queues import NOTIFICATIONS
from perdure.notifications.contracts import DELIVER, DELIVER_FIRST_TRY, WORKFLOW, workflow_id


async def tell(notification_ids: list[str], *, tries_first: bool = True) -> None:
    """Deliver messages, in parallel; this never fails.

    Args:
        tries_first: Before its queue is troubled, what is quick is told where the workflow runs.
    """
    if notification_ids:
        untold = await _deliver_first_try(notification_ids) if tries_first else notification_ids
        await asyncio.gather(*(_deliver(found) for found in untold))


async def tell_by_marker(notification_ids: list[str]) -> None:
    """Deliver messages, as `tell`; for kinds whose earlier runs did not try first."""
    if notification_ids:
        tries_first = workflow.patched(versions.FIRST_TRIES)
        await tell(notification_ids, tries_first=tries_first)


async def _deliver_first_try(notification_ids: list[str]) -> list[str]:
    """Deliver what can be delivered quickly; returns the rest."""
    try:
        untold = await first_try(DELIVER_FIRST_TRY, notification_ids, returns=list[str])
    except PerdureError:
        return notification_ids
    return notification_ids if untold is None else untold


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
