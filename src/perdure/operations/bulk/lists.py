"""Lists of ids for a bulk, longer than one request takes: put together part by part.

A list does nothing. It is a bulk's once that is accepted, whole as it is then; one that no bulk
took within a day is no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.core.errors import Conflict, InvalidInput, NotFound
from perdure.core.ids import BULK_LIST, new_id
from perdure.storage.pool import Connection, Pool, transaction

IDS_MAX: Final = 1_000_000
"""Of one bulk, that names its operations."""

_KEPT: Final = "created_at > now() - interval '24 hours'"
_FREE: Final = (
    f"(taken_by IS NULL AND NOT {_KEPT}) OR EXISTS (SELECT FROM operations"
    " WHERE operations.id = taken_by AND operations.finished_at IS NOT NULL)"
)
"""A list that nothing is to be read of any more."""
_PURGED_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class BulkList:
    """A row of `bulk_lists`.

    Args:
        count: How many ids it has, each counted once.
        taken_by: The bulk whose list it is.
    """

    id: str
    count: int
    taken_by: str | None
    created_at: datetime


async def create(connection: Connection, *, actor: str) -> BulkList:
    """Store an empty list."""
    list_id = new_id(BULK_LIST)
    await connection.execute("INSERT INTO bulk_lists (id, actor) VALUES ($1, $2)", list_id, actor)
    return await _get_locked(connection, list_id)


async def add(connection: Connection, list_id: str, operation_ids: Sequence[str]) -> BulkList:
    """Add ids to a list, behind those that it has; one that it has already changes nothing.

    Raises:
        NotFound: `bulk_list_not_found`.
        Conflict: `bulk_list_taken`: a bulk is about it.
        InvalidInput: There would be too many.
    """
    found = await get_free(connection, list_id)
    added: int = await connection.fetchval(
        "WITH added AS (INSERT INTO bulk_list_ids (list_id, number, operation_id)"
        " SELECT id, offered + number, listed FROM bulk_lists,"
        " unnest($2::text[]) WITH ORDINALITY AS listed (listed, number) WHERE id = $1"
        " ON CONFLICT (list_id, operation_id) DO NOTHING RETURNING 1)"
        " SELECT count(*) FROM added",
        list_id,
        list(operation_ids),
        timeout=60,
    )
    if found.count + added > IDS_MAX:
        raise InvalidInput(f"Give at most {IDS_MAX:,} ids.", param="ids")
    await connection.execute(
        "UPDATE bulk_lists SET count = count + $2, offered = offered + $3 WHERE id = $1",
        list_id,
        added,
        len(operation_ids),
    )
    return await _get_locked(connection, list_id)


async def get_free(connection: Connection, list_id: str) -> BulkList:
    """Return a list that no bulk has yet, locked until the transaction ends.

    Raises:
        NotFound: `bulk_list_not_found`.
        Conflict: `bulk_list_taken`.
    """
    found = await _get_locked(connection, list_id)
    if found.taken_by is not None:
        raise Conflict(
            f"{list_id} is the list of {found.taken_by}; make another.",
            code="bulk_list_taken",
            param="list_id",
        )
    return found


async def _get_locked(connection: Connection, list_id: str) -> BulkList:
    row = await connection.fetchrow(
        f"SELECT id, count, taken_by, created_at FROM bulk_lists WHERE id = $1"
        f" AND (taken_by IS NOT NULL OR {_KEPT}) FOR UPDATE",
        list_id,
    )
    if row is None:
        raise NotFound(
            f"There is no list {list_id}, or no more: one is kept for a day.",
            code="bulk_list_not_found",
            param="list_id",
        )
    return BulkList(**dict(row))


async def take(connection: Connection, list_id: str, bulk_id: str) -> None:
    """Make a list the one of a bulk."""
    await connection.execute("UPDATE bulk_lists SET taken_by = $2 WHERE id = $1", list_id, bulk_id)


async def move(
    connection: Connection, list_id: str, bulk_id: str, *, after: int, limit: int
) -> int:
    """Make the next ids of a list items of its bulk; returns how many there were.

    Args:
        after: The number of the bulk's last item so far.
    """
    moved: int = await connection.fetchval(
        "WITH moved AS (DELETE FROM bulk_list_ids WHERE list_id = $1 AND number IN ("
        " SELECT number FROM bulk_list_ids WHERE list_id = $1 ORDER BY number LIMIT $4)"
        " RETURNING number, operation_id), items AS ("
        " INSERT INTO bulk_items (bulk_id, number, operation_id)"
        " SELECT $2, $3 + row_number() OVER (ORDER BY number), operation_id FROM moved RETURNING 1)"
        " SELECT count(*) FROM items",
        list_id,
        bulk_id,
        after,
        limit,
        timeout=60,
    )
    return moved


async def purge(pool: Pool) -> int:
    """Delete ids of lists that are of no use any more, at most ten thousand; returns how many."""
    async with transaction(pool) as connection:
        list_id = await connection.fetchval(
            f"SELECT id FROM bulk_lists WHERE {_FREE} LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        if list_id is None:
            return 0
        status = await connection.execute(
            "DELETE FROM bulk_list_ids WHERE list_id = $1 AND number IN ("
            " SELECT number FROM bulk_list_ids WHERE list_id = $1 LIMIT $2)",
            list_id,
            _PURGED_AT_ONCE,
        )
        if status == "DELETE 0":
            await connection.execute("DELETE FROM bulk_lists WHERE id = $1", list_id)
        return 1 + int(status.removeprefix("DELETE "))
