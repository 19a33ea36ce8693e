"""How operations stand as a whole: what is open, for how long, and what comes in and ends.

None of it takes longer the more has ended.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.operations.model import FINISHED, Status
from perdure.storage.pool import Connection, Pool, transaction


@dataclass(frozen=True, slots=True)
class Standstill:
    """Operations that stand at one status, or things that are owed.

    Args:
        oldest_s: For how long that does which has stood so for longest; None: there is none.
    """

    count: int = 0
    oldest_s: float | None = None

    def with_(self, other: "Standstill") -> "Standstill":
        """Return both together."""
        ages = [age for age in (self.oldest_s, other.oldest_s) if age is not None]
        return Standstill(self.count + other.count, max(ages, default=None))


def _standing_at(statuses: Iterable[Status]) -> str:
    listed = ", ".join(f"'{status}'" for status in statuses)
    return (
        "SELECT kind, status, count(*) AS count,"
        " extract(epoch FROM clock_timestamp() - min(updated_at))::float8 AS oldest_s"
        " FROM operations WHERE finished_at IS NULL"
        f" AND status IN ({listed}) GROUP BY kind, status"
    )


_WAITS: Final = (Status.UNKNOWN, Status.WAITING)
_STANDSTILLS: Final = _standing_at(_WAITS)
_OPEN: Final = _standing_at(status for status in Status if status not in FINISHED)


async def standstills(connection: Connection | Pool) -> dict[Status, Standstill]:
    """Return how many operations are unknown, and how many wait, and for how long."""
    found = dict.fromkeys(_WAITS, Standstill())
    for row in await connection.fetch(_STANDSTILLS):
        status = Status(row["status"])
        found[status] = found[status].with_(Standstill(row["count"], row["oldest_s"]))
    return found


async def open_ones(connection: Connection | Pool) -> dict[tuple[str, Status], Standstill]:
    """Return how many operations of each kind stand at each status, and for how long."""
    return {
        (row["kind"], Status(row["status"])): Standstill(row["count"], row["oldest_s"])
        for row in await connection.fetch(_OPEN)
    }


async def callbacks_left(connection: Connection | Pool) -> dict[str, Standstill]:
    """Return what providers told us of operations and is not seen to yet, by provider."""
    rows = await connection.fetch(
        "SELECT provider, count(*) AS count,"
        " extract(epoch FROM clock_timestamp() - min(received_at))::float8 AS oldest_s"
        " FROM provider_callbacks WHERE delivered_at IS NULL AND operation_id IS NOT NULL"
        " GROUP BY provider"
    )
    return {row["provider"]: Standstill(row["count"], row["oldest_s"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Ended:
    """An operation that ended.

    Args:
        code: Of its failure; None: it has none.
        took_s: From its acceptance on.
    """

    kind: str
    status: Status
    code: str | None
    took_s: float


@dataclass(frozen=True, slots=True)
class Flow:
    """What came in and what ended since it was last asked.

    Args:
        accepted: How many of each kind.
    """

    accepted: dict[str, int]
    ended: list[Ended]


@asynccontextmanager
async def flow(pool: Pool) -> AsyncIterator[Flow]:
    """Tell what came in and ended since the last time that the context ended without an error.

    Each is told once, whoever asks; of longer than ten minutes without anybody asking, nothing.
    """
    async with transaction(pool) as connection:
        since: datetime = await connection.fetchval(_SINCE)
        until: datetime = await connection.fetchval(_UNTIL)
        accepted: defaultdict[str, int] = defaultdict(int)
        for row in await connection.fetch(_ACCEPTED, since, until):
            accepted[row["kind"]] += row["count"]
        rows = await connection.fetch(_ENDED, since, until)
        yield Flow(
            dict(accepted),
            [Ended(row["kind"], Status(row["status"]), row["code"], row["took_s"]) for row in rows],
        )
        await connection.execute(
            "UPDATE janitor_marks SET mark = greatest(mark, $1) WHERE name = 'flow'", until
        )


# Locked, so that two who ask take turns.
_SINCE: Final = """
INSERT INTO janitor_marks (name, mark) VALUES ('flow', now())
ON CONFLICT (name) DO UPDATE SET mark = greatest(janitor_marks.mark, now() - interval '10 minutes')
RETURNING mark
"""

# What began before has ended, so nothing of before comes to light later. One transaction that goes
# on and on does not hold up the others.
_UNTIL: Final = """
SELECT greatest(least(now(), min(xact_start)), now() - interval '1 minute')
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
"""

_ACCEPTED: Final = """
SELECT kind, count(*) AS count FROM operations WHERE created_at >= $1 AND created_at < $2
GROUP BY kind
"""

# Whatever ends is updated then, or later: both ends of the time have the planner know how few.
_ENDED: Final = """
SELECT kind, status, failure->>'code' AS code,
    extract(epoch FROM finished_at - created_at)::float8 AS took_s
FROM operations WHERE updated_at >= $1 AND updated_at <= now()
    AND finished_at >= $1 AND finished_at < $2
"""
