"""Follows operations' rows while people look at them: one poller for all, whatever they look at.

What is polled for is a row's version, which is another with each commit that writes it. So a change
is told a second after its commit, and two hundred who look at one list cost one question a second.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from perdure.core.clock import utc_now
from perdure.core.telemetry import telemetry
from perdure.operations.model import Operation
from perdure.operations.searching import Search, by_ids, count_newer, versions
from perdure.storage.pool import Pool

log = structlog.get_logger()

POLL_INTERVAL_S: Final = 1.0
NEWER_MAX: Final = 100
"""More newer ones than this are not counted."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What somebody looks at.

    Args:
        ids: The operations that are shown.
        search: The list that they are the newest of; None: they are no list.
        newest: The first of them; None: the list was empty.
    """

    ids: tuple[str, ...]
    search: Search | None = None
    newest: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found, since the one before.

    Args:
        at: When; None: the database did not answer.
        changed: Those that are not as they were; at the first look, all.
        newer: How many the list has by now before the first, at most `NEWER_MAX`.
    """

    at: datetime | None
    changed: tuple[Operation, ...] = ()
    newer: int = 0


@dataclass(eq=False, slots=True)
class _Watcher:
    watched: Watched
    versions: dict[str, str] = field(default_factory=dict)
    looks: asyncio.Queue[Look] = field(default_factory=asyncio.Queue)


class RowStream:
    """The process's one poller of rows; it runs while somebody looks."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._watchers: set[_Watcher] = set()
        self._poller: asyncio.Task[None] | None = None

    async def follow(self, watched: Watched) -> AsyncGenerator[Look, None]:
        """Yield what each look finds, for as long as somebody looks."""
        with self._watching(_Watcher(watched)) as watcher:
            while True:
                yield await watcher.looks.get()

    @contextmanager
    def _watching(self, watcher: _Watcher) -> Iterator[_Watcher]:
        self._watchers.add(watcher)
        if self._poller is None or self._poller.done():
            # It is for all of them: none of it is in the name of who came first.
            self._poller = asyncio.create_task(self._poll(), context=Context())
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def _poll(self) -> None:
        while self._watchers:
            # One that has not taken what it was given waits: nothing piles up for it.
            ready = [watcher for watcher in self._watchers if watcher.looks.empty()]
            try:
                await self._look(ready)
            except Exception as error:  # noqa: BLE001 - whatever it is, the poller goes on
                log.warning("row_stream_poll_failed", error=repr(error))
                telemetry().report(error, "row_stream")
                for watcher in ready:
                    watcher.looks.put_nowait(Look(None))
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _look(self, ready: list[_Watcher]) -> None:
        shown = {name for watcher in ready for name in watcher.watched.ids}
        found = await versions(self._pool, [*shown])
        changed = {
            name
            for watcher in ready
            for name in watcher.watched.ids
            if watcher.versions.get(name) != found.get(name)
        }
        rows = {row.id: row for row in await by_ids(self._pool, [*changed])} if changed else {}
        newer: dict[str, int] = {}
        for watcher in ready:
            own = watcher.watched
            if own.search is not None and (place := repr((own.search, own.newest))) not in newer:
                newer[place] = await count_newer(
                    self._pool, own.search, own.newest, limit=NEWER_MAX
                )
        at = utc_now()
        for watcher in ready:
            own = watcher.watched
            is_other = [one for one in own.ids if watcher.versions.get(one) != found.get(one)]
            watcher.versions = {name: found[name] for name in own.ids if name in found}
            watcher.looks.put_nowait(
                Look(
                    at,
                    tuple(rows[name] for name in is_other if name in rows),
                    newer.get(repr((own.search, own.newest)), 0),
                )
            )
