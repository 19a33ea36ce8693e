"""The builds of a worker deployment, for who rolls them out: what each holds, and what is next."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.deployment.v1 import WorkerDeploymentInfo, WorkerDeploymentVersion
from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflow.v1 import VersioningOverride, WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
    UpdateWorkflowExecutionOptionsRequest,
)
from temporalio.client import Client
from temporalio.client import WorkflowExecution as Running
from temporalio.service import RPCError, RPCStatusCode

from perdure.core.errors import Conflict, NotFound

_STATUS: Final = "WORKER_DEPLOYMENT_VERSION_STATUS_"
_REFUSED: Final = frozenset(
    {
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
    }
)
_MOVED_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Build:
    """A build as Temporal knows it.

    Args:
        status: `inactive`, `current`, `ramping`, `draining` or `drained`.
        ramp_percent: How much of what is new goes to it, of the one that is ramping.
        pinned: How many workflows are running that end on it.
        created_at: When its first worker polled.
    """

    build_id: str
    status: str
    ramp_percent: float | None
    pinned: int
    created_at: datetime


class Deployment:
    """A deployment's builds, and which of them is given work.

    Args:
        identity: Who changes it, as Temporal notes it.
    """

    def __init__(self, client: Client, name: str, *, identity: str) -> None:
        self._client = client
        self._name = name
        self._identity = identity

    async def builds(self) -> list[Build]:
        """Return the builds whose workers ever polled and Temporal has not forgotten, newest first.

        Raises:
            NotFound: `deployment_not_found`: there is none.
        """
        try:
            answer = await self._client.workflow_service.describe_worker_deployment(
                DescribeWorkerDeploymentRequest(
                    namespace=self._client.namespace, deployment_name=self._name
                )
            )
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            raise NotFound(
                f"Temporal knows no deployment {self._name}: no worker with a PERDURE_BUILD_ID has"
                f" polled in the namespace {self._client.namespace}.",
                code="deployment_not_found",
            ) from error
        info = answer.worker_deployment_info
        found = [await self._build(info, one) for one in info.version_summaries]
        return sorted(found, key=lambda build: build.created_at, reverse=True)

    async def build(self, build_id: str) -> Build:
        """Return a build.

        Raises:
            NotFound: `deployment_not_found`, `build_not_found`.
        """
        for build in await self.builds():
            if build.build_id == build_id:
                return build
        raise NotFound(
            f"Temporal knows no build {build_id} of {self._name}.", code="build_not_found"
        )

    async def _build(
        self, info: WorkerDeploymentInfo, one: WorkerDeploymentInfo.WorkerDeploymentVersionSummary
    ) -> Build:
        build_id, routing = one.deployment_version.build_id, info.routing_config
        is_ramping = build_id == routing.ramping_deployment_version.build_id
        return Build(
            build_id=build_id,
            status=WorkerDeploymentVersionStatus.Name(one.status).removeprefix(_STATUS).lower(),
            ramp_percent=routing.ramping_version_percentage if is_ramping else None,
            pinned=(await self._client.count_workflows(self._pinned_to(build_id))).count,
            created_at=one.create_time.ToDatetime(UTC),
        )

    async def set_current(self, build_id: str, *, ignore_missing_queues: bool = False) -> None:
        """Have all new workflows, and the lanes, go to a build; nothing ramps any more.

        Args:
            build_id: Empty: to workers that have none.
            ignore_missing_queues: Also where it does not poll all the queues of the current one.

        Raises:
            Conflict: `deployment_refused`: it does not poll, or not all the queues.
        """
        request = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self._name,
            build_id=build_id,
            identity=self._identity,
            ignore_missing_task_queues=ignore_missing_queues,
        )
        await _unless_refused(
            self._client.workflow_service.set_worker_deployment_current_version(request)
        )
        for build in await self.builds():
            if build.ramp_percent:
                await self.ramp(build.build_id, 0)

    async def ramp(self, build_id: str, percent: float) -> None:
        """Have a part of the new workflows go to a build, the others to the current one.

        Args:
            percent: 0 takes it back.

        Raises:
            Conflict: `deployment_refused`: it is the current one, does not poll, or not all the
                queues.
        """
        request = SetWorkerDeploymentRampingVersionRequest(
            namespace=self._client.namespace,
            deployment_name=self._name,
            build_id=build_id if percent else "",
            percentage=percent,
            identity=self._identity,
        )
        await _unless_refused(
            self._client.workflow_service.set_worker_deployment_ramping_version(request)
        )

    def running(self, build_id: str, *, limit: int | None = None) -> AsyncIterator[Running]:
        """Yield the workflows that are running and pinned to a build."""
        return self._client.list_workflows(self._pinned_to(build_id), limit=limit)

    async def move(self, build_id: str, to_build_id: str) -> int:
        """Pin what is running on a build to another one; returns how many workflows that were.

        Raises:
            NotFound: `deployment_not_found`, `build_not_found`: there is none to move to.
        """
        await self.build(to_build_id)
        places = asyncio.Semaphore(_MOVED_AT_ONCE)
        found = [one async for one in self.running(build_id)]
        return sum(await asyncio.gather(*(self._pin(one, to_build_id, places) for one in found)))

    async def _pin(self, one: Running, build_id: str, places: asyncio.Semaphore) -> bool:
        """Pin a run to a build; False: it has ended meanwhile."""
        to = WorkerDeploymentVersion(deployment_name=self._name, build_id=build_id)
        pinned = VersioningOverride.PinnedOverride(
            behavior=VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED, version=to
        )
        request = UpdateWorkflowExecutionOptionsRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=one.id, run_id=one.run_id),
            workflow_execution_options=WorkflowExecutionOptions(
                versioning_override=VersioningOverride(pinned=pinned)
            ),
            update_mask=FieldMask(paths=["versioning_override"]),
            identity=self._identity,
        )
        async with places:
            try:
                await self._client.workflow_service.update_workflow_execution_options(request)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                return False
        return True

    def _pinned_to(self, build_id: str) -> str:
        return f"BuildIds = 'pinned:{self._name}:{build_id}' AND ExecutionStatus = 'Running'"


async def _unless_refused(call: Awaitable[Any]) -> None:
    try:
        await call
    except RPCError as error:
        if error.status not in _REFUSED:
            raise
        raise Conflict(f"Temporal refuses: {error.message}.", code="deployment_refused") from error
