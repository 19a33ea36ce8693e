"""Holds every runner before whatever it does next, so that a schedule says who goes on.

A runner is held before each statement, on both sides of each commit, and of each call to the
outside.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from perdure.storage.pool import Connection, Pool

RUNNER: ContextVar[int] = ContextVar("runner", default=-1)
"""Whose turn it is; a group's writer has the number of the first runner in the group."""

_QUIET_TURNS = 12
"""Turns of the loop after which nobody moves who is not waiting for something outside it."""


@dataclass(slots=True)
class Life:
    """One worker process: what it does ends with it, half way or not."""

    name: str
    is_alive: bool = True
    connections: set[Any] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Point:
    """Where a runner is held."""

    runner: int
    life: Life
    label: str
    released: "asyncio.Future[None]"


class Gates:
    """Where everybody is held.

    Args:
        observer: A connection of its own, to see who waits for a lock.
    """

    def __init__(self, observer: Connection) -> None:
        self._observer = observer
        self._busy: dict[object, int | None] = {}
        self._moved = asyncio.Event()
        self.points: list[Point] = []
        self.said: list[str] = []

    async def reach(self, life: Life, label: str) -> None:
        """Wait here until the schedule lets the runner go on."""
        if life.is_alive:
            released = asyncio.get_running_loop().create_future()
            point = Point(RUNNER.get(), life, label, released)
            self.points.append(point)
            try:
                await released
            finally:
                if point in self.points:
                    self.points.remove(point)
        if not life.is_alive:
            raise asyncio.CancelledError

    def release(self, point: Point) -> None:
        """Let one runner do what it is held before."""
        self.points.remove(point)
        self.said.append(f"    {point.life.name} runner {point.runner}: {point.label}")
        if not point.released.done():
            point.released.set_result(None)

    def drop(self, life: Life) -> None:
        """Have a process that died go no further."""
        for point in [point for point in self.points if point.life is life]:
            self.points.remove(point)
            if not point.released.done():
                point.released.set_result(None)

    def release_all(self, life: Life | None = None) -> None:
        """Let everybody do what they are held before, or everybody in one process."""
        for point in list(self.points):
            if life is None or point.life is life:
                self.release(point)

    @contextmanager
    def busy(self, server_pid: int | None = None) -> Iterator[None]:
        """Say that somebody waits for the database."""
        token = object()
        self._busy[token] = server_pid
        try:
            yield
        finally:
            del self._busy[token]
            self._moved.set()

    async def settle(self) -> None:
        """Wait until everybody is held, has ended, or waits for a lock that one of those has."""
        quiet_turns = 0
        while quiet_turns < _QUIET_TURNS:
            if self._busy and not await self._all_wait_for_locks():
                quiet_turns = 0
                continue
            await asyncio.sleep(0)
            quiet_turns += 1

    async def _all_wait_for_locks(self) -> bool:
        self._moved.clear()
        try:
            async with asyncio.timeout(0.003):
                await self._moved.wait()
        except TimeoutError:
            asked = dict(self._busy)
            pids = {pid for pid in asked.values() if pid is not None}
            waiting = await self._observer.fetchval(
                "SELECT count(*) FROM unnest($1::int[]) AS asked (pid)"
                " WHERE cardinality(pg_blocking_pids(pid)) > 0",
                list(pids),
            )
            return None not in asked.values() and waiting == len(pids) and asked == self._busy
        return not self._busy


class GatedPool:
    """A process's pool, at whose every statement the process can be held, and die."""

    def __init__(self, pool: Pool, gates: Gates, life: Life) -> None:
        self._pool = pool
        self._gates = gates
        self._life = life

    def as_pool(self) -> Pool:
        """Return this as what the platform takes."""
        return cast("Pool", self)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["GatedConnection"]:
        with self._gates.busy():
            raw = await self._pool.acquire()
        if not self._life.is_alive:
            raw.terminate()
        self._life.connections.add(raw)
        try:
            yield GatedConnection(raw, self._gates, self._life)
        finally:
            self._life.connections.discard(raw)
            with self._gates.busy():
                await self._pool.release(raw)

    async def fetch(self, query: str, *given: Any) -> Any:
        return await self._run("fetch", query, given)

    async def fetchrow(self, query: str, *given: Any) -> Any:
        return await self._run("fetchrow", query, given)

    async def fetchval(self, query: str, *given: Any) -> Any:
        return await self._run("fetchval", query, given)

    async def execute(self, query: str, *given: Any) -> Any:
        return await self._run("execute", query, given)

    async def _run(self, method: str, query: str, given: tuple[Any, ...]) -> Any:
        async with self.acquire() as connection:
            result = await getattr(connection, method)(query, *given)
            # It is committed, and who asked for it does not know yet.
            await self._gates.reach(self._life, f"committed {_label(query)}")
            return result


class GatedConnection:
    """One of its connections."""

    def __init__(self, raw: Any, gates: Gates, life: Life) -> None:
        self._raw = raw
        self._gates = gates
        self._life = life
        self._pid: int = raw.get_server_pid()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        opened = self._raw.transaction()
        with self._gates.busy(self._pid):
            await opened.start()
        try:
            yield
            await self._gates.reach(self._life, "commit")
        except BaseException:
            if self._life.is_alive:
                with self._gates.busy(self._pid):
                    await opened.rollback()
            raise
        with self._gates.busy(self._pid):
            await opened.commit()
        # It is committed, and who asked for it does not know yet.
        await self._gates.reach(self._life, "after commit")

    async def fetch(self, query: str, *given: Any) -> Any:
        return await self._run(self._raw.fetch, query, given)

    async def fetchrow(self, query: str, *given: Any) -> Any:
        return await self._run(self._raw.fetchrow, query, given)

    async def fetchval(self, query: str, *given: Any) -> Any:
        return await self._run(self._raw.fetchval, query, given)

    async def execute(self, query: str, *given: Any) -> Any:
        return await self._run(self._raw.execute, query, given)

    async def _run(self, method: Any, query: str, given: tuple[Any, ...]) -> Any:
        await self._gates.reach(self._life, _label(query))
        with self._gates.busy(self._pid):
            return await method(query, *given)


def _label(query: str) -> str:
    return " ".join(query.split())[:60]
