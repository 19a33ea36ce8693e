"""Sees to messages that stayed undelivered, whatever became of the workflow that owed them."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from perdure.core.clock import Clock, utc_now
from perdure.durable.queues import NOTIFICATIONS, QueueNames
from perdure.notifications import store
from perdure.notifications.contracts import WORKFLOW, workflow_id
from perdure.storage.pool import Pool

_BATCH: Final = 200


class NotificationRedelivery:
    """Starts the delivery workflow of messages owed for long.

    Args:
        overdue_after: How long whatever carries out the operation is left to deliver first. Two
            that deliver the same message take turns, and it is sent once.
        again_after: How long that workflow is left alone then. It tries for a week by itself; this
            is for one that was ended from outside.
    """

    def __init__(
        self,
        pool: Pool,
        client: Client,
        queues: QueueNames,
        *,
        overdue_after: timedelta = timedelta(seconds=20),
        again_after: timedelta = timedelta(minutes=10),
        clock: Clock = utc_now,
    ) -> None:
        self._pool = pool
        self._client = client
        self._queues = queues
        self._overdue_after = overdue_after
        self._again_after = again_after
        self._clock = clock

    async def redeliver(self) -> int:
        """Start the delivery of what is overdue; one that is under way is left."""
        now = self._clock()
        overdue = await store.overdue(
            self._pool,
            owed_before=now - self._overdue_after,
            redelivered_before=now - self._again_after,
            limit=_BATCH,
        )
        seen_to: list[str] = []
        try:
            for notification_id in overdue:
                await self._client.start_workflow(
                    WORKFLOW,
                    notification_id,
                    id=workflow_id(notification_id),
                    task_queue=self._queues[NOTIFICATIONS],
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                )
                seen_to.append(notification_id)
        finally:
            # Those that were started, also where the next could not be.
            if seen_to:
                await store.mark_redelivered(self._pool, seen_to, now)
        return len(seen_to)
