"""Who accepts an operation calls its lane, and a lane that runs hears it at once.

By PostgreSQL's `NOTIFY`, from statements of its own: those that notify commit one after the other,
which is nothing for these, and would be much for the commits that accept operations.

Nothing depends on a call that is lost. A lane that runs looks by itself every now and then, and one
that does not is woken by its workflow.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from types import TracebackType
from typing import Any, Final

import asyncpg
import structlog

from perdure.core.telemetry import telemetry
from perdure.storage.connecting import connect, is_pooled
from perdure.storage.group_commit import GroupCommit
from perdure.storage.outages import is_outage
from perdure.storage.pool import Pool

log = structlog.get_logger()

CHANNEL: Final = "perdure_lanes"
LANE_LISTENER: Final = "perdure-lane-listener"
_CONNECT_AGAIN_S: Final = 1.0
_LOOK_S: Final = 1.0

Hear = Callable[[str, int | str], AbstractContextManager[asyncio.Event]]
"""Gives, for a lane (kind, number), an event that is set whenever the lane is called.

In place of a lane's number, an id: of what waits for a call of its own.
"""


@contextmanager
def hear_nothing(_kind: str, _lane: int | str) -> Iterator[asyncio.Event]:
    """A lane that is left to look by itself."""
    yield asyncio.Event()


class LaneCalls:
    """Calls lanes in which operations were accepted."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calls: GroupCommit[str, None] = GroupCommit(self._notify)

    async def call(self, kind: str, lane: int | str) -> None:
        """Have the lane hear that there is more; does not fail."""
        try:
            await self._calls.submit(_name(kind, lane))
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("lane_call_lost", kind=kind, lane=lane, error=repr(error))

    async def _notify(self, names: list[str]) -> Sequence[None]:
        # One notice is enough for any number of calls that are made together.
        await self._pool.execute(
            "SELECT pg_notify($1, name) FROM unnest($2::text[]) AS name", CHANNEL, [*{*names}]
        )
        return [None] * len(names)


class LaneListener:
    """Hears the calls for the lanes that run in this process, on a connection of its own.

    A pooled connection would be given back. Behind a pooler, which may lend its connections for a
    transaction, there is nothing to hear: lanes look by themselves. Connects when the first lane
    runs.

    Args:
        application_name: How its connection calls itself in `pg_stat_activity`.

    Attributes:
        session: The connection, for one at a time to hold locks by; None: there is none now. Who
            finds it lost says so (`reconnect`): asyncpg does not, of one lost amid an answer.
        is_pooled: There never is one.
    """

    def __init__(self, database_url: str, *, application_name: str = LANE_LISTENER) -> None:
        self._database_url = database_url
        self._application_name = application_name
        self._events: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self.session: asyncpg.Connection[Any] | None = None
        self.is_pooled = False

    async def __aenter__(self) -> "LaneListener":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    @contextmanager
    def hear(self, kind: str, lane: int | str) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever the lane is called."""
        with self.hear_any([(kind, lane)]) as called:
            yield called

    @contextmanager
    def hear_any(self, lanes: Iterable[tuple[str, int | str]]) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever one of these lanes is called."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        names, called = [_name(*lane) for lane in lanes], asyncio.Event()
        for name in names:
            self._events[name].add(called)
        try:
            yield called
        finally:
            for name in names:
                self._events[name].discard(called)
                if not self._events[name]:
                    del self._events[name]

    def reconnect(self) -> None:
        """Have it connect anew, if it is connected."""
        self._lost.set()

    async def _listen(self) -> None:
        while True:
            try:
                if not await self._listen_until_lost():
                    return
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                log.warning("lanes_hear_nothing", error=repr(error))
                telemetry().report(error, "lane_listener")
            await asyncio.sleep(_CONNECT_AGAIN_S)

    async def _listen_until_lost(self) -> bool:
        """Listen as long as the connection lasts; False: there is nothing to hear."""
        connection = await connect(self._database_url, application_name=self._application_name)
        try:
            if await is_pooled(connection):
                self.is_pooled = True
                log.info("lanes_look_by_themselves", reason="The database is behind a pooler.")
                return False
            self._lost = lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._on_notice)
            self.session = connection
            while not (lost.is_set() or connection.is_closed()):
                with suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), _LOOK_S)
            return True
        finally:
            self.session = None
            connection.terminate()

    def _on_notice(self, _connection: Any, _pid: int, _channel: str, name: object) -> None:
        for called in self._events.get(str(name), ()):
            called.set()


def _name(kind: str, lane: int | str) -> str:
    return f"{kind}:{lane}"
