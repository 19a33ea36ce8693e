"""The activity that drives a lane."""

import asyncio
from typing import Final

import structlog
from temporalio import activity

from perdure.durable.interceptors.operation_sync import beats_by_itself
from perdure.durable.lanes.contracts import RUN, Lane, LaneStretch
from perdure.durable.stretches import end_with_worker
from perdure.operations.lanes.runner import LaneRunner
from perdure.operations.lanes.work import Stretch

log = structlog.get_logger()

_BEAT_S: Final = 2.0
_ATTEMPTS_MAX: Final = 3
"""After as many stretches that broke off in a row, what a stretch begins with leaves the lane."""


class LaneActivities:
    """Given the runner."""

    def __init__(self, runner: LaneRunner) -> None:
        self._runner = runner

    @activity.defn(name=RUN)
    @beats_by_itself
    async def run(self, lane: Lane) -> LaneStretch:
        """Run one stretch of a lane."""
        stretch = Stretch()
        stretch.promoted += await self._promote_suspects(lane)
        watchers = [
            asyncio.create_task(_beat(stretch)),
            asyncio.create_task(end_with_worker(stretch.over)),
        ]
        try:
            await self._runner.run(lane.kind, lane.number, stretch)
        finally:
            for watcher in watchers:
                watcher.cancel()
        return LaneStretch(stretch.done, stretch.promoted, stretch.is_empty)

    async def _promote_suspects(self, lane: Lane) -> int:
        """Take out what may have killed the workers that tried it, so that the others get by.

        Heartbeats come too seldom to tell: what kills at once is in none of them.
        """
        attempt = activity.info().attempt
        if attempt <= _ATTEMPTS_MAX:
            return 0
        promoted = await self._runner.promote_oldest(
            lane.kind,
            lane.number,
            "It was among the first when the lane broke off again and again.",
        )
        log.warning("lane_suspects_promoted", attempt=attempt, promoted=promoted)
        return promoted


async def _beat(stretch: Stretch) -> None:
    while True:
        activity.heartbeat(sorted(stretch.under_way))
        await asyncio.sleep(_BEAT_S)
