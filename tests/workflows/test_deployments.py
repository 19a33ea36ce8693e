"""Builds rolled forward and back: each operation ends on the build it began on, lanes move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentVersionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import Worker

from perdure.core.errors import Conflict
from perdure.durable.builds import Deployment
from perdure.durable.deployments import deployment_config, given_work
from perdure.durable.lanes.contracts import RUN, WORKFLOW, Lane, LaneStretch
from perdure.durable.lanes.workflow import LaneWorkflow
from perdure.durable.queues import LANES, OPERATIONS, QueueNames
from perdure.durable.sandbox import sandboxed_runner
from perdure.payments.contracts import CHARGE
from perdure.storage.pool import Pool
from tests.polls import eventually

from .scripted import PaymentScenario, ScriptedWorld
from .worker import QUEUES, own_queues, scripted_payments


@dataclass
class Rolled:
    """A deployment whose builds a test runs and rolls out."""

    client: Client
    pool: Pool
    queues: QueueNames = field(default_factory=own_queues)
    world: ScriptedWorld = field(default_factory=ScriptedWorld)
    name: str = field(default_factory=lambda: f"perdure-{uuid4().hex[:8]}")

    @property
    def deployment(self) -> Deployment:
        return Deployment(self.client, self.name, identity="tests")

    @asynccontextmanager
    async def build(self, build_id: str) -> AsyncIterator[PaymentScenario]:
        """Run workers of a build, as another process would."""
        version = WorkerDeploymentVersion(self.name, build_id)
        async with scripted_payments(
            await another(self.client), self.pool, self.queues, self.world, version=version
        ) as scenario:
            await eventually(lambda: self._polls(build_id, {self.queues[one] for one in QUEUES}))
            yield scenario

    async def _polls(self, build_id: str, queues: set[str]) -> bool:
        request = DescribeWorkerDeploymentVersionRequest(
            namespace=self.client.namespace,
            version=f"{self.name}.{build_id}",
        )
        try:
            found = await self.client.workflow_service.describe_worker_deployment_version(request)
        except RPCError:
            return False
        return queues <= {one.name for one in found.version_task_queues}

    async def roll_to(self, build_id: str, *, ramp: bool = False) -> None:
        """Have what is new go to a build, and wait until it does."""
        await eventually(lambda: self._is_accepted(build_id, ramp))

        async def is_given_work() -> bool:
            versions = await given_work(self.client, self.queues[OPERATIONS])
            return versions[-1:] == [WorkerDeploymentVersion(self.name, build_id)]

        await eventually(is_given_work)

    async def _is_accepted(self, build_id: str, ramp: bool) -> bool:
        try:
            if ramp:
                await self.deployment.ramp(build_id, 100)
            else:
                await self.deployment.set_current(build_id)
        except Conflict:  # it has not polled all queues yet
            return False
        return True

    async def start(self, payments: PaymentScenario, count: int) -> list[WorkflowHandle[Any, Any]]:
        """Start payments, and wait until they wait for the gateway."""
        before = self.world.calls.count(CHARGE)
        handles = [await payments.start() for _ in range(count)]
        await payments.until_called(CHARGE, times=before + count)
        return handles


async def another(client: Client) -> Client:
    """Connect once more: of one client, two workers share no queue."""
    target = client.service_client.config.target_host
    return await Client.connect(target, namespace=client.namespace)


async def builds_of(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Return the builds that completed a workflow's tasks, in their order, each once in a row."""
    found: list[str] = []
    async for event in handle.fetch_history_events():
        if event.HasField("workflow_task_completed_event_attributes"):
            completed = event.workflow_task_completed_event_attributes
            build_id = completed.deployment_version.build_id
            if found[-1:] != [build_id]:
                found.append(build_id)
    return found


async def test_each_operation_ends_on_the_build_it_began_on_forward_and_back(
    temporal_client: Client, pool: Pool
) -> None:
    rolled = Rolled(temporal_client, pool)
    began: list[tuple[str, WorkflowHandle[Any, Any]]] = []
    async with AsyncExitStack() as stack:
        for build_id in ("one", "two", "three"):
            payments = await stack.enter_async_context(rolled.build(build_id))
        for build_id, ramp in [("one", False), ("two", False), ("three", True), ("one", False)]:
            await rolled.roll_to(build_id, ramp=ramp)
            began += [(build_id, handle) for handle in await rolled.start(payments, 2)]
        for _, handle in began:
            await payments.confirm(handle)
        ends = [(await handle.result()).status for _, handle in began]
        assert set(ends) == {"succeeded"}
        assert [(build, await builds_of(handle)) for build, handle in began] == [
            (build, [build]) for build, _ in began
        ]
        statuses = {one.build_id: one.status for one in await rolled.deployment.builds()}
    assert rolled.world.calls.count(CHARGE) == len(began)
    assert statuses["one"] == "current"
    assert {statuses["two"], statuses["three"]} <= {"ramping", "draining", "drained"}


async def test_what_runs_on_a_build_that_is_taken_away_is_moved(
    temporal_client: Client, pool: Pool
) -> None:
    rolled = Rolled(temporal_client, pool)
    async with rolled.build("two") as payments:
        async with rolled.build("one") as old:
            await rolled.roll_to("one")
            [handle] = await rolled.start(old, 1)
            await rolled.roll_to("two")

        async def is_pinned() -> bool:
            return [one.id async for one in rolled.deployment.running("one")] == [handle.id]

        await eventually(is_pinned)
        assert (await rolled.deployment.build("one")).pinned == 1
        assert await rolled.deployment.move("one", "two") == 1
        await payments.confirm(handle)
        assert (await handle.result()).status == "succeeded"
        assert await builds_of(handle) == ["one", "two"]
    assert rolled.world.calls.count(CHARGE) == 1


async def test_a_lane_goes_on_on_the_build_that_is_current(
    temporal_client: Client, pool: Pool
) -> None:
    queue, rolled = f"lanes-{uuid4().hex[:8]}", Rolled(temporal_client, pool)
    rolled.queues = QueueNames({OPERATIONS: queue})
    calls: list[str] = []
    goes_on = asyncio.Event()

    def worker(client: Client, build_id: str) -> Worker:
        @activity.defn(name=RUN)
        async def run(lane: Lane) -> LaneStretch:
            calls.append(build_id)
            if build_id == "one":
                await goes_on.wait()
            return LaneStretch(1, 0, is_empty=build_id == "two")

        return Worker(
            client,
            task_queue=queue,
            workflows=[LaneWorkflow],
            activities=[run],
            workflow_runner=sandboxed_runner(),
            deployment_config=deployment_config(
                WorkerDeploymentVersion(rolled.name, build_id), LANES
            ),
        )

    one, two = [worker(await another(temporal_client), build_id) for build_id in ("one", "two")]
    async with one, two:
        await rolled.roll_to("one")
        lane = await temporal_client.start_workflow(
            WORKFLOW, Lane("payment", 0), id=f"{queue}-payment-0", task_queue=queue
        )
        await eventually(lambda: calls == ["one"])
        await rolled.roll_to("two")
        goes_on.set()
        await eventually(lambda: calls == ["one", "two"])
        assert await builds_of(lane) == ["one", "two"]
        await lane.terminate()
