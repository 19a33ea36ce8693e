"""Many accounts, by lanes workers of their own: time, memory, and the longest history.

`RECONCILIATION_ACCOUNTS=1000000 RECONCILIATION_BREAKS=10000` is the whole of it.
"""

import os
import time
from contextlib import AsyncExitStack
from datetime import timedelta

import psutil
import pytest
from bench.planted_breaks import not_as_planted, plant
from temporalio.client import Client

from perdure.bootstrap import compose, open_registrations
from perdure.config import Settings
from perdure.core.clock import utc_now
from perdure.durable.queues import LANES, OPERATIONS
from perdure.reconciliation.acceptance import ReconciliationAcceptance
from perdure.storage.pool import open_pool, transaction
from perdure.testing.house import until_status
from perdure.worker.main import build_worker
from perdure.worker.plans import work_of
from tests.polls import eventually
from tests.servers import migrated_database

from .bulk_worker import lanes_process
from .worker import own_queues

ACCOUNTS = int(os.environ.get("RECONCILIATION_ACCOUNTS", "10000"))
BREAKS = int(os.environ.get("RECONCILIATION_BREAKS", str(max(ACCOUNTS // 100, 8))))
PROCESSES = 2
MEMORY_MAX_MB = 500
EVENTS_MAX = 2_000
DAY = utc_now().date() - timedelta(days=1)


@pytest.mark.long
@pytest.mark.timeout(24 * 3600)
async def test_many_accounts_need_no_more_memory_and_no_longer_histories(
    postgres_url: str, temporal_client: Client
) -> None:
    names = own_queues((OPERATIONS, LANES))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(migrated_database(postgres_url))
        pool = await stack.enter_async_context(open_pool(url, size=10))
        await plant(pool, accounts=ACCOUNTS, breaks=BREAKS, day=DAY)
        settings = Settings(
            DATABASE_URL=url, queues={queue: names[queue] for queue in (OPERATIONS, LANES)}
        )
        platform = compose(settings, pool, temporal_client)
        stack.push_async_callback(platform.close)
        registrations = await stack.enter_async_context(open_registrations(platform))
        (work,) = work_of("operations", platform.kinds, registrations)
        await stack.enter_async_context(build_worker(platform, work))
        processes = [
            psutil.Process(lanes_process(stack, settings, temporal_client).pid)
            for _ in range(PROCESSES)
        ]
        async with transaction(pool) as connection:
            operation = await platform.kinds.own(ReconciliationAcceptance).accept(
                connection, DAY, actor="tests"
            )
        began_s = time.monotonic()
        await platform.operations.begin(operation)
        most_mb = 0.0

        async def has_ended() -> bool:
            nonlocal most_mb
            used = [one.memory_info().rss / 2**20 for one in processes]
            most_mb = max(most_mb, *used)
            found = await platform.operations.get(operation.id)
            return found.is_finished

        await eventually(has_ended, within_s=20 * 3600, pause_s=1)
        took_s = time.monotonic() - began_s
        ended = await until_status(platform, operation.id, {"succeeded"})
        lengths = [
            found.history_length
            async for found in temporal_client.list_workflows(f"WorkflowId = '{operation.id}'")
        ]
        print(
            f"{ACCOUNTS:,} accounts, {BREAKS:,} breaks: {took_s:.0f} s, {most_mb:.0f} MB at most a"
            f" worker, {len(lengths)} runs, {max(lengths)} events at most; {ended.result}"
        )
        assert await not_as_planted(pool) == []
        assert most_mb < MEMORY_MAX_MB
        assert max(lengths) < EVENTS_MAX
