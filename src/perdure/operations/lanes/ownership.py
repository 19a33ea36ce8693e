"""Which worker carries out which interactive lanes: each is one worker's, and at once another's.

A worker holds a lane by an advisory lock of its session, which PostgreSQL gives up when the process
dies, and when it says nothing for some seconds. Behind a pooler there are no sessions: there a
worker says in a row that it lives.

Two may hold one lane for a moment, as one whose session is lost does not know it yet. That is safe:
runners of one operation take turns at its row.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg

from perdure.core.ids import new_id
from perdure.operations.lanes.store import INTERACTIVE_LANES, interactive_lanes
from perdure.storage.pool import Pool, transaction

_LOCK: Final = 7_265_313
"""The first key of the locks; the second is the lane's without its sign, or that of all there."""
_MEMBER: Final = 0
_SILENT_MS_MAX: Final = 5_000
"""A session that says nothing for so long is ended: its process hangs, or cannot be reached."""
_BEAT_S_MAX: Final = 3
"""A row that is older is of a worker that is gone."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Who has which lanes.

    Args:
        mine: Those of this process.
        others: Those of others.
        members: How many workers share the lanes, this one among them.
    """

    mine: frozenset[int]
    others: frozenset[int]
    members: int

    @property
    def to_take(self) -> list[int]:
        """The lanes that nobody has, as many as this process is short of."""
        free = [lane for lane in interactive_lanes() if lane not in self.mine | self.others]
        return free[: max(self._share - len(self.mine), 0)]

    @property
    def to_leave(self) -> list[int]:
        """The lanes that this process has beyond its share."""
        return sorted(self.mine)[self._share :]

    @property
    def _share(self) -> int:
        return -(-INTERACTIVE_LANES // max(self.members, 1))


class Claims(Protocol):
    """How lanes are held."""

    async def holding(self) -> Holding:
        """Return who has which lanes, and have the others know that this process is there."""
        ...

    async def take(self, lanes: Iterable[int]) -> None:
        """Take lanes that nobody has; who came first has them."""
        ...

    async def leave(self, lanes: Iterable[int]) -> None:
        """Leave lanes to others."""
        ...

    async def end(self) -> None:
        """Leave all lanes: this process is about to stop."""
        ...


class SessionClaims:
    """Lanes held by locks of one session.

    Args:
        session: Its connection; nothing else is done on it.
    """

    def __init__(self, session: "asyncpg.Connection[Any]") -> None:
        self._session = session
        self._is_there = False

    def is_of(self, session: "asyncpg.Connection[Any]") -> bool:
        """Whether they are held by this session."""
        return self._session is session

    async def holding(self) -> Holding:
        """Return who has which lanes."""
        if not self._is_there:
            await self._session.execute(f"SET idle_session_timeout = {_SILENT_MS_MAX}")
            await self._session.execute(f"SELECT pg_advisory_lock_shared({_LOCK}, {_MEMBER})")
            self._is_there = True
        rows = await self._session.fetch(_HELD)
        lanes = [(-row["key"], row["is_mine"]) for row in rows if row["key"] != _MEMBER]
        return Holding(
            mine=frozenset(lane for lane, is_mine in lanes if is_mine),
            others=frozenset(lane for lane, is_mine in lanes if not is_mine),
            members=len(rows) - len(lanes),
        )

    async def take(self, lanes: Iterable[int]) -> None:
        """Take lanes that nobody has."""
        await self._session.execute(
            f"SELECT pg_try_advisory_lock({_LOCK}, -lane) FROM unnest($1::int[]) AS lane", [*lanes]
        )

    async def leave(self, lanes: Iterable[int]) -> None:
        """Leave lanes to others."""
        await self._session.execute(
            f"SELECT pg_advisory_unlock({_LOCK}, -lane) FROM unnest($1::int[]) AS lane", [*lanes]
        )

    async def end(self) -> None:
        """Leave all lanes."""
        self._is_there = False
        await self._session.execute("SELECT pg_advisory_unlock_all()")


class RowClaims:
    """Lanes held by a row that is written again and again, where a pooler keeps no session."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._process = new_id("prc")

    async def holding(self) -> Holding:
        """Return who has which lanes, and write that this process lives."""
        await self._pool.execute(
            "INSERT INTO lane_workers (process) VALUES ($1)"
            " ON CONFLICT (process) DO UPDATE SET seen_at = now()",
            self._process,
        )
        await self._pool.execute(
            f"DELETE FROM lane_workers WHERE seen_at < now() - interval '{_BEAT_S_MAX} s'"
        )
        rows = await self._pool.fetch("SELECT process, lanes FROM lane_workers")
        mine = [lane for row in rows if row["process"] == self._process for lane in row["lanes"]]
        every = [lane for row in rows for lane in row["lanes"]]
        return Holding(frozenset(mine), frozenset(every) - frozenset(mine), len(rows))

    async def take(self, lanes: Iterable[int]) -> None:
        """Take lanes that nobody has."""
        async with transaction(self._pool) as connection:
            await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK}, {_MEMBER})")
            await connection.execute(
                "UPDATE lane_workers SET lanes = lanes || ARRAY("
                " SELECT lane FROM unnest($2::smallint[]) AS lane WHERE lane NOT IN ("
                " SELECT unnest(lanes) FROM lane_workers)) WHERE process = $1",
                self._process,
                [*lanes],
            )

    async def leave(self, lanes: Iterable[int]) -> None:
        """Leave lanes to others."""
        await self._pool.execute(
            "UPDATE lane_workers SET lanes = ARRAY("
            " SELECT lane FROM unnest(lanes) AS lane WHERE lane <> ALL($2)) WHERE process = $1",
            self._process,
            [*lanes],
        )

    async def end(self) -> None:
        """Leave all lanes."""
        await self._pool.execute("DELETE FROM lane_workers WHERE process = $1", self._process)


# Read of all locks there are: a few dozen, and no lock is waited for.
_HELD: Final = f"""
SELECT objid::int8 AS key, pid = pg_backend_pid() AS is_mine FROM pg_locks
WHERE locktype = 'advisory' AND classid = {_LOCK} AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
