"""Follows the trails of operations as they grow, for any number of listeners, with one query."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final

import structlog
from fastapi import Request

from perdure.bootstrap import Platform
from perdure.core.telemetry import telemetry
from perdure.operations.model import FINISHED, Operation, Status, TrailEntry
from perdure.storage.pool import Pool

log = structlog.get_logger()

POLL_INTERVAL_S: Final = 0.3

# A cursor for each listener, not one for all: entries of two operations may commit in another
# order than that of their ids. Those of one operation cannot, its row being locked.
_NEW_ENTRIES: Final = """
SELECT listener.number, entry.*
FROM unnest($1::int[], $2::text[], $3::bigint[]) AS listener (number, operation_id, after_id)
CROSS JOIN LATERAL (
    SELECT id, operation_id, at, actor, action, status, reason, data, request_id
    FROM operation_trail
    WHERE operation_id = listener.operation_id AND id > listener.after_id
    ORDER BY id LIMIT 100
) AS entry
ORDER BY entry.id
"""


@dataclass(eq=False, slots=True)
class _Listener:
    operation_id: str
    after_id: int
    entries: asyncio.Queue[TrailEntry] = field(default_factory=asyncio.Queue)


class EventStream:
    """The process's one poller of trails; it runs while somebody listens."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._listeners: set[_Listener] = set()
        self._poller: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    async def follow(self, operation_id: str, after_id: int) -> AsyncGenerator[TrailEntry, None]:
        """Yield entries beyond `after_id` as they come, until the operation is finished."""
        with self._listening(_Listener(operation_id, after_id)) as listener:
            while True:
                entry = await listener.entries.get()
                yield entry
                # What was done to it since it ended, a relaunch say, is there by then.
                if entry.status in FINISHED and listener.entries.empty():
                    return

    @contextmanager
    def _listening(self, listener: _Listener) -> Iterator[_Listener]:
        self._listeners.add(listener)
        if self._poller is None or self._poller.done():
            # It is for all of them: none of it is in the name of who came first.
            self._poller = asyncio.create_task(self._poll(), context=Context())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _poll(self) -> None:
        while self._listeners:
            try:
                await self._pass_on_new_entries()
            except Exception as error:  # noqa: BLE001 - whatever it is, the poller goes on
                # The listeners stay; what they missed comes when the database is back.
                log.warning("event_stream_poll_failed", error=repr(error))
                telemetry().report(error, "event_stream")
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _pass_on_new_entries(self) -> None:
        # One that has not taken what it was given waits: nothing piles up for it.
        ready = [listener for listener in self._listeners if listener.entries.empty()]
        rows = await self._pool.fetch(
            _NEW_ENTRIES,
            list(range(len(ready))),
            [listener.operation_id for listener in ready],
            [listener.after_id for listener in ready],
        )
        for row in rows:
            values = dict(row)
            listener = ready[values.pop("number")]
            listener.after_id = values["id"]
            listener.entries.put_nowait(TrailEntry(**values | {"status": Status(values["status"])}))


async def entries_of(
    request: Request, platform: Platform, operation: Operation, after_id: int
) -> AsyncGenerator[TrailEntry, None] | None:
    """Return an operation's entries beyond `after_id` as they come, until it is finished.

    None: it is, and there are none.
    """
    if not operation.is_finished:
        stream: EventStream = request.app.state.event_stream
        return stream.follow(operation.id, after_id)
    # It may be archived, where nobody polls.
    ended = await platform.operations.trail(operation.id, after_id=after_id)
    return _all(ended) if ended else None


async def _all(entries: Sequence[TrailEntry]) -> AsyncGenerator[TrailEntry, None]:
    for entry in entries:
        yield entry
