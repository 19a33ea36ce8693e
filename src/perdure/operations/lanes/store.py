"""Which operations are in which lane, in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from perdure.core.gears import Gear
from perdure.core.ids import ID_SUFFIX_LENGTH
from perdure.operations import store
from perdure.operations.model import Operation
from perdure.operations.standing import Standstill
from perdure.storage.pool import Connection, Pool

ELSEWHERE: Final = -1
"""The lane of what a system that Perdure replaces carries out: no worker of ours runs it."""

INTERACTIVE_LANES: Final = 8
"""Over how many lanes that is spread which somebody waits for, of all kinds together.

As many workers share it at the most. They are the numbers below `ELSEWHERE`.
"""
_FIRST_INTERACTIVE: Final = ELSEWHERE - 1

_AGE: Final = f'right(id, {ID_SUFFIX_LENGTH}) COLLATE "C"'
"""As its index has it: ids of all kinds, by time."""


def gear_of(lane: int | None) -> Gear:
    """Return what carries out, or carried out, an operation that is in this lane."""
    if lane is None:
        return Gear.OWN_WORKFLOW
    if lane == ELSEWHERE:
        return Gear.ELSEWHERE
    return Gear.FLOOD if lane >= 0 else Gear.INTERACTIVE


def interactive_lane(place: int) -> int:
    """Return the lane of what somebody waits for, given its place among others of its kind."""
    return _FIRST_INTERACTIVE - place % INTERACTIVE_LANES


def place_of(lane: int) -> int:
    """Return which of the interactive lanes one is, from 0 on."""
    return _FIRST_INTERACTIVE - lane


def interactive_lanes() -> list[int]:
    """Return the numbers of all interactive lanes."""
    return [interactive_lane(place) for place in range(INTERACTIVE_LANES)]


def lane_of(customer_id: str, lanes: int) -> int:
    """Return the lane of a customer's operations in a flood that is spread over so many."""
    return crc32(customer_id.encode()) % lanes


@dataclass(frozen=True, slots=True)
class LaneEntry:
    """One operation of a lane, as far as it is needed to carry it out."""

    id: str
    kind: str
    customer_id: str
    input: dict[str, Any]
    traceparent: str | None = None

    @property
    def age(self) -> str:
        """What sorts by the time it was accepted, whatever its kind."""
        return age_of(self.id)


def age_of(operation_id: str) -> str:
    """Return the part of an id that sorts by time, whatever the kind."""
    return operation_id[-ID_SUFFIX_LENGTH:]


@dataclass(frozen=True, slots=True)
class LaneBacklog:
    """What is left to do in a lane.

    Args:
        count: Operations that have not ended.
        oldest_at: When the first of them was accepted.
    """

    kind: str
    number: int
    count: int
    oldest_at: datetime


async def page(
    pool: Pool,
    kind: str,
    lane: int,
    *,
    after_id: str,
    limit: int,
    except_ids: Collection[str] = (),
) -> list[LaneEntry]:
    """Return the next open operations of a lane, the oldest first, from beyond an id."""
    rows = await pool.fetch(
        "SELECT id, kind, customer_id, input, traceparent FROM operations"
        " WHERE kind = $1 AND lane = $2 AND lane >= 0 AND finished_at IS NULL"
        " AND id > $3 AND id <> ALL($4) ORDER BY id LIMIT $5",
        kind,
        lane,
        after_id,
        list(except_ids),
        limit,
    )
    return [LaneEntry(**dict(row)) for row in rows]


async def interactive_page(
    pool: Pool,
    numbers: Sequence[int],
    *,
    after_id: str,
    limit: int,
    except_ids: Collection[str] = (),
) -> list[LaneEntry]:
    """Return the next open operations of interactive lanes, of all kinds; as `page`."""
    rows = await pool.fetch(
        # Lane by lane, so that each is read as far as it is needed, in its index's order.
        "SELECT found.* FROM unnest($1::smallint[]) AS number, LATERAL ("
        " SELECT id, kind, customer_id, input, traceparent FROM operations"
        " WHERE lane = number AND lane < -1"
        f" AND finished_at IS NULL AND {_AGE} > $2 AND id <> ALL($3) ORDER BY {_AGE} LIMIT $4"
        f") AS found ORDER BY {_AGE} LIMIT $4",
        numbers,
        age_of(after_id),
        list(except_ids),
        limit,
    )
    return [LaneEntry(**dict(row)) for row in rows]


async def join_flood(pool: Pool, numbers: Mapping[str, int]) -> set[tuple[str, int]]:
    """Have operations go on in their kinds' lanes; returns which (kind, number) these are.

    Args:
        numbers: Of the lanes, by the operations' ids.
    """
    rows = await pool.fetch(
        "WITH moved AS ("
        " UPDATE operations SET lane = number"
        " FROM unnest($1::text[], $2::smallint[]) AS moved (moved_id, number)"
        " WHERE id = moved_id AND lane < -1 AND finished_at IS NULL"
        " RETURNING id, kind, status, lane"
        "), trail AS ("
        " INSERT INTO operation_trail (operation_id, actor, action, status, reason)"
        " SELECT id, $3, 'joined_flood', status, 'Its customer has many under way.' FROM moved"
        ") SELECT DISTINCT kind, lane FROM moved",
        list(numbers),
        list(numbers.values()),
        store.SYSTEM,
    )
    return {(row["kind"], row["lane"]) for row in rows}


async def overdue(pool: Pool, before: datetime, *, limit: int) -> list[str]:
    """Return what is in an interactive lane since before a moment, and should not be any more."""
    rows = await pool.fetch(
        "SELECT id FROM operations WHERE lane < -1 AND finished_at IS NULL AND created_at < $1"
        " LIMIT $2",
        before,
        limit,
    )
    return [row["id"] for row in rows]


async def is_empty(pool: Pool, kind: str, lane: int) -> bool:
    """Whether nothing is left to do in a lane."""
    return not await pool.fetchval(
        "SELECT EXISTS (SELECT FROM operations WHERE kind = $1 AND lane = $2 AND lane >= 0"
        " AND finished_at IS NULL)",
        kind,
        lane,
    )


async def open_lanes(connection: Connection | Pool) -> list[tuple[str, int]]:
    """Return the lanes (kind, number) in which something is left to do.

    Jumps from lane to lane in the index, so that its cost does not grow with what is in them.
    """
    rows = await connection.fetch(
        "WITH RECURSIVE found AS ("
        " (SELECT kind, lane FROM operations WHERE lane >= 0 AND finished_at IS NULL"
        " ORDER BY kind, lane LIMIT 1)"
        " UNION ALL SELECT next.kind, next.lane FROM found, LATERAL ("
        " SELECT kind, lane FROM operations WHERE lane >= 0 AND finished_at IS NULL"
        " AND (kind, lane) > (found.kind, found.lane) ORDER BY kind, lane LIMIT 1) AS next"
        ") SELECT kind, lane FROM found"
    )
    return [(row["kind"], row["lane"]) for row in rows]


async def backlogs(connection: Connection | Pool) -> list[LaneBacklog]:
    """Return the lanes in which something is left to do, and how much."""
    rows = await connection.fetch(
        "SELECT kind, lane AS number, count(*) AS count, min(created_at) AS oldest_at"
        " FROM operations WHERE lane >= 0 AND finished_at IS NULL"
        " GROUP BY kind, lane ORDER BY kind, lane"
    )
    return [LaneBacklog(**dict(row)) for row in rows]


async def interactive_backlogs(connection: Connection | Pool) -> dict[str, Standstill]:
    """Return what is left to do in the interactive lanes, by kind, and for how long."""
    rows = await connection.fetch(
        "SELECT kind, count(*) AS count,"
        " extract(epoch FROM clock_timestamp() - min(created_at))::float8 AS oldest_s"
        " FROM operations WHERE lane < -1 AND finished_at IS NULL GROUP BY kind"
    )
    return {row["kind"]: Standstill(row["count"], row["oldest_s"]) for row in rows}


async def promote(connection: Connection | Pool, reasons: Mapping[str, str]) -> list[Operation]:
    """Take operations out of their lanes; returns those that need a workflow of their own now.

    Args:
        reasons: Why, by the operation's id; on its trail.
    """
    rows = await connection.fetch(
        "WITH asked AS (SELECT * FROM unnest($1::text[], $2::text[]) AS asked (asked_id, reason)"
        "), promoted AS ("
        " UPDATE operations SET lane = NULL, updated_at = now() FROM asked"
        f" WHERE id = asked_id AND lane <> {ELSEWHERE} AND finished_at IS NULL"
        " RETURNING operations.*, asked.reason"
        "), trail AS ("
        " INSERT INTO operation_trail (operation_id, actor, action, status, reason)"
        " SELECT id, $3, 'promoted', status, reason FROM promoted"
        ") SELECT * FROM promoted",
        list(reasons),
        list(reasons.values()),
        store.SYSTEM,
    )
    return [store.operation_of(row) for row in rows]
