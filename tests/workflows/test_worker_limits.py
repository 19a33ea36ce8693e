"""A worker takes as many activities and workflow tasks at a time as it is told, from its queue."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client

from perdure.bootstrap import compose
from perdure.config import Settings
from perdure.durable.queues import OPERATIONS
from perdure.durable.registration import Registration
from perdure.storage.pool import Pool
from perdure.worker.main import build_worker
from tests.polls import eventually

ASKED = 130


class Room:
    """Activities that wait inside, and are counted."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.doors = asyncio.Event()

    @activity.defn
    async def wait_inside(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        await self.doors.wait()
        self.inside -= 1


@workflow.defn
class Crowd:
    """More than there is room for."""

    @workflow.run
    async def run(self) -> None:
        await asyncio.gather(
            *(
                workflow.execute_activity_method(
                    Room.wait_inside, start_to_close_timeout=timedelta(minutes=2)
                )
                for _ in range(ASKED)
            )
        )


async def test_a_worker_takes_100_activities_and_50_workflow_tasks_from_payment_queue_e9(
    temporal_client: Client, pool: Pool
) -> None:
    queue, room = f"payment-queue-{uuid4().hex[:8]}", Room()
    settings = Settings(queues={OPERATIONS: queue})
    platform = compose(settings, pool, temporal_client)
    worker = build_worker(platform, Registration(OPERATIONS, [Crowd], [room.wait_inside]))
    config = worker.config()
    assert worker.task_queue == queue
    assert config["max_concurrent_activities"] == 100
    assert config["max_concurrent_workflow_tasks"] == 50
    async with worker:
        handle = await temporal_client.start_workflow(
            Crowd.run, id=f"crowd-{uuid4().hex}", task_queue=queue
        )
        await eventually(lambda: room.inside == 100)
        room.doors.set()
        await handle.result()
    assert room.most == 100
