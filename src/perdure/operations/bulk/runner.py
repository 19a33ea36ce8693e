"""Carries a bulk out: stretch by stretch, some operations at once, at the bulk's pace."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from perdure.core.errors import Conflict, InvalidInput, NotFound, PerdureError, Refused
from perdure.core.telemetry import telemetry
from perdure.operations import store as operation_store
from perdure.operations.actions import OperatorActions
from perdure.operations.also import Also
from perdure.operations.bulk import store
from perdure.operations.bulk.actions import Act, LaneFor, bulk_action
from perdure.operations.bulk.model import Bulk, BulkProgress, ItemOutcome, ItemState
from perdure.operations.bulk.pacing import Pacer
from perdure.operations.model import By, Status
from perdure.operations.steps import check_may_begin, may_begin
from perdure.storage.outages import is_outage, outage_in
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

_ANSWERS: Final = (Conflict, Refused, InvalidInput, NotFound)


@dataclass(frozen=True, slots=True)
class BulkLimits:
    """How much of a bulk is taken at a time.

    Args:
        at_once: Operations acted on at the same time.
        stretch_s: How long a stretch begins new ones, in seconds.
        page: Items read at a time.
        watch_s: How often the bulk's row is looked at, in seconds, for its rate and its end.
    """

    at_once: int = 20
    stretch_s: float = 60.0
    page: int = 200
    watch_s: float = 0.5


@dataclass(slots=True)
class BulkStretch:
    """One stretch of a bulk, as it goes.

    Attributes:
        is_last: Nothing is left to do.
        over: No further operations are begun.
    """

    is_last: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class _NotNow(Exception):
    """Something became of the item already, or the bulk is not to go on: the action is undone."""


class BulkRunner:
    """Given what acts on operations.

    Args:
        lane_for: Which lane does an operation again.
    """

    def __init__(
        self,
        pool: Pool,
        actions: OperatorActions,
        lane_for: LaneFor,
        *,
        limits: BulkLimits | None = None,
    ) -> None:
        self._pool = pool
        self._actions = actions
        self._lane_for = lane_for
        self._limits = limits or BulkLimits()

    async def run(self, bulk_id: str, stretch: BulkStretch) -> None:
        """Act on operations until the stretch is over, or nothing is left.

        Raises:
            OperationCancelled, OperationParked, Conflict: The bulk is not to go on.
            OSError, asyncpg.PostgresError: The database is away. What has an outcome keeps it; the
                rest is as it was.
        """
        bulk = await store.get(self._pool, bulk_id)
        check_may_begin(bulk.operation, "run")
        end = asyncio.get_running_loop().call_later(self._limits.stretch_s, stretch.over.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                pacer = Pacer(bulk.rate_per_s)
                watch = tasks.create_task(self._watch(bulk_id, pacer, stretch))
                await self._begin_items(bulk, pacer, stretch, tasks)
                watch.cancel()
        except BaseExceptionGroup as failed:
            # It says nothing about an operation: the stretch breaks off, and is tried again.
            raise outage_in(failed) or failed from None
        finally:
            end.cancel()
        stretch.is_last = not await store.pending(self._pool, bulk_id, after_number=0, limit=1)

    async def _begin_items(
        self, bulk: Bulk, pacer: Pacer, stretch: BulkStretch, tasks: asyncio.TaskGroup
    ) -> None:
        places = asyncio.Semaphore(self._limits.at_once)
        over = asyncio.ensure_future(stretch.over.wait())
        try:
            async for number, operation_id in self._pending(bulk.id):
                await places.acquire()
                turn = asyncio.ensure_future(pacer.turn())
                try:
                    await asyncio.wait({turn, over}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    turn.cancel()
                if over.done():
                    return
                task = tasks.create_task(self._carry_out(bulk, number, operation_id))
                task.add_done_callback(lambda _: places.release())
        finally:
            over.cancel()

    async def _pending(self, bulk_id: str) -> AsyncIterator[tuple[int, str]]:
        after_number = 0
        while page := await store.pending(
            self._pool, bulk_id, after_number=after_number, limit=self._limits.page
        ):
            for found in page:
                yield found
            after_number = page[-1][0]

    async def _watch(self, bulk_id: str, pacer: Pacer, stretch: BulkStretch) -> None:
        """Keep to what operators make of the bulk while it runs."""
        while True:
            await asyncio.sleep(self._limits.watch_s)
            bulk = await store.get(self._pool, bulk_id)
            pacer.rate_per_s = bulk.rate_per_s
            if not may_begin(bulk.operation):
                stretch.over.set()

    async def _carry_out(self, bulk: Bulk, number: int, operation_id: str) -> None:
        request = bulk.request
        action = bulk_action(request.action)

        async def record(connection: Connection, _done: object) -> None:
            if not await store.record_done(connection, bulk.id, number, made=action.makes):
                raise _NotNow

        try:
            act = Act(
                self._actions,
                await operation_store.get(self._pool, operation_id),
                By(request.actor, request.reason, bulk.id),
                request.arguments,
                Also(after=record),
                self._lane_for,
            )
            await action.carry_out(act)
        except _NotNow:
            return
        except PerdureError as error:
            state = ItemState.REFUSED if isinstance(error, _ANSWERS) else ItemState.FAILED
            code, message = error.code, error.message
        except Exception as error:  # one operation's defect does not end the bulk
            if is_outage(error):
                raise
            log.exception("bulk_item_failed", bulk_id=bulk.id, operation_id=operation_id)
            telemetry().report(error, "bulk_item")
            state, code, message = ItemState.FAILED, "internal_error", repr(error)
        else:
            return
        outcome = ItemOutcome(state, code, message)
        await store.record_outcome(self._pool, bulk.id, number, outcome)

    async def finish(self, bulk_id: str) -> BulkProgress:
        """End a bulk: skip what is left of one that was stopped, and count; again changes nothing.

        Raises:
            NotFound: There is no such bulk.
        """
        bulk = await store.get(self._pool, bulk_id)
        stopped = bulk.operation.cancel_request is not None
        while stopped and await store.skip_batch(self._pool, bulk_id):
            pass
        async with transaction(self._pool) as connection:
            operation = await operation_store.lock(connection, bulk_id)
            found = await store.progress_of(connection, bulk_id)
            if operation.is_finished:
                return found
            # Stopped just now, when all had an outcome: it is told so, and nothing was left.
            stopped = operation.cancel_request is not None
            assert not found.pending, f"{bulk_id} has items left"
            await operation_store.move(
                connection,
                operation,
                Status.CANCELLED if stopped else Status.SUCCEEDED,
                action="stopped" if stopped else "finished",
                result=store.result_of(found),
            )
        log.info("bulk_ended", bulk_id=bulk_id, stopped=stopped, done=found.done)
        return found
