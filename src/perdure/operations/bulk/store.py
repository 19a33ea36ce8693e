"""Bulks and their items in PostgreSQL: rows in, rows out."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import asyncpg

from perdure.core.errors import NotFound
from perdure.core.ids import ID_SUFFIX_LENGTH
from perdure.operations import store
from perdure.operations.bulk.model import (
    KIND,
    Bulk,
    BulkItem,
    BulkProgress,
    BulkRequest,
    ItemOutcome,
    ItemState,
)
from perdure.operations.model import HOUSE, NewOperation, Status
from perdure.operations.steps import from_json, to_json
from perdure.storage.pool import Connection, Pool

_BULK: Final = (
    "SELECT operations.*, rate_per_s, counted, selected, selected_through, selected_at, undo_of"
    " FROM bulks JOIN operations USING (id)"
)
_ITEM: Final = (
    "SELECT number, operation_id, state, code, message, new_operation_id, at FROM bulk_items"
)
_BATCH: Final = 10_000


def _bulk(row: asyncpg.Record) -> Bulk:
    return Bulk(
        store.operation_of(row),
        from_json(BulkRequest, row["input"]["request"]),
        row["rate_per_s"],
        row["counted"],
        row["selected"],
        row["selected_through"],
        row["selected_at"],
        row["undo_of"],
    )


def _found(row: asyncpg.Record | None, bulk_id: str) -> Bulk:
    if row is None:
        raise NotFound(f"There is no bulk {bulk_id}.", code="bulk_not_found", param="id")
    return _bulk(row)


async def accept(
    connection: Connection,
    bulk_id: str,
    request: BulkRequest,
    *,
    counted: int,
    rate_per_s: float,
    operation_ids: Sequence[str] | None = None,
) -> Bulk:
    """Store a new bulk, with its operation, and its items if they are known by their ids."""
    given = {"operation_id": bulk_id, "request": to_json(request)}
    await store.accept(connection, NewOperation(bulk_id, KIND, HOUSE, given), actor=request.actor)
    await connection.execute(
        "INSERT INTO bulks (id, rate_per_s, counted, undo_of) VALUES ($1, $2, $3, $4)",
        bulk_id,
        rate_per_s,
        counted,
        request.undo_of,
    )
    if operation_ids is not None:
        await connection.execute(
            "INSERT INTO bulk_items (bulk_id, number, operation_id) SELECT $1, number, listed"
            " FROM unnest($2::text[]) WITH ORDINALITY AS listed (listed, number)",
            bulk_id,
            operation_ids,
            timeout=600,
        )
    return await get(connection, bulk_id)


async def get(connection: Connection | Pool, bulk_id: str) -> Bulk:
    """Return a bulk.

    Raises:
        NotFound: `bulk_not_found`.
    """
    return _found(await connection.fetchrow(f"{_BULK} WHERE bulks.id = $1", bulk_id), bulk_id)


async def get_locked(connection: Connection, bulk_id: str) -> Bulk:
    """Return a bulk, its operation locked until the transaction ends.

    Raises:
        NotFound: `bulk_not_found`.
    """
    # The two rows are read once the lock is held.
    await connection.execute("SELECT FROM operations WHERE id = $1 FOR UPDATE", bulk_id)
    return await get(connection, bulk_id)


async def find(
    connection: Connection | Pool,
    *,
    status: Status | None = None,
    starting_after: str | None = None,
    limit: int = 10,
) -> list[Bulk]:
    """Return bulks, newest first, at most `limit` beyond the cursor."""
    rows = await connection.fetch(
        f"{_BULK} WHERE kind = $1 AND ($2::text IS NULL OR status = $2)"
        ' AND ($3::text IS NULL OR right(operations.id, 26) COLLATE "C" < $3)'
        ' ORDER BY right(operations.id, 26) COLLATE "C" DESC LIMIT $4',
        KIND,
        status.value if status else None,
        starting_after[-ID_SUFFIX_LENGTH:] if starting_after else None,
        limit,
    )
    return [_bulk(row) for row in rows]


async def save_selected(
    connection: Connection,
    bulk_id: str,
    selected: int,
    *,
    through: str | None,
    is_complete: bool,
) -> None:
    """Keep how far a bulk's selection is."""
    await connection.execute(
        "UPDATE bulks SET selected = $2, selected_through = $3,"
        " selected_at = CASE WHEN $4 THEN now() END WHERE id = $1",
        bulk_id,
        selected,
        through,
        is_complete,
    )


async def set_rate(connection: Connection, bulk_id: str, rate_per_s: float) -> None:
    """Change how many operations a bulk acts on a second."""
    await connection.execute("UPDATE bulks SET rate_per_s = $2 WHERE id = $1", bulk_id, rate_per_s)


async def pending(
    pool: Pool, bulk_id: str, *, after_number: int, limit: int
) -> list[tuple[int, str]]:
    """Return the next items (number, operation) that nothing became of yet."""
    rows = await pool.fetch(
        "SELECT number, operation_id FROM bulk_items WHERE bulk_id = $1 AND state = 'pending'"
        " AND number > $2 ORDER BY number LIMIT $3",
        bulk_id,
        after_number,
        limit,
    )
    return [(row["number"], row["operation_id"]) for row in rows]


async def record_done(
    connection: Connection, bulk_id: str, number: int, *, made: str | None
) -> bool:
    """Write, in an action's transaction, that it was done.

    False: it was done before, or the bulk is not to go on now; then the action has to be undone.

    Args:
        made: The column of the operation's row that names what the action made of it.
    """
    made_of_it = f"(SELECT {made} FROM operations WHERE id = operation_id)" if made else "NULL"
    status = await connection.execute(
        f"UPDATE bulk_items SET state = 'done', at = now(), new_operation_id = {made_of_it}"
        " WHERE bulk_id = $1 AND number = $2 AND state = 'pending'"
        " AND EXISTS (SELECT FROM operations WHERE id = $1 AND cancel_request IS NULL"
        " AND park_request IS NULL AND finished_at IS NULL)",
        bulk_id,
        number,
    )
    return status == "UPDATE 1"


async def record_outcome(pool: Pool, bulk_id: str, number: int, outcome: ItemOutcome) -> None:
    """Write what became of an item, unless something did already."""
    await pool.execute(
        "UPDATE bulk_items SET state = $3, code = $4, message = $5, at = now()"
        " WHERE bulk_id = $1 AND number = $2 AND state = 'pending'",
        bulk_id,
        number,
        outcome.state.value,
        outcome.code,
        outcome.message,
    )


async def skip_batch(connection: Connection | Pool, bulk_id: str) -> bool:
    """Give items that were not reached their end; False: there are none left."""
    status = await connection.execute(
        "UPDATE bulk_items SET state = 'skipped', at = now() WHERE bulk_id = $1"
        " AND number IN (SELECT number FROM bulk_items WHERE bulk_id = $1"
        " AND state = 'pending' ORDER BY number LIMIT $2) AND state = 'pending'",
        bulk_id,
        _BATCH,
    )
    return status != "UPDATE 0"


async def progress(
    connection: Connection | Pool, bulk_ids: Sequence[str]
) -> dict[str, BulkProgress]:
    """Return how far bulks are, by their ids."""
    rows = await connection.fetch(
        "SELECT bulk_id, state, code, count(*) AS count FROM bulk_items WHERE bulk_id = ANY($1)"
        " GROUP BY bulk_id, state, code",
        list(bulk_ids),
        timeout=120,
    )
    counts: dict[str, dict[str, Any]] = {found: {"codes": {}} for found in bulk_ids}
    for row in rows:
        of_bulk = counts[row["bulk_id"]]
        of_bulk[row["state"]] = of_bulk.get(row["state"], 0) + row["count"]
        if row["code"] is not None:
            codes = of_bulk["codes"]
            codes[row["code"]] = codes.get(row["code"], 0) + row["count"]
    return {found: BulkProgress(**of_bulk) for found, of_bulk in counts.items()}


async def progress_of(connection: Connection | Pool, bulk_id: str) -> BulkProgress:
    """Return how far one bulk is."""
    return (await progress(connection, [bulk_id]))[bulk_id]


async def items(
    connection: Connection | Pool,
    bulk_id: str,
    *,
    state: ItemState | None = None,
    after_number: int = 0,
    limit: int = 10,
) -> list[BulkItem]:
    """Return items in their order, at most `limit` beyond a number."""
    rows = await connection.fetch(
        f"{_ITEM} WHERE bulk_id = $1 AND number > $2"
        + (" AND state = $4" if state is not None else "")
        + " ORDER BY number LIMIT $3",
        bulk_id,
        after_number,
        limit,
        *([state.value] if state is not None else []),
    )
    return [BulkItem(**dict(row) | {"state": ItemState(row["state"])}) for row in rows]


def result_of(found: BulkProgress) -> dict[str, Any]:
    """Return the counts as the bulk's own result."""
    return {"items": total(found), **asdict(found)}


def total(found: BulkProgress) -> int:
    """Return how many items there are."""
    return found.pending + found.done + found.refused + found.failed + found.skipped
