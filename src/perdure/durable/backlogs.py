"""What waits for a worker at Temporal, by its own account, which is an estimate."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.operations.standing import Standstill

_PATIENCE_S: Final = 2.0
_KINDS: Final = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)


async def backlogs(client: Client, queues: Iterable[str]) -> dict[str, Standstill]:
    """Return how many tasks wait in queues, and for how long; one that is not told is left out.

    Args:
        queues: As they are called at Temporal.
    """
    named = list(queues)
    found = await asyncio.gather(*(_backlog(client, queue) for queue in named))
    return {queue: one for queue, one in zip(named, found, strict=True) if one is not None}


async def _backlog(client: Client, queue: str) -> Standstill | None:
    count, oldest_s = 0, 0.0
    for kind in _KINDS:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=kind,
            report_stats=True,
        )
        try:
            answer = await client.workflow_service.describe_task_queue(
                request, timeout=timedelta(seconds=_PATIENCE_S)
            )
        except RPCError:
            return None
        age_s = answer.stats.approximate_backlog_age.ToTimedelta().total_seconds()
        count, oldest_s = count + answer.stats.approximate_backlog_count, max(oldest_s, age_s)
    return Standstill(count, oldest_s)
