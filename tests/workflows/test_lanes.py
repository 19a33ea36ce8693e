"""A lane's workflow on the real server: it runs while there is something to do, and survives."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from perdure.core.ids import new_id
from perdure.durable import options
from perdure.durable.engine import TemporalEngine
from perdure.durable.interceptors.operation_sync import OperationSync
from perdure.durable.lanes import contracts
from perdure.durable.lanes import workflow as lane_workflow
from perdure.durable.lanes.activities import LaneActivities
from perdure.durable.lanes.contracts import Lane
from perdure.durable.lanes.workflow import LaneWorkflow
from perdure.durable.queues import LANES, QueueNames
from perdure.durable.sandbox import sandboxed_runner
from perdure.operations import reporting, store
from perdure.operations.acceptance import accept_many
from perdure.operations.engine import RunState
from perdure.operations.kinds import OperationKinds
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.work import LaneLimits
from perdure.operations.model import NewOperation, Operation, Status
from perdure.storage.pool import Pool, transaction
from tests.polls import eventually

Script = Callable[[], Awaitable[object]]


@dataclass
class Scripted:
    """A lane of a kind of its own, whose operations do as their scripts say, and then succeed."""

    pool: Pool
    client: Client
    kind: str = field(default_factory=lambda: f"kind_{uuid4().hex[:8]}")
    scripts: dict[str, Script] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    launched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queues = QueueNames({LANES: f"lanes-{self.kind}"})
        self.engine = TemporalEngine(self.client, OperationKinds([]), self.queues)

    async def add(self, operations: int = 1, script: Script | None = None) -> list[str]:
        new = []
        for _ in range(operations):
            operation_id = new_id("tfr")
            given = {"operation_id": operation_id, "request": 1}
            new.append(NewOperation(operation_id, self.kind, "cus_test", given, lane=0))
        async with transaction(self.pool) as connection:
            await accept_many(connection, new, actor="test")
        if script is not None:
            self.scripts |= {each.id: script for each in new}
        return [each.id for each in new]

    async def run_lane(self) -> None:
        await self.engine.run_lane(self.kind, 0)

    async def process(self, operation_id: str, given: dict[str, Any]) -> None:
        self.runs[operation_id] += 1
        if (script := self.scripts.get(operation_id)) is not None:
            await script()
        async with transaction(self.pool) as connection:
            operation = await store.lock(connection, operation_id)
            if not operation.is_finished:
                await store.move(connection, operation, Status.SUCCEEDED, action="settled")

    async def launch(self, operation: Operation) -> None:
        self.launched.append(operation.id)

    def worker(self, *, at_once: int = 10) -> Worker:
        limits = LaneLimits(at_once=at_once, stretch_s=20, operation_s=20)
        runner = LaneRunner(self.pool, {self.kind: self.process}, self.launch, limits=limits)
        return Worker(
            self.client,
            task_queue=self.queues[LANES],
            workflows=[LaneWorkflow],
            activities=[LaneActivities(runner).run],
            interceptors=[OperationSync(self.pool)],
            workflow_runner=sandboxed_runner(),
            graceful_shutdown_timeout=timedelta(seconds=15),
        )

    @property
    def handle(self) -> WorkflowHandle[Any, Lane]:
        return self.client.get_workflow_handle(
            contracts.workflow_id(self.queues[LANES], self.kind, 0), result_type=Lane
        )

    async def end(self) -> Lane:
        async with asyncio.timeout(90):
            return await self.handle.result()

    async def until_it_says(self, done: int) -> None:
        async def says_so() -> bool:
            progress = await self.handle.query(contracts.PROGRESS, result_type=Lane)
            return bool(progress == Lane(self.kind, 0, done=done))

        await eventually(says_so)

    async def statuses(self, operation_ids: list[str]) -> set[Status]:
        return {(await store.get(self.pool, found)).status for found in operation_ids}

    async def until_done(self, operation_ids: list[str]) -> None:
        async def are_done() -> bool:
            return await self.statuses(operation_ids) == {Status.SUCCEEDED}

        await eventually(are_done, pause_s=0.1)


@pytest.fixture
async def lane(
    temporal_client: Client, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scripted]:
    monkeypatch.setattr(lane_workflow, "_IDLE", timedelta(seconds=1))
    scripted = Scripted(pool, temporal_client)
    yield scripted
    described = await scripted.handle.describe()
    if described.status == WorkflowExecutionStatus.RUNNING:
        await scripted.handle.terminate("The test is over.")


async def test_a_lane_does_what_is_in_it_and_ends_when_it_was_idle(lane: Scripted) -> None:
    operations = await lane.add(25)
    async with lane.worker():
        await lane.run_lane()
        assert await lane.end() == Lane(lane.kind, 0, done=25)
    assert await lane.statuses(operations) == {Status.SUCCEEDED}
    assert set(lane.runs.values()) == {1}
    assert await lane.engine.lane_state(lane.kind, 0) == RunState.COMPLETED


async def test_a_lane_that_ended_begins_anew_when_more_is_added(lane: Scripted) -> None:
    async with lane.worker():
        await lane.add(2)
        await lane.run_lane()
        await lane.end()
        later = await lane.add(3)
        await lane.run_lane()
        await lane.until_done(later)


async def test_a_lane_that_idles_hears_of_more_and_tells_what_it_did(
    lane: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_workflow, "_IDLE", timedelta(seconds=20))
    async with lane.worker():
        await lane.run_lane()
        run_id = (await lane.handle.describe()).run_id
        for done in (2, 4, 6):
            added = await lane.add(2)
            await lane.run_lane()
            await lane.until_done(added)
            await lane.until_it_says(done)
        described = await lane.handle.describe()
        assert (described.status, described.run_id) == (WorkflowExecutionStatus.RUNNING, run_id)


async def test_what_is_added_around_the_end_of_a_lane_is_always_done(
    lane: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It idles so shortly that each addition meets it ending, ended, or running.
    monkeypatch.setattr(lane_workflow, "_IDLE", timedelta(milliseconds=20))
    async with lane.worker():
        for number in range(15):
            added = await lane.add()
            await lane.run_lane()
            await asyncio.sleep(0.01 * (number % 4))
            if number % 3 == 2:
                await lane.until_done(added)
        await lane.end()
        everything = [
            row["id"]
            for row in await lane.pool.fetch("SELECT id FROM operations WHERE kind = $1", lane.kind)
        ]
        assert len(everything) == 15
        assert await lane.statuses(everything) == {Status.SUCCEEDED}


def _history_is_long() -> bool:
    return workflow.info().get_current_history_length() > 12


@pytest.mark.parametrize(
    ("name", "value"), [("_STRETCHES_MAX", 2), ("_history_is_long", _history_is_long)]
)
async def test_a_lane_continues_as_new_when_its_history_is_long_and_keeps_its_counts(
    lane: Scripted, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(lane_workflow, name, value)
    monkeypatch.setattr(lane_workflow, "_IDLE", timedelta(seconds=5))
    async with lane.worker():
        await lane.run_lane()
        first_run_id = (await lane.handle.describe()).run_id
        for done in (2, 4, 6, 8):
            await lane.add(2)
            await lane.run_lane()
            await lane.until_it_says(done)
        assert (await lane.end()).done == 8
    assert first_run_id is not None
    first = lane.client.get_workflow_handle(lane.handle.id, run_id=first_run_id)
    last = (await first.fetch_history()).events[-1]
    assert last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW


async def test_what_a_lane_promotes_is_counted_and_launched(lane: Scripted) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("a defect")

    [poisonous], others = await lane.add(script=fail), await lane.add(3)
    async with lane.worker():
        await lane.run_lane()
        assert await lane.end() == Lane(lane.kind, 0, done=3, promoted=1)
    assert lane.launched == [poisonous]
    assert await lane.statuses(others) == {Status.SUCCEEDED}


async def test_a_worker_that_stops_ends_its_stretch_and_another_goes_on(lane: Scripted) -> None:
    stops = asyncio.Event()

    async def stop() -> None:
        stops.set()

    await lane.add(script=stop)
    await lane.add(60, script=lambda: asyncio.sleep(0.05))
    async with lane.worker(at_once=2):
        await lane.run_lane()
        await stops.wait()
    assert 0 < len(lane.runs) < 61
    async with lane.worker():
        assert (await lane.end()).done == 61
    assert set(lane.runs.values()) == {1}


@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel")
async def test_what_freezes_its_worker_each_time_leaves_the_lane_and_the_others_are_done(
    lane: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(options.LANE_RUN, "heartbeat_timeout", timedelta(seconds=2))
    retries = RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1)
    monkeypatch.setitem(options.LANE_RUN, "retry_policy", retries)

    async def freeze() -> None:
        if lane.runs[poisonous] > 5:
            return  # the test has failed
        time.sleep(4)  # noqa: ASYNC251 - no heartbeat is sent meanwhile, as if it were dead
        await asyncio.Event().wait()

    before = await lane.add(30)
    [poisonous] = await lane.add(script=freeze)
    after = await lane.add(30)
    async with lane.worker(at_once=5):
        await lane.run_lane()
        await lane.end()
    assert poisonous in lane.launched
    assert lane.runs[poisonous] == 3
    assert await lane.statuses(
        [found for found in before + after if found not in lane.launched]
    ) == {Status.SUCCEEDED}
    assert len(lane.launched) <= 5  # those that were under way with it, and no others
    trail = await reporting.trail(lane.pool, poisonous)
    assert [entry.action for entry in trail] == ["accepted", "promoted"]
    assert trail[-1].reason == "It was among the first when the lane broke off again and again."
