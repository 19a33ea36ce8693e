"""The breaks of a run, page by page, as reports show them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from perdure.storage.pool import Connection, Pool

_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A break, as a report shows it.

    Args:
        told: What is wrong, in words.
    """

    id: str
    break_class: str
    source: str
    account_id: str
    amount_minor: int
    currency: str
    found_on: date
    status: str
    resolution: str | None
    told: str


async def rows_of(
    connection: Connection | Pool, operation_id: str, *, limit: int | None = None
) -> AsyncIterator[ReportRow]:
    """Yield the breaks that a run found, in their order, at most `limit`."""
    after, left = "", limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        rows = await connection.fetch(_ROWS, operation_id, after, size)
        for row in rows:
            yield ReportRow(**dict(row))
        if len(rows) < size:
            return
        after, left = rows[-1]["id"], None if left is None else left - size


# One that was archived has ended, and says how.
_ROWS: Final = """
SELECT id, break_class, source, account_id, amount_minor, currency, found_on, resolution, told,
       coalesce((SELECT status FROM operations WHERE operations.id = b.id), 'ended') AS status
FROM reconciliation_breaks b WHERE seen_by = $1 AND id > $2 ORDER BY id LIMIT $3
"""
