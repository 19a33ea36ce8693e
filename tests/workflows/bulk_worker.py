"""Bulks on the real server: a database and queues of their own, and workers that may be killed."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from perdure.bootstrap import Platform, compose, open_registrations
from perdure.config import Settings
from perdure.durable.bulks import registration as bulk_registration
from perdure.durable.bulks.activities import BulkActivities
from perdure.durable.queues import LANES, OPERATIONS
from perdure.operations.bulk.runner import BulkLimits, BulkRunner
from perdure.operations.janitor import Janitor
from perdure.operations.model import Operation
from perdure.storage.pool import open_pool
from perdure.worker.janitor import janitor
from perdure.worker.main import build_worker
from perdure.worker.plans import work_of
from tests.integration.bulk.office import Office
from tests.integration.payments.town import until_status
from tests.polls import eventually
from tests.servers import migrated_database

from .worker import own_queues


@dataclass
class Works:
    """An office with a platform, whose operations worker runs; lanes workers come and go."""

    platform: Platform
    office: Office
    stack: AsyncExitStack

    def lanes_worker(self, **limits: Any) -> Worker:
        """Return a worker for the activities of bulks, in this process."""
        runner = BulkRunner(
            self.platform.pool,
            self.platform.operations.actions,
            lambda _: None,
            limits=BulkLimits(**limits),
        )
        activities = BulkActivities(self.platform.pool, runner)
        (work,) = [
            part for part in bulk_registration.registrations(activities) if part.queue == LANES
        ]
        return build_worker(self.platform, work)

    def lanes_process(self) -> "subprocess.Popen[bytes]":
        """Start a lanes worker as a process of its own."""
        return lanes_process(self.stack, self.platform.settings, self.platform.client)

    @property
    def janitor(self) -> Janitor:
        """One that looks when it is told to."""
        return janitor(self.platform)

    async def until(self, bulk_id: str, *statuses: str, within_s: float = 60) -> Operation:
        """Wait until a bulk has one of these statuses."""
        return await until_status(self.platform, bulk_id, set(statuses), within_s=within_s)

    async def until_told(self, bulk_id: str, action: str, *, times: int) -> None:
        """Wait until a bulk's trail has an entry so often."""

        async def is_told() -> bool:
            trail = await self.platform.operations.trail(bulk_id)
            return [entry.action for entry in trail].count(action) >= times

        await eventually(is_told)

    async def until_done(self, bulk_id: str, least: int) -> int:
        """Wait until a bulk has acted on so many operations."""

        async def so_many() -> int | None:
            done = (await self.office.bulks.progress_of(bulk_id)).done
            return done if done >= least else None

        return await eventually(so_many)


def lanes_process(
    stack: AsyncExitStack, settings: Settings, client: Client
) -> "subprocess.Popen[bytes]":
    """Start a lanes worker as a process of its own, which ends with the stack."""
    process = subprocess.Popen(
        [sys.executable, "-m", "perdure.cli.main", "worker", "--role", "lanes"],
        env={
            **os.environ,
            "DATABASE_URL": settings.database_url,
            "TEMPORAL_ADDRESS": client.service_client.config.target_host,
            "PERDURE_QUEUES": json.dumps(settings.queues),
        },
    )
    stack.callback(_end, process)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait(60)


@asynccontextmanager
async def open_works(postgres_url: str, client: Client) -> AsyncIterator[Works]:
    """Open works on a database and queues of their own."""
    names = own_queues((OPERATIONS, LANES))
    async with AsyncExitStack() as stack:
        database_url = await stack.enter_async_context(migrated_database(postgres_url))
        pool = await stack.enter_async_context(
            open_pool(database_url, size=20, application_name="perdure-tests")
        )
        settings = Settings(
            DATABASE_URL=database_url,
            queues={queue: names[queue] for queue in (OPERATIONS, LANES)},
            workflow_sandbox=True,
            janitor_stale_after_s=1,
        )
        platform = compose(settings, pool, client)
        stack.push_async_callback(platform.close)
        registrations = await stack.enter_async_context(open_registrations(platform))
        (work,) = work_of("operations", platform.kinds, registrations)
        await stack.enter_async_context(build_worker(platform, work))
        await stack.enter_async_context(work.running_beside())
        office = Office(pool, platform.operations, platform.bulks)
        yield Works(platform, office, stack)
