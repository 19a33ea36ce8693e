"""Worker deployments: which build's workers carry what out, while one build follows another.

An operation's own workflow is pinned: it ends on the build it began on. A lane has no end, so it
goes on on whichever build is current; what is in it is rows, and its history is short.
"""

import asyncio
from contextlib import suppress
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import WorkerDeploymentConfig

from perdure.durable.queues import LANES

_LOOK_S: Final = 1.0


def version_of(deployment: str, build_id: str) -> WorkerDeploymentVersion | None:
    """Return the version of a process; None: it has no build id, so builds are not told apart."""
    return WorkerDeploymentVersion(deployment, build_id) if build_id else None


def deployment_config(
    version: WorkerDeploymentVersion | None, queue: str
) -> WorkerDeploymentConfig | None:
    """Return how the worker of a queue takes part in its deployment."""
    if version is None:
        return None
    return WorkerDeploymentConfig(
        version,
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE
        if queue == LANES
        else VersioningBehavior.PINNED,
    )


class Rollout:
    """Knows whether this process's build is given new work: it is the current one, or ramping.

    What workers take by themselves, not from Temporal, goes by it too.

    Args:
        queue: One of the deployment's, as it is called at Temporal.
        version: None: no build is told from another, and each is given work.
    """

    def __init__(self, client: Client, queue: str, version: WorkerDeploymentVersion | None) -> None:
        self._client = client
        self._queue = queue
        self._version = version
        self._gives_work = version is None

    def gives_work(self) -> bool:
        """Whether it is, as far as is known."""
        return self._gives_work

    async def watch(self, stop: asyncio.Event) -> None:
        """Ask Temporal each second, until told to stop; while it is away what was known holds."""
        while self._version is not None and not stop.is_set():
            with suppress(RPCError):
                self._gives_work = self._version in await given_work(self._client, self._queue)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_S)


async def given_work(client: Client, queue: str) -> list[WorkerDeploymentVersion]:
    """Return the versions to which new workflows of a queue go: the current and the ramping one.

    Args:
        queue: As it is called at Temporal.
    """
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    info = answer.versioning_info
    found = [info.current_deployment_version]
    if info.ramping_version_percentage > 0:
        found.append(info.ramping_deployment_version)
    return [
        WorkerDeploymentVersion(one.deployment_name, one.build_id) for one in found if one.build_id
    ]
