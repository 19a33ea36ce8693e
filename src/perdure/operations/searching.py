"""Operations that are looked for by what a person knows of them: found in pages, and counted.

What may be asked for is what a bulk may be asked for, so what is found can be acted on as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import asyncpg
import sqlalchemy as sa

from perdure.core.ids import ID_SUFFIX_LENGTH, suffix_at
from perdure.operations.bulk.model import KIND as BULK
from perdure.operations.bulk.model import BulkQuery
from perdure.operations.bulk.selection import conditions
from perdure.operations.model import FINISHED, Operation, Status
from perdure.operations.store import OPERATIONS, SHOWN, age_of, operation_of
from perdure.storage.pool import SCANS_ALLOWED, Pool, transaction
from perdure.storage.query import fetch

COUNTED_MAX: Final = 10_000
"""More than this are not counted one by one: nobody reads on to the end."""

_STATEMENT_S: Final = 10.0
_COUNT_S: Final = 2.0
_SLACK: Final = timedelta(days=1)
"""How much earlier than its row an operation may have been given its id."""

OPEN: Final[list[sa.ColumnElement[Any]]] = [
    sa.literal_column(f"'{status.value}'") for status in Status if status not in FINISHED
]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: all of this holds; None: whatever it is.

    Args:
        reference: The caller's own name for it.
        in_flight: Only what has not ended.
    """

    query: BulkQuery = field(default_factory=BulkQuery)
    reference: str | None = None
    in_flight: bool = False


async def search(
    pool: Pool,
    wanted: Search,
    *,
    starting_after: str | None = None,
    ending_before: str | None = None,
    limit: int,
) -> list[Operation]:
    """Return operations, newest first, at most `limit` beyond the cursor.

    Raises:
        TimeoutError: It takes too long to find them.
    """
    age = age_of(OPERATIONS.c.id)
    statement = sa.select(OPERATIONS).where(*_matching(wanted)).limit(limit)
    if ending_before is not None:
        statement = statement.where(age > ending_before[-ID_SUFFIX_LENGTH:]).order_by(age.asc())
        return [operation_of(row) for row in await look(pool, statement, _STATEMENT_S)][::-1]
    if starting_after is not None:
        statement = statement.where(age < starting_after[-ID_SUFFIX_LENGTH:])
    found = await look(pool, statement.order_by(age.desc()), _STATEMENT_S)
    return [operation_of(row) for row in found]


async def count_found(pool: Pool, wanted: Search) -> int | None:
    """Return how many there are; `COUNTED_MAX + 1`: more; None: counting them takes too long."""
    some = sa.select(sa.literal(1)).select_from(OPERATIONS).where(*_matching(wanted))
    counted = sa.select(sa.func.count()).select_from(some.limit(COUNTED_MAX + 1).subquery())
    try:
        rows = await look(pool, counted, _COUNT_S)
    except TimeoutError:
        return None
    found: int = rows[0][0]
    return found


async def count_newer(pool: Pool, wanted: Search, than: str | None, *, limit: int) -> int:
    """Return how many came after an operation, at most `limit`.

    Args:
        than: None: all are newer.
    """
    some = sa.select(sa.literal(1)).select_from(OPERATIONS).where(*_matching(wanted))
    if than is not None:
        some = some.where(age_of(OPERATIONS.c.id) > than[-ID_SUFFIX_LENGTH:])
    counted = sa.select(sa.func.count()).select_from(some.limit(limit).subquery())
    found: int = (await look(pool, counted, _COUNT_S))[0][0]
    return found


async def versions(pool: Pool, operation_ids: Sequence[str]) -> dict[str, str]:
    """Return what is another text once an operation's row, or a try at its steps, is written."""
    rows = await pool.fetch(
        "SELECT id, xmin::text || ':' || (SELECT count(*) FROM operation_steps"
        " WHERE operation_id = operations.id) AS version FROM operations WHERE id = ANY($1)",
        operation_ids,
    )
    return {row["id"]: row["version"] for row in rows}


async def by_ids(pool: Pool, operation_ids: Sequence[str]) -> list[Operation]:
    """Return operations; those there are none of are left out."""
    rows = await pool.fetch(f"SELECT {SHOWN} FROM operations WHERE id = ANY($1)", operation_ids)
    return [operation_of(row) for row in rows]


def _matching(wanted: Search) -> list[sa.ColumnElement[bool]]:
    columns, query = OPERATIONS.c, wanted.query
    found = conditions(query)
    if query.kind == BULK:
        # A bulk is not about bulks; a person may look for one.
        found = [columns.kind == BULK, *found[1:]]
    if wanted.reference is not None:
        found.append(columns.reference == wanted.reference)
    if wanted.in_flight:
        found += [columns.status.in_(OPEN), columns.finished_at.is_(None)]
    # Ids sort by time: so a list of one day reads that day's part of an index, and no more.
    age = age_of(columns.id)
    if query.created_after is not None:
        found.append(age > suffix_at(query.created_after - _SLACK))
    if query.created_before is not None:
        found.append(age < suffix_at(query.created_before + _SLACK))
    return found


async def look(pool: Pool, statement: sa.Select[Any], timeout_s: float) -> list[asyncpg.Record]:
    """Run what is put together for one look; it is planned for what it asks, scans allowed.

    Raises:
        TimeoutError: It takes longer.
    """
    async with transaction(pool) as connection:
        await connection.execute(SCANS_ALLOWED)
        return await fetch(connection, statement, timeout_s=timeout_s)
