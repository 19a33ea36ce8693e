"""Makes rows right again, whatever happened to their workflows.

Its cost does not grow with the open rows: it looks at what was accepted and not started, at what
the engine was to be told and was not, at lanes with something to do, at workflows closed since its
last look without completing, and at rows that made no progress for a while.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from perdure.core.clock import Clock, utc_now
from perdure.core.metrics import Counter, Gauge
from perdure.core.telemetry import telemetry
from perdure.operations import not_installed, run_requests, store
from perdure.operations.engine import Engine, RunState
from perdure.operations.lanes import store as lanes
from perdure.operations.model import Failure, Operation, Status
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

LOCK: Final = 7_265_312
"""Advisory lock held during a look, so that one janitor of the fleet looks at a time."""

_BATCH: Final = 200
"""The most rows one look handles of a sort; the next look takes the next."""

_CLOSED_OVERLAP_S: Final = 60.0
"""How far the look at closed workflows reaches back: the engine's list of them is written late."""


HEALED: Final = Counter("perdure_janitor_healed", "Operations that the janitor made right again.")
LAST_LOOK: Final = Gauge(
    "perdure_janitor_last_look_timestamp_seconds", "When this process's janitor looked last."
)
FAILED: Final = Counter(
    "perdure_janitor_failures", "What the janitor could not do, and does again."
)


@dataclass(frozen=True, slots=True)
class JanitorTimes:
    """How long, in seconds, things may take before the janitor looks after them."""

    interval_s: float = 2.0
    start_grace_s: float = 5.0
    stale_after_s: float = 60.0
    interactive_s: float = 30.0


Chore = Callable[[], Awaitable[object]]
"""What a capability has looked after with each look: messages overdue, callbacks not passed on."""


class Janitor:
    """Heals operations.

    Args:
        chores: Done after each look.
    """

    def __init__(
        self,
        pool: Pool,
        engine: Engine,
        *,
        chores: Sequence[Chore] = (),
        times: JanitorTimes | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._pool = pool
        self._engine = engine
        self._chores = chores
        self._times = times or JanitorTimes()
        self._clock = clock
        self._take_up_at = clock()

    async def run(self) -> None:
        """Look again and again, until cancelled.

        A look that fails is logged, and the next one tries again.
        """
        while True:
            try:
                # What it heals is part of its own trace.
                with telemetry().following(None):
                    await self.look()
            except Exception as error:  # noqa: BLE001 - the database or the engine is away for now
                FAILED.add()
                log.warning("janitor_look_failed", error=f"{type(error).__name__}: {error}")
                telemetry().report(error, "janitor")
            await asyncio.sleep(self._times.interval_s)

    async def look(self) -> int:
        """Look once.

        Returns how many operations were healed. Nothing, while another janitor is looking.
        """
        async with transaction(self._pool) as connection:
            # Released with the transaction, also when this process dies.
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                return 0
            healed = (
                await self._take_up()
                + await self._start_accepted()
                + await self._promote_overdue()
                + await self._carry_out_run_requests()
                + await self._heal_closed()
                + await self._heal_stale()
            )
            HEALED.add(healed)
            await self._run_lanes()
            for chore in self._chores:
                await self._try(chore(), chore=getattr(chore, "__qualname__", "chore"))
            LAST_LOOK.set(time.time())
            return healed

    async def _take_up(self) -> int:
        """Have what was parked for want of its kind go on, if this installation has it."""
        if self._clock() < self._take_up_at:
            return 0
        taken = await not_installed.take_up(self._pool, self._engine.kinds, limit=_BATCH)
        if taken < _BATCH:
            self._take_up_at = self._clock() + timedelta(seconds=self._times.stale_after_s)
        return taken

    async def _start_accepted(self) -> int:
        """Start what was accepted and not started; starting it twice is harmless."""
        rows = await self._pool.fetch(
            "SELECT id FROM operations WHERE workflow_started_at IS NULL AND finished_at IS NULL"
            " AND lane IS NULL AND created_at < $1 ORDER BY created_at LIMIT $2",
            self._clock() - timedelta(seconds=self._times.start_grace_s),
            _BATCH,
        )
        return sum(
            [await self._try(self._start(row["id"]), operation_id=row["id"]) for row in rows]
        )

    async def _start(self, operation_id: str) -> int:
        operation = await store.get(self._pool, operation_id)
        if operation.kind not in self._engine.kinds:
            return await not_installed.park(self._pool, operation_id)
        await self._engine.start(operation)
        await store.mark_started(self._pool, [operation_id])
        log.info("started_by_janitor", operation_id=operation_id)
        return 1

    async def _promote_overdue(self) -> int:
        """Give what no worker brought to its end in time a workflow of its own."""
        before = self._clock() - timedelta(seconds=self._times.interactive_s)
        due = await lanes.overdue(self._pool, before, limit=_BATCH)
        promoted = await lanes.promote(
            self._pool, dict.fromkeys(due, "No worker carried it to its end in time.")
        )
        return sum([await self._try(self._start(one.id), operation_id=one.id) for one in promoted])

    async def _carry_out_run_requests(self) -> int:
        """Tell the engine what whoever acted on an operation could not tell it."""
        before = self._clock() - timedelta(seconds=self._times.start_grace_s)
        due = await run_requests.overdue(self._pool, before, limit=_BATCH)
        return sum([await self._try(self._carry_out(found), operation_id=found) for found in due])

    async def _carry_out(self, operation_id: str) -> int:
        operation = await store.get(self._pool, operation_id)
        if operation.kind not in self._engine.kinds:
            return await not_installed.park(self._pool, operation_id)
        await run_requests.carry_out(self._pool, self._engine, operation_id)
        log.info("told_by_janitor", operation_id=operation_id)
        return 1

    async def _run_lanes(self) -> None:
        """See to it that a lane runs as long as something is to be done in it."""
        for kind, lane in await lanes.open_lanes(self._pool):
            await self._try(self._run_lane(kind, lane), kind=kind, lane=str(lane))

    async def _run_lane(self, kind: str, lane: int) -> None:
        if kind not in self._engine.kinds:
            for entry in await lanes.page(self._pool, kind, lane, after_id="", limit=_BATCH):
                await not_installed.park(self._pool, entry.id)
            return
        if await self._engine.lane_state(kind, lane) != RunState.RUNNING:
            await self._engine.run_lane(kind, lane)
            log.info("lane_started_by_janitor", kind=kind, lane=lane)

    async def _heal_closed(self) -> int:
        """Look at the workflows closed since the last look."""
        mark: datetime | None = await self._pool.fetchval(
            "SELECT mark FROM janitor_marks WHERE name = 'closed'"
        )
        now = self._clock()
        since = (mark or now - timedelta(days=1)) - timedelta(seconds=_CLOSED_OVERLAP_S)
        open_rows = await self._pool.fetch(
            "SELECT id FROM operations WHERE id = ANY($1) AND finished_at IS NULL"
            " AND status <> 'needs_attention'",
            await self._engine.broken_off_since(since),
        )
        healed = await self._heal_all(row["id"] for row in open_rows)
        await self._pool.execute(
            "INSERT INTO janitor_marks (name, mark) VALUES ('closed', $1)"
            " ON CONFLICT (name) DO UPDATE SET mark = excluded.mark",
            now,
        )
        return healed

    async def _heal_stale(self) -> int:
        """Look at rows that made no progress for a while; each is looked at again after as long."""
        before = self._clock() - timedelta(seconds=self._times.stale_after_s)
        rows = await self._pool.fetch(
            "UPDATE operations SET checked_at = $1 WHERE id IN (SELECT id FROM operations"
            " WHERE finished_at IS NULL AND lane IS NULL AND greatest(updated_at, checked_at) < $2"
            " AND (status <> 'needs_attention' OR cancel_request IS NOT NULL)"
            " AND workflow_started_at IS NOT NULL"
            " ORDER BY greatest(updated_at, checked_at) LIMIT $3 FOR UPDATE SKIP LOCKED)"
            " RETURNING id",
            self._clock(),
            before,
            _BATCH,
        )
        return await self._heal_all(row["id"] for row in rows)

    async def _heal_all(self, operation_ids: Iterable[str]) -> int:
        return sum(
            [
                await self._try(self._heal(operation_id), operation_id=operation_id)
                for operation_id in operation_ids
            ]
        )

    async def _try(self, work: Awaitable[object], **about: str) -> int:
        """Do one thing; what cannot be done now does not hold up the others."""
        try:
            done = await work
        except Exception as error:  # noqa: BLE001 - the next look tries again
            FAILED.add()
            log.warning("janitor_could_not", error=f"{type(error).__name__}: {error}", **about)
            telemetry().report(error, about.get("chore", "janitor"))
            return 0
        return done if isinstance(done, int) else 0

    async def _heal(self, operation_id: str) -> int:
        """Bring one open row and its workflow together again.

        Returns 1 if something had to be done.
        """
        seen = await store.get(self._pool, operation_id)
        if seen.kind not in self._engine.kinds:
            return await not_installed.park(self._pool, operation_id)
        state = await self._engine.run_state(operation_id)
        if state == RunState.RUNNING:
            if seen.cancel_request is not None:
                request = seen.cancel_request
                await self._engine.signal_cancel(
                    operation_id, actor=request.actor, reason=request.reason
                )
            return 0
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, operation_id)
            # Somebody is acting on it: what the engine said may be over, or about to be.
            is_changing = operation.updated_at != seen.updated_at or operation.run_requested_at
            if operation.is_finished or is_changing:
                return 0
            nobody_ended_it = state in (RunState.ABSENT, RunState.TIMED_OUT)
            has_to_be_undone = operation.cancel_request and state != RunState.COMPLETED
            if not (nobody_ended_it or has_to_be_undone):
                if operation.status != Status.NEEDS_ATTENTION:
                    await self._park(connection, operation, state)
                return 1
            await store.note(
                connection,
                operation,
                actor="janitor",
                action="restarted",
                reason=f"workflow {state}",
            )
        # Nobody decided that it should stop, so it goes on from its last finished step.
        await self._engine.start(operation, again=True)
        log.info("restarted_by_janitor", operation_id=operation_id, workflow=state)
        return 1

    async def _park(self, connection: Connection, operation: Operation, state: RunState) -> None:
        failure = Failure(
            f"workflow_{state}",
            f"Its workflow is {state}, and it had not ended. Resume it to go on from its last"
            " finished step, or cancel it to have what it did undone.",
        )
        await store.move(
            connection,
            operation,
            Status.NEEDS_ATTENTION,
            action="parked",
            actor="janitor",
            reason=failure.message,
            failure=failure,
        )
        log.warning("parked_by_janitor", operation_id=operation.id, workflow=state)
