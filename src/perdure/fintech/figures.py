"""What the demo counts: what became of everybody, and what was found of what was planted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from perdure.fintech.people import Outcome
from perdure.fintech.statements import Planted
from perdure.identity.contracts import DECLINED, NOT_COMPLETED
from perdure.reconciliation.matching.items import BreakClass
from perdure.storage.pool import Pool


async def under_way(pool: Pool, kind: str) -> int:
    """Return how many of a kind have not ended, and go on by themselves."""
    found: int = await pool.fetchval(
        "SELECT count(*) FROM operations WHERE kind = $1 AND finished_at IS NULL"
        " AND status <> 'needs_attention'",
        kind,
    )
    return found


async def ended(pool: Pool, kind: str) -> Counter[str]:
    """Return how many of a kind stand how; of those that failed, why."""
    rows = await pool.fetch(
        "SELECT coalesce(failure->>'code', status), count(*) FROM operations WHERE kind = $1"
        " GROUP BY 1",
        kind,
    )
    return Counter(dict(map(tuple, rows)))


async def outcomes(pool: Pool) -> Counter[str]:
    """Return what became of those who applied."""
    rows = await pool.fetch(_OUTCOMES)
    return Counter({_SAID.get(told, told): count for told, count in rows})


_SAID: Final = {
    "succeeded": Outcome.APPROVED,
    "asked": Outcome.ASKED,
    DECLINED: Outcome.DECLINED,
    NOT_COMPLETED: Outcome.NOT_COMPLETED,
}

_OUTCOMES: Final = """
SELECT CASE WHEN status = 'succeeded' AND EXISTS (SELECT FROM operation_trail
            WHERE operation_id = o.id AND action = 'identity_resubmission_requested') THEN 'asked'
        ELSE coalesce(failure->>'code', status) END, count(*)
FROM operations o WHERE kind = 'onboarding' GROUP BY 1
"""


async def without_token(pool: Pool) -> int:
    """Return how many new customers cannot link a bank yet."""
    found: int = await pool.fetchval(
        "SELECT count(*) FROM operations WHERE kind = 'onboarding' AND status = 'succeeded'"
        " AND result->'bank_link' IS NULL"
    )
    return found


@dataclass(frozen=True, slots=True)
class Synced:
    """What the platform knows of customers' accounts at other banks."""

    transactions: int = 0
    flagged: int = 0


async def synced(pool: Pool) -> Synced:
    """Count what was read."""
    row = await pool.fetchrow(
        "SELECT count(*), count(*) FILTER (WHERE flags <> '[]') FROM bank_transactions"
    )
    assert row is not None
    return Synced(*row)


async def paid_on(pool: Pool) -> dict[str, date]:
    """Return the transfers that succeeded, the first first, each with the day in UTC."""
    rows = await pool.fetch(
        "SELECT id, (finished_at AT TIME ZONE 'UTC')::date FROM operations"
        " WHERE kind = 'transfer' AND status = 'succeeded' ORDER BY finished_at, id"
    )
    return dict(map(tuple, rows))


async def mentions(pool: Pool, words: Sequence[str]) -> dict[str, int]:
    """Return the tables in which any of these words is, and in how many rows."""
    tables = await pool.fetch(_TABLES)
    found = {}
    for (table,) in tables:
        count = await pool.fetchval(
            f"SELECT count(*) FROM {table} AS t WHERE t::text ILIKE ANY($1)",
            [f"%{word}%" for word in words],
        )
        if count:
            found[table] = count
    return found


_TABLES: Final = """
SELECT quote_ident(table_name) FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1
"""


async def found_breaks(pool: Pool, operation_id: str) -> Counter[Planted]:
    """Return what a reconciliation found, each with the references of what it is about."""
    rows = await pool.fetch(_FOUND, operation_id)
    return Counter((BreakClass(row["break_class"]), " ".join(row["refs"])) for row in rows)


_FOUND: Final = """
SELECT break_class, ARRAY(
    SELECT unnest(refs) FROM statement_lines WHERE id = ANY(line_ids)
    UNION SELECT coalesce(t.operation_id, d.reference)
    FROM ledger_transfers t LEFT JOIN deposits d ON d.transfer_id = t.id COLLATE "default"
    WHERE t.id = ANY(transfer_ids) ORDER BY 1) AS refs
FROM reconciliation_breaks WHERE seen_by = $1
"""


def by_class(breaks: Iterable[Planted]) -> dict[str, int]:
    """Return how many there are of each class, in the order in which they are told."""
    counts = Counter(break_class for break_class, _ in breaks)
    return {one.value: counts[one] for one in BreakClass}


def differences(what: str, planned: Any, found: Any) -> list[str]:
    """Return what is to be said where the two differ; nothing, where they do not."""
    return [] if planned == found else [f"{what}: {_told(found)}; it should be {_told(planned)}."]


def _told(value: Any) -> str:
    if isinstance(value, Counter):
        return ", ".join(f"{count} {name}" for name, count in sorted(value.items())) or "none"
    return str(value)
