"""What `perdure doctor` says of orders: what stands still, and what the asset service is owed."""

from typing import Final

from perdure.cli.findings import Finding, Health
from perdure.storage.pool import Pool

# What is looked after is looked at again every half minute, and what enters takes milliseconds.
_STANDS_STILL: Final = """
SELECT (SELECT count(*) FROM orders
        WHERE status = 'entering' AND updated_at < now() - interval '30 s') AS entering,
       (SELECT count(*) FROM orders
        WHERE look_at IS NOT NULL AND status = 'reserving'
            AND updated_at < now() - interval '1 minute') AS reserving,
       (SELECT count(*) FROM orders
        WHERE look_at IS NOT NULL AND status <> 'reserving'
            AND updated_at < now() - interval '1 minute') AS owed
"""

_AT_THE_SERVICE: Final = {
    "reserving": "wait for the asset service",
    "owed": "keep too much there",
}


async def look(pool: Pool) -> list[Finding]:
    """Look for orders that stand still."""
    row = await pool.fetchrow(_STANDS_STILL)
    assert row is not None
    found = []
    if row["entering"]:
        detail = f"{row['entering']} orders have waited for their books for more than 30 s"
        fix = "See that operations workers run; their logs say why a book is not written."
        found.append(Finding("orders", Health.WARN, detail, fix))
    for name, what in _AT_THE_SERVICE.items():
        if row[name]:
            detail = f"{row[name]} sells {what} since more than a minute"
            fix = "See perdure doctor's word on the asset service; they go on when it answers."
            found.append(Finding("orders", Health.WARN, detail, fix))
    return found
