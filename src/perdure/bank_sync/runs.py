"""What a sync has read so far, in PostgreSQL; it is gone with the sync's end.

A page and the cursor behind it are one commit. A loop that is broken forgets its pages.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import asyncpg

from perdure.bank_sync.contracts import Progress
from perdure.bank_sync.staging import ReadPage
from perdure.storage.pool import Connection, Pool

_COLUMNS: Final = (
    "operation_id, item_id, started_from, cursor, pages, changes, empty_pages, restarts, is_full,"
    " is_complete, is_ready"
)


@dataclass(frozen=True, slots=True)
class Run:
    """How far a sync is.

    Args:
        started_from: The cursor of the loop's first page.
        cursor: That of its next.
        empty_pages: How many of its pages told nothing, and that there is more.
        restarts: How often a loop was broken.
        is_full: Everything is read again, from no cursor: what is not told of is no more.
        is_complete: The loop was read to its end.
        is_ready: By the last page, the bank was asked for the item before.
    """

    operation_id: str
    item_id: str
    started_from: str
    cursor: str
    pages: int
    changes: int
    empty_pages: int
    restarts: int
    is_full: bool
    is_complete: bool
    is_ready: bool

    @property
    def progress(self) -> Progress:
        """What is told of it."""
        return Progress(self.pages, self.changes, self.restarts, not self.is_complete)


async def find(connection: Connection | Pool, operation_id: str) -> Run | None:
    """Return how far a sync is; None: it has ended."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM bank_syncs WHERE operation_id = $1", operation_id
    )
    return _run_of(row) if row else None


async def lock(connection: Connection, operation_id: str) -> Run | None:
    """Return the same, locked until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM bank_syncs WHERE operation_id = $1 FOR UPDATE", operation_id
    )
    return _run_of(row) if row else None


async def keep(connection: Connection, run: Run) -> None:
    """Write how far a locked one is."""
    await connection.execute(
        "UPDATE bank_syncs SET started_from = $2, cursor = $3, pages = $4, changes = $5,"
        " empty_pages = $6, restarts = $7, is_full = $8, is_complete = $9, is_ready = $10"
        " WHERE operation_id = $1",
        run.operation_id,
        run.started_from,
        run.cursor,
        run.pages,
        run.changes,
        run.empty_pages,
        run.restarts,
        run.is_full,
        run.is_complete,
        run.is_ready,
    )


async def add_page(connection: Connection, run: Run, changes: Sequence[Any]) -> None:
    """Keep the page that led to where a locked run is now."""
    await connection.execute(
        "INSERT INTO bank_sync_pages (operation_id, number, next_cursor, changes)"
        " VALUES ($1, $2, $3, $4)",
        run.operation_id,
        run.pages,
        run.cursor,
        [asdict(one) if not isinstance(one, dict) else one for one in changes],
    )


async def was_led_to(connection: Connection | Pool, operation_id: str, cursor: str) -> bool:
    """Whether a page of the loop led to a cursor before."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM bank_sync_pages WHERE operation_id = $1 AND next_cursor = $2)",
        operation_id,
        cursor,
    )
    return found


async def forget_pages(connection: Connection, operation_id: str) -> None:
    """Forget what a broken loop told."""
    await connection.execute("DELETE FROM bank_sync_pages WHERE operation_id = $1", operation_id)


async def page(connection: Connection | Pool, operation_id: str, number: int) -> ReadPage | None:
    """Return a page; None: there is none of that number."""
    row = await connection.fetchrow(
        "SELECT number, changes, merchants, categories, flags FROM bank_sync_pages"
        " WHERE operation_id = $1 AND number = $2",
        operation_id,
        number,
    )
    return ReadPage(**dict(row)) if row else None


async def look(
    connection: Connection | Pool, operation_id: str, number: int, what: str, said: Any
) -> None:
    """Write what a look says of a page's transactions, if the page is still there.

    Args:
        what: `merchants`, `categories` or `flags`.
    """
    await connection.execute(
        "UPDATE bank_sync_pages SET"
        " merchants = CASE WHEN $3 = 'merchants' THEN $4 ELSE merchants END,"
        " categories = CASE WHEN $3 = 'categories' THEN $4 ELSE categories END,"
        " flags = CASE WHEN $3 = 'flags' THEN $4 ELSE flags END"
        " WHERE operation_id = $1 AND number = $2",
        operation_id,
        number,
        what,
        said,
    )


def _run_of(row: asyncpg.Record) -> Run:
    return Run(**dict(row))
