"""What ended long ago, out of the way of what is under way: one row an operation, by month.

The operation's own row and its ledger entries stay where they are. What was written on its way, its
effects, attempts, trail, calls and messages, is most of what it takes: it goes into one row, which
is compressed. Whoever reads it finds it there; whoever acts on the operation gets it back first, so
that nothing else needs to know (docs/adr/0060-the-archive.md).
"""

from datetime import date, datetime, timedelta
from typing import Final

import structlog

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import Conflict
from perdure.core.ids import ID_SUFFIX_LENGTH, suffix_at
from perdure.storage.pool import Connection, Pool, transaction

log = structlog.get_logger()

RECORDS: Final = {
    "effects": "step",
    "operation_steps": "id",
    "operation_trail": "id",
    "provider_calls": "created_at",
    "notifications": "id",
}
"""The tables that are archived, and what their rows are sorted by."""

YOUNGEST: Final = timedelta(days=1)
"""Nothing is archived before; so nobody looks in the archive for what has just ended."""

_BATCH: Final = 500
"""How many operations are gone through in one commit."""


class Archive:
    """Archives operations that ended some time ago.

    Args:
        after: How long ago; None: nothing is archived.
    """

    def __init__(self, pool: Pool, after: timedelta | None, clock: Clock = utc_now) -> None:
        assert after is None or after >= YOUNGEST, after
        self._pool = pool
        self._after = after
        self._clock = clock

    async def look(self) -> int:
        """Go through what is old enough, at most `_BATCH` operations; returns how many."""
        if self._after is None:
            return 0
        before = self._clock() - self._after
        async with transaction(self._pool) as connection:
            seen = await _next(connection, before)
            if seen:
                await _archive(connection, seen, before)
        return len(seen)


async def _next(connection: Connection, before: datetime) -> list[str]:
    """Return operations that were accepted before then, and those that were left for later."""
    came = await connection.fetch(_CAME, suffix_at(before), _BATCH)
    if came:
        await connection.execute(_GO_ON, came[-1]["id"][-ID_SUFFIX_LENGTH:])
    left = await connection.fetch(_LEFT, before, _BATCH - len(came))
    return [row["id"] for row in (*came, *left)]


async def _archive(connection: Connection, seen: list[str], before: datetime) -> None:
    due = await connection.fetch(_DUE, seen, before)
    ids = [row["id"] for row in due]
    for month in {row["month"] for row in due}:
        await open_month(connection, month)
    await connection.execute(_ARCHIVE, ids)
    await connection.execute(_CLEAR, ids)
    await connection.execute(_LATER, list(set(seen) - set(ids)))
    if ids:
        log.info("archived", operations=len(ids))


async def bring_back(
    connection: Connection, operation_id: str, finished_at: datetime | None
) -> None:
    """Have the records of a locked operation where they were, if it is archived.

    Raises:
        Conflict: `operation_exported`.
    """
    if finished_at is None or utc_now() - finished_at < YOUNGEST:
        return
    if await connection.fetchval(_BRING_BACK, operation_id):
        await connection.execute(_LATER, [operation_id])
    elif not await connection.fetchval(_IS_HERE, operation_id):
        raise Conflict(
            f"What is known of {operation_id} was exported with {finished_at:%Y-%m}; have it loaded"
            " again (`perdure archive load`), and try again.",
            code="operation_exported",
        )


def archived(table: str) -> str:
    """Return what is read instead of a table where the operation, `$1`, is archived."""
    return f"json_populate_recordset(NULL::{table}, archived_records($1, '{table}'))"


def is_not_archived(operation: str) -> str:
    """Return the condition, in SQL, that a row of `operations` is not archived, or exported."""
    return (
        f"NOT EXISTS (SELECT FROM archived_operations WHERE operation_id = {operation}.id"
        f" AND month = archive_month({operation}.finished_at))"
        f" AND NOT EXISTS (SELECT FROM archive_exports"
        f" WHERE month = archive_month({operation}.finished_at))"
    )


async def open_month(connection: Connection, month: date) -> None:
    """Have a table for a month, unless there is one."""
    following = (month + timedelta(days=31)).replace(day=1)
    name = partition_of(month)
    if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
        return
    # Attached when it is there: whoever reads the others need not wait for it.
    await connection.execute(f"CREATE TABLE {name} (LIKE archived_operations INCLUDING ALL)")
    # A row is some kilobytes of JSON: it is compressed from a few hundred bytes on.
    await connection.execute(f"ALTER TABLE {name} SET (toast_tuple_target = 256)")
    await connection.execute(
        f"ALTER TABLE archived_operations ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('{month}') TO ('{following}')"
    )


def partition_of(month: date) -> str:
    """Return the name of a month's table."""
    return f"archived_operations_{month:%Y_%m}"


_CAME: Final = """
SELECT id FROM operations
WHERE right(id, 26) COLLATE "C" > (SELECT through FROM archive_mark)
    AND right(id, 26) COLLATE "C" < $1
ORDER BY right(id, 26) COLLATE "C" LIMIT $2
"""

_GO_ON: Final = "UPDATE archive_mark SET through = $1"

_LEFT: Final = """
SELECT operation_id AS id FROM archive_later WHERE since < $1 ORDER BY since LIMIT $2
"""

# What waits for an answer, or for its delivery, is not over yet. One whose month was exported
# stays here for good: that month's table is not to come back with a few rows.
_DUE: Final = """
SELECT id, archive_month(finished_at) AS month FROM operations o
WHERE id = ANY($1) AND finished_at IS NOT NULL AND greatest(finished_at, updated_at) < $2
    AND NOT EXISTS (SELECT FROM provider_calls
        WHERE operation_id = o.id AND state IN ('intended', 'unknown'))
    AND NOT EXISTS (SELECT FROM notifications WHERE operation_id = o.id AND state = 'pending')
    AND NOT EXISTS (SELECT FROM archive_exports WHERE month = archive_month(finished_at))
FOR UPDATE OF o SKIP LOCKED
"""


def _records_of(table: str, key: str) -> str:
    return (
        f"'{table}', (SELECT coalesce(json_agg(to_json(found) ORDER BY {key}), '[]')"
        f" FROM {table} AS found WHERE operation_id = operations.id)"
    )


_ARCHIVE: Final = f"""
WITH kept AS (DELETE FROM archive_later WHERE operation_id = ANY($1))
INSERT INTO archived_operations (operation_id, month, records)
SELECT id, archive_month(finished_at),
    json_build_object({", ".join(_records_of(*each) for each in RECORDS.items())})
FROM operations WHERE id = ANY($1)
"""

_CLEAR: Final = f"""
WITH {
    ", ".join(
        f"{table}_gone AS (DELETE FROM {table} WHERE operation_id = ANY($1))" for table in RECORDS
    )
}
SELECT
"""

_LATER: Final = """
INSERT INTO archive_later (operation_id, since) SELECT unnest($1::text[]), now()
ON CONFLICT (operation_id) DO UPDATE SET since = excluded.since
"""

_IS_HERE: Final = "SELECT EXISTS (SELECT FROM operation_trail WHERE operation_id = $1)"


def _back_in(table: str) -> str:
    return (
        f"{table}_back AS (INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT found.* FROM taken,"
        f" json_populate_recordset(NULL::{table}, records -> '{table}') AS found"
        " ON CONFLICT DO NOTHING)"
    )


_BRING_BACK: Final = f"""
WITH taken AS (
    DELETE FROM archived_operations USING operations
    WHERE operations.id = $1 AND operation_id = operations.id
        AND month = archive_month(finished_at)
    RETURNING records
), {", ".join(map(_back_in, RECORDS))}
SELECT EXISTS (SELECT FROM taken)
"""
