"""Who carries out what somebody waits for: each worker tells so every second, for people to see.

Nothing depends on it: which worker has which lane is told by its lock.
"""

import os
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.core.ids import new_id
from perdure.storage.pool import Connection, Pool

_MINUTE_S: Final = 60
_REASONS_MAX: Final = 5
_REASON_LENGTH_MAX: Final = 200
_SILENT_S_MAX: Final = 5
"""A worker that has told nothing for so long is not there."""


class LastMinute:
    """What ended in a lane within the last minute, and what left it, and why."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_second: deque[tuple[int, Counter[str | None]]] = deque()

    def add(self, reason: str | None = None) -> None:
        """Count one that ended; with a reason, one that left."""
        second = int(self._clock())
        if not self._by_second or self._by_second[-1][0] != second:
            self._by_second.append((second, Counter()))
        self._by_second[-1][1][reason] += 1

    def counts(self) -> tuple[int, Counter[str]]:
        """Return how many ended, and how many left, by the reason."""
        while self._by_second and self._by_second[0][0] <= self._clock() - _MINUTE_S:
            self._by_second.popleft()
        left: Counter[str] = Counter()
        done = 0
        for _, counted in self._by_second:
            done += counted[None]
            left.update({reason: count for reason, count in counted.items() if reason is not None})
        return done, left


@dataclass(frozen=True, slots=True)
class InteractiveWorker:
    """What a worker tells of the interactive lanes that it has.

    Args:
        name: Its machine, and its process there.
        lanes: Their numbers.
        under_way: How many operations it carries out now.
        done: How many ended within the last minute.
        promoted: How many left for workflows of their own meanwhile.
        promoted_because: The commonest reasons, with their counts.
    """

    name: str
    lanes: list[int]
    under_way: int
    done: int
    promoted: int
    promoted_because: dict[str, int]
    seen_at: datetime


class Told:
    """What one worker tells.

    Args:
        lately: What it did.
    """

    def __init__(self, pool: Pool, lately: LastMinute) -> None:
        self._pool = pool
        self._lately = lately
        self._process = new_id("prc")
        self._name = f"{socket.gethostname()}:{os.getpid()}"

    async def tell(self, lanes: Collection[int], under_way: int) -> None:
        """Write how this worker stands, and forget those that are gone."""
        done, left = self._lately.counts()
        await self._pool.execute(
            "WITH gone AS ("
            f" DELETE FROM interactive_workers WHERE seen_at < now() - interval '{_MINUTE_S} s'"
            " AND process <> $1"
            ") INSERT INTO interactive_workers AS worker"
            " (process, name, lanes, under_way, done, promoted, promoted_because)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (process) DO UPDATE SET"
            " lanes = excluded.lanes, under_way = excluded.under_way, done = excluded.done,"
            " promoted = excluded.promoted, promoted_because = excluded.promoted_because,"
            " seen_at = now()",
            self._process,
            self._name,
            sorted(lanes, reverse=True),
            under_way,
            done,
            left.total(),
            {
                reason[:_REASON_LENGTH_MAX]: count
                for reason, count in left.most_common(_REASONS_MAX)
            },
        )

    async def end(self) -> None:
        """Write that this worker is not there any more."""
        await self._pool.execute(
            "DELETE FROM interactive_workers WHERE process = $1", self._process
        )


async def interactive_workers(connection: Connection | Pool) -> list[InteractiveWorker]:
    """Return the workers that are there."""
    rows = await connection.fetch(
        "SELECT name, lanes, under_way, done, promoted, promoted_because, seen_at"
        f" FROM interactive_workers WHERE seen_at > now() - interval '{_SILENT_S_MAX} s'"
        " ORDER BY name, process"
    )
    return [InteractiveWorker(**dict(row)) for row in rows]
