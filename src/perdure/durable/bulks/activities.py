"""The activities of a bulk."""

import asyncio

from temporalio import activity

from perdure.durable.bulks.contracts import FINISH, RUN, SELECT, BulkCall, BulkEnd, StretchEnd
from perdure.durable.stretches import end_with_worker
from perdure.operations.bulk.runner import BulkRunner, BulkStretch
from perdure.operations.bulk.selection import select_items
from perdure.storage.pool import Pool


class BulkActivities:
    """Given the runner."""

    def __init__(self, pool: Pool, runner: BulkRunner) -> None:
        self._pool = pool
        self._runner = runner

    @activity.defn(name=SELECT)
    async def select(self, call: BulkCall) -> int:
        """Write down what the bulk is about; returns how many operations there are."""
        return await select_items(self._pool, call.operation_id)

    @activity.defn(name=RUN)
    async def run(self, call: BulkCall) -> StretchEnd:
        """Run one stretch of a bulk."""
        stretch = BulkStretch()
        stopping = asyncio.create_task(end_with_worker(stretch.over))
        try:
            await self._runner.run(call.operation_id, stretch)
        finally:
            stopping.cancel()
        return StretchEnd(stretch.is_last)

    @activity.defn(name=FINISH)
    async def finish(self, call: BulkCall) -> BulkEnd:
        """End the bulk, and count."""
        found = await self._runner.finish(call.operation_id)
        return BulkEnd(found.done, found.refused, found.failed, found.skipped)
