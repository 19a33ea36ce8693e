"""Follows the trails of operations as they grow, for any number of listeners, with one query."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final

import structlog
from fastapi import Header

from perdure.core.errors import ProviderRateLimited
from perdure.core.telemetry import telemetry
from perdure.operations.model import FINISHED, Status, TrailEntry
from perdure.storage.pool import Pool

log = structlog.get_logger()

POLL_INTERVAL_S: Final = 0.3
DURATION_MAX_S: Final = 900.0
"""A listener comes back after this, from where it was, and shows its key again."""

LastEventId = Annotated[
    str | None, Header(description="The last event that came: answers those after it.")
]

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
    key_id: str
    operation_id: str
    after_id: int
    entries: asyncio.Queue[TrailEntry] = field(default_factory=asyncio.Queue)


class EventStream:
    """The process's one poller of trails; it runs while somebody listens.

    Args:
        listeners_max: More than this are told to come again later.
        listeners_per_key_max: So are more than this of one API key.
    """

    def __init__(self, pool: Pool, *, listeners_max: int, listeners_per_key_max: int) -> None:
        self._pool = pool
        self._listeners_max = listeners_max
        self._listeners_per_key_max = listeners_per_key_max
        self._listeners: set[_Listener] = set()
        self._poller: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def check_free(self, key_id: str) -> None:
        """Refuse one listener too many, before its answer has begun.

        Raises:
            ProviderRateLimited: `too_many_streams`.
        """
        if not self._is_free(key_id):
            raise ProviderRateLimited(
                "Too many event streams are open; ask again soon, or read the operation instead.",
                code="too_many_streams",
                retry_after_s=5,
            )

    def _is_free(self, key_id: str) -> bool:
        of_key = sum(listener.key_id == key_id for listener in self._listeners)
        return len(self._listeners) < self._listeners_max and of_key < self._listeners_per_key_max

    async def follow(
        self, key_id: str, operation_id: str, after_id: int
    ) -> AsyncIterator[TrailEntry]:
        """Yield entries beyond `after_id` as they come, until the operation is finished.

        It also ends after `DURATION_MAX_S`; and at once, where many began at the same moment and
        this is one too many of them.
        """
        if not self._is_free(key_id):
            return
        deadline = asyncio.get_running_loop().time() + DURATION_MAX_S
        with self._listening(_Listener(key_id, operation_id, after_id)) as listener:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        entry = await listener.entries.get()
                except TimeoutError:
                    return
                yield entry
                # What was done to it since it ended, a relaunch say, is there by then.
                if entry.status in FINISHED and listener.entries.empty():
                    return

    @contextmanager
    def _listening(self, listener: _Listener) -> Iterator[_Listener]:
        self._listeners.add(listener)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
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
