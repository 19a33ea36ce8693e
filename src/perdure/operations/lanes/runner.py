"""Drives the operations of a lane through their steps, some hundred at a time.

A lane never waits and never improvises: an operation that has to wait, is refused, or ends unknown
is promoted, which is nothing but starting its own workflow, whose first steps return what the lane
stored. A provider that is away for all makes the lane pause instead, as long as the operations'
patience lasts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from perdure.core.errors import ProviderAway
from perdure.operations.lanes import store as lanes
from perdure.operations.lanes.calls import Hear, hear_nothing
from perdure.operations.lanes.source import LaneSource, ReadPage
from perdure.operations.lanes.steps import AtProvider, Promoted
from perdure.operations.lanes.store import LaneEntry
from perdure.operations.lanes.work import LaneLimits, LaneProcess, Stretch, Work
from perdure.operations.model import Operation
from perdure.operations.waiting import StepAtProvider
from perdure.storage.outages import outage_in
from perdure.storage.pool import Pool

log = structlog.get_logger()

Wait = Callable[[StepAtProvider], Awaitable[object]]
"""Notes that an operation waits for its provider; raises `ProviderAway` where it did for long."""


class LaneRunner:
    """Given what carries out each kind, and what starts a workflow.

    Args:
        processes: By kind.
        launch: Starts a promoted operation's own workflow; one that cannot be started now is
            started by the janitor.
        hear: Has a lane that runs hear when there is more.
        wait: Notes that an operation waits for a provider that is away.
    """

    def __init__(
        self,
        pool: Pool,
        processes: Mapping[str, LaneProcess],
        launch: Callable[[Operation], Awaitable[None]],
        *,
        limits: LaneLimits | None = None,
        hear: Hear = hear_nothing,
        wait: Wait | None = None,
    ) -> None:
        self._pool = pool
        self._processes = processes
        self._launch = launch
        self._hear = hear
        self._limits = limits or LaneLimits()
        self._wait = wait

    async def run(self, kind: str, lane: int, stretch: Stretch) -> None:
        """Carry out operations of a lane until the stretch is over, or nothing is left.

        Raises:
            OSError, asyncpg.PostgresError: The database is away; what is under way is left as it
                is, and run again finds what it did.
        """
        if kind not in self._processes:  # it is not installed any more: the janitor parks them
            stretch.is_empty = True
            return
        end = asyncio.get_running_loop().call_later(self._limits.stretch_s, stretch.over.set)
        try:
            with self._hear(kind, lane) as called:
                await self.drive(partial(lanes.page, self._pool, kind, lane), called, stretch)
        finally:
            end.cancel()
        stretch.is_empty = await lanes.is_empty(self._pool, kind, lane)

    async def drive(self, read: ReadPage, called: asyncio.Event, stretch: Stretch) -> None:
        """Carry out what is read until the stretch is over, or nothing was left for a while.

        Args:
            called: Set when there is more.

        Raises:
            OSError, asyncpg.PostgresError: As `run`.
        """
        source = LaneSource(
            read,
            under_way=stretch.under_way,
            called=called,
            over=stretch.over,
            page_size=self._limits.at_once,
            idle_s=self._limits.idle_s,
        )
        try:
            async with asyncio.TaskGroup() as runners:
                work = Work(self, source, stretch, runners)
                for _ in range(self._limits.at_once):
                    runners.create_task(work.run())
        except BaseExceptionGroup as failed:
            raise outage_in(failed) or failed from None

    async def carry_out(self, entry: LaneEntry) -> None:
        """Carry an operation through its steps.

        Raises:
            Promoted, Postponed: It cannot go on here, or not now.
        """
        process = self._processes.get(entry.kind)
        if process is None:  # the janitor parks what nobody here has
            raise Promoted(f"No worker here carries out a {entry.kind}.")
        await process(entry.id, entry.input)

    async def promote(self, operation_ids: Sequence[str], reason: str) -> int:
        """Give operations workflows of their own; returns how many were in a lane still."""
        promoted = await lanes.promote(self._pool, dict.fromkeys(operation_ids, reason))
        for operation in promoted:
            log.info("promoted", operation_id=operation.id, reason=reason)
            await self._launch(operation)
        return len(promoted)

    async def wait(self, operation_id: str, at: AtProvider | None) -> str | None:
        """Note that an operation waits for a provider that is away.

        Returns why it waits no longer; None: it does.
        """
        if self._wait is None or at is None:
            return None
        try:
            await self._wait(StepAtProvider(operation_id, at.step, at.provider))
        except ProviderAway as error:
            return error.message
        return None

    async def promote_oldest(self, kind: str, lane: int, reason: str) -> int:
        """Give the operations that a stretch begins with workflows of their own.

        Whatever was under way when a stretch broke off is among the oldest that are open.
        """
        oldest = await lanes.page(self._pool, kind, lane, after_id="", limit=self._limits.at_once)
        return await self.promote([entry.id for entry in oldest], reason)

    @property
    def limits(self) -> LaneLimits:
        """How much is taken at a time."""
        return self._limits
