"""Giving out what is to be compared: our entries since the last time, and providers' own books."""

from collections.abc import AsyncIterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from perdure.reconciliation.sources import BookSource
from perdure.reconciliation.statements.accounts import ENTRIES_MARK
from perdure.storage.pool import Connection, Pool, transaction

STRETCH: Final = timedelta(hours=1)
"""What was posted in it is given out in one commit."""
STRETCH_MAX: Final = timedelta(days=30)
"""Where nothing was posted."""
_STAGE_S: Final = 600.0
_OVERLAP: Final = timedelta(minutes=10)
"""How far the look reaches back: a transaction that began then may have ended since."""
_LOCK: Final = 7_265_331
"""Advisory lock of who gives out, or reads a provider's books."""
_BOOKS_AT_ONCE: Final = 1_000


def begin_of(day: date) -> datetime:
    """Return a day's first moment, in UTC."""
    return datetime.combine(day, time(), UTC)


def end_of(day: date) -> datetime:
    """Return the first moment after a day."""
    return begin_of(day) + timedelta(days=1)


async def begin(connection: Connection, day: date, sources: Sequence[str]) -> datetime:
    """Fix from when on each source is compared, where nobody has; returns until when entries are.

    What is compared for the first time begins with the day that is compared.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    began = begin_of(day)
    added = await connection.fetch(
        "INSERT INTO reconciliation_sources (source, since) SELECT unnest($1::text[]), $2"
        " ON CONFLICT DO NOTHING RETURNING source",
        list(sources),
        began,
    )
    since = await connection.fetchval("SELECT min(since) FROM statement_accounts")
    earliest = min(began, begin_of(since)) if since else began
    await connection.execute(
        "INSERT INTO janitor_marks (name, mark) VALUES ($1, $2)"
        " ON CONFLICT (name) DO UPDATE SET mark = least(janitor_marks.mark, $3)",
        ENTRIES_MARK,
        earliest,
        began if added else datetime.max.replace(tzinfo=UTC),
    )
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return min(now, end_of(day))


async def stage_entries(
    pool: Pool, cutoff: datetime, sources: Mapping[str, BookSource], *, stretch: timedelta
) -> int | None:
    """Give out a stretch of what was posted since the last time; None: nothing is left.

    Given out twice is harmless: what is there already, or was matched, is left.

    Returns:
        How many entries.
    """
    async with transaction(pool) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        mark: datetime = await connection.fetchval(
            "SELECT mark FROM janitor_marks WHERE name = $1", ENTRIES_MARK
        )
        if mark >= cutoff:
            return None
        until = min(mark + stretch, cutoff)
        done = await connection.execute(
            _STAGE,
            mark - _OVERLAP,
            until,
            [source.prefix for source in sources.values()],
            list(sources),
            timeout=_STAGE_S,
        )
        await connection.execute(
            "UPDATE janitor_marks SET mark = $2 WHERE name = $1", ENTRIES_MARK, until
        )
    return int(done.rpartition(" ")[2])


# The account's own view: positive where it has more. A refund is known by what it refunds. What is
# asked of large tables is looked up entry by entry: a join of all would read them whole.
_STAGE: Final = """
INSERT INTO open_entries (account_id, source, transfer_id, amount_minor, currency, booked_at, refs)
SELECT account.id, source.name, t.id,
       CASE WHEN side.is_debit = (account.kind IN ('asset', 'expense'))
           THEN t.amount_minor ELSE -t.amount_minor END,
       t.currency, t.created_at,
       array_remove(ARRAY[coalesce(o.refund_of, t.operation_id), t.id, o.reference,
           (SELECT reference FROM deposits WHERE transfer_id = t.id COLLATE "default")], NULL)
FROM ledger_transfers t
CROSS JOIN LATERAL (VALUES (t.debit_account_id, true), (t.credit_account_id, false))
    AS side (account_id, is_debit)
JOIN ledger_accounts account ON account.id = side.account_id
LEFT JOIN LATERAL (
    SELECT refund_of, reference FROM operations WHERE id = t.operation_id LIMIT 1
) AS o ON true
CROSS JOIN LATERAL (
    SELECT s.source AS name FROM statement_accounts s
    WHERE s.account_id = account.id AND t.created_at >= s.since::timestamp AT TIME ZONE 'UTC'
    UNION ALL
    SELECT s.source FROM reconciliation_sources s
    JOIN unnest($3::text[], $4::text[]) AS asked (prefix, name) ON asked.name = s.source
    WHERE account.customer_id IS NOT NULL AND t.created_at >= s.since
        AND split_part(coalesce(o.refund_of, t.operation_id), '_', 1) = asked.prefix
) AS source
WHERE t.created_at >= $1 AND t.created_at < $2 AND t.kind IN ('posted', 'post_pending')
    AND (SELECT match_id FROM reconciled_entries r
        WHERE r.transfer_id = t.id AND r.source = source.name) IS NULL
ON CONFLICT DO NOTHING
"""


async def keep_books(pool: Pool, source: BookSource, day: date, entries: AsyncIterable[Any]) -> int:
    """Keep what a provider tells of its books as lines; returns how many are new.

    What it told before is left; what has become of it since is a line of its own.
    """
    kept, batch = 0, []
    async for entry in entries:
        told = source.moved(entry)
        if told is not None:
            batch.append(told)
        if len(batch) >= _BOOKS_AT_ONCE:
            kept += await _keep(pool, source, day, batch)
            batch = []
    return kept + await _keep(pool, source, day, batch)


async def _keep(pool: Pool, source: BookSource, day: date, told: Sequence[Any]) -> int:
    async with transaction(pool) as connection:
        # Read twice at once, it would be told twice.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        rows = await connection.fetch(
            _KEEP,
            source.name,
            day,
            source.kept_on,
            [one.id for one in told],
            [one.reference for one in told],
            [one.amount_minor for one in told],
            [one.currency for one in told],
        )
    return len(rows)


# What was over before the source was compared at all is left out; what is of no operation is not.
_KEEP: Final = """
INSERT INTO statement_lines (source, account_id, line, booked_on, amount_minor, currency, refs,
    their_id, description)
SELECT $1, coalesce(o.input #>> '{request,account_id}', 'sys_' || $3::text || '_' || told.currency),
       0, $2, told.amount_minor - before.amount_minor, told.currency, ARRAY[told.reference],
       told.id, ''
FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[])
    AS told (id, reference, amount_minor, currency)
LEFT JOIN operations o ON o.id = told.reference
CROSS JOIN LATERAL (
    SELECT coalesce(sum(l.amount_minor), 0)::bigint AS amount_minor FROM statement_lines l
    WHERE l.source = $1 AND l.their_id = told.id
) AS before
WHERE told.amount_minor <> before.amount_minor
    AND (o.finished_at IS NULL
        OR o.finished_at >= (SELECT since FROM reconciliation_sources WHERE source = $1))
RETURNING id
"""
