"""Has customers followed up, each by a workflow of its own that begins when it is due."""

from typing import Final

from temporalio.client import Client

from perdure.durable.later import begin_at
from perdure.durable.queues import OPERATIONS, QueueNames
from perdure.onboarding import store
from perdure.onboarding.contracts import FOLLOW_UP_WORKFLOW, follow_up_workflow_id
from perdure.storage.pool import Pool, transaction

_BATCH: Final = 200


class FollowUps:
    """Begins the workflows of follow-ups that are owed; what is done is kept, so each is one."""

    def __init__(self, pool: Pool, client: Client, queues: QueueNames) -> None:
        self._pool = pool
        self._client = client
        self._queues = queues

    async def look(self) -> int:
        """Begin those that have no workflow yet; returns how many there were."""
        owed = await store.follow_ups_owed(self._pool, limit=_BATCH)
        for follow_up in owed:
            # An erasure waits for transactions that may not have seen it, and then looks.
            async with transaction(self._pool) as connection:
                if not await store.is_owed(connection, follow_up):
                    continue
                await begin_at(
                    self._client,
                    FOLLOW_UP_WORKFLOW,
                    follow_up.operation_id,
                    workflow_id=follow_up_workflow_id(follow_up.operation_id),
                    queue=self._queues[OPERATIONS],
                    at=follow_up.at,
                )
                await store.mark_follow_up_begun(connection, follow_up)
        return len(owed)
