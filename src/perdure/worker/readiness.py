"""Whether workers are there: asked of Temporal, which knows who polls."""

import asyncio
from collections.abc import Iterable

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

_POLL_INTERVAL_S = 0.2


async def wait_for_workers(client: Client, queues: Iterable[str], *, timeout_s: float) -> list[str]:
    """Wait until somebody polls each of these queues; returns those nobody came to in time.

    Args:
        client: Of the namespace.
        queues: As they are called at Temporal.
        timeout_s: The longest wait.
    """
    missing = list(queues)
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        missing = [queue for queue in missing if not await _is_polled(client, queue)]
        if not missing or asyncio.get_running_loop().time() > deadline:
            return missing
        await asyncio.sleep(_POLL_INTERVAL_S)


async def _is_polled(client: Client, queue: str) -> bool:
    kinds = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    for kind in kinds:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        try:
            if (await client.workflow_service.describe_task_queue(request)).pollers:
                return True
        except RPCError:
            continue
    return False
