"""Runs of `verify`: what changed since the last one that found nothing, or everything.

A run keeps until when it has seen everything, and what each account's entries until then add up to.
The next one looks at the operations that were touched since: written to, called for, told of, or
with an entry in the ledger. What leaves none of these traces only a look at everything finds
(docs/adr/0036-verify-looks-at-what-changed.md).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from perdure.capability.books import Changes, Providers, own_questions, violations
from perdure.ledger.verify import (
    QUESTION_S,
    BalancesElsewhere,
    Violation,
    sums_of_entries,
)
from perdure.storage.pool import TAKES_NO_CHANGES, Connection, Pool, transaction, whole_tables


@dataclass(frozen=True, slots=True)
class Run:
    """One that is kept.

    Args:
        through: What transactions that began before it wrote was seen.
    """

    id: int
    through: datetime
    ended_at: datetime
    violations: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What a run found.

    Args:
        since: It looked at what changed since then; None: at everything.
        operations: How many it looked at; None: all.
        last_whole: The latest before it that looked at everything.
    """

    violations: list[Violation]
    since: datetime | None
    operations: int | None
    last_whole: Run | None


async def verify(
    pool: Pool,
    compared: Providers,
    *,
    is_whole: bool = False,
    books_since: datetime | None = None,
    balances: BalancesElsewhere | None = None,
) -> Verified:
    """Look at what changed since the last run that found nothing, and keep that it was looked at.

    At everything, if there was none, it asked other questions, or the database keeps nothing.

    Args:
        compared: Whose books are compared: with all operations, whatever changed.
        is_whole: Look at everything in any case.
        books_since: Compare those books with operations that began since then; None: with all.
        balances: Shows the ledger's balances, where they are not in our database.

    Raises:
        ProviderUnavailable: Somebody's books are not to be read.
    """
    keeps = not await pool.fetchval(TAKES_NO_CHANGES)
    through, began_at = await pool.fetchrow(_THROUGH)  # type: ignore[misc]
    fingerprint = _fingerprint()
    last = await _latest(pool, _CLEAN, fingerprint)
    whole_before = await _latest(pool, _WHOLE)
    changes = None if is_whole or last is None or not keeps else await _changes(pool, last.through)
    found = await violations(pool, compared, changes, books_since=books_since, balances=balances)
    if keeps:
        base = last if changes is not None else None
        run = (through, began_at, changes is None, fingerprint, len(found))
        await _keep(pool, run, base)
    return Verified(
        found,
        changes.since if changes is not None else None,
        len(changes.operation_ids) if changes is not None else None,
        whole_before,
    )


async def last_runs(pool: Pool) -> tuple[Run | None, Run | None]:
    """Return the latest run, and the latest that looked at everything."""
    return await _latest(pool, "true"), await _latest(pool, _WHOLE)


_CLEAN: Final = "violations = 0 AND fingerprint = $1"
_WHOLE: Final = "is_whole"


async def _latest(pool: Pool, condition: str, *arguments: object) -> Run | None:
    row = await pool.fetchrow(
        f"SELECT id, through, ended_at, violations FROM verifications WHERE {condition}"
        " ORDER BY id DESC LIMIT 1",
        *arguments,
    )
    return Run(**dict(row)) if row is not None else None


def _fingerprint() -> bytes:
    asked = sorted((each.name, each.query) for each in own_questions())
    return hashlib.sha256(repr(asked).encode()).digest()


async def _changes(pool: Pool, since: datetime) -> Changes:
    async with whole_tables(pool) as connection:
        rows = await connection.fetch(_CHANGED, since, timeout=QUESTION_S)
    return Changes(since, [row["id"] for row in rows])


async def _keep(pool: Pool, run: Sequence[Any], base: Run | None) -> None:
    """Keep a run, and with one that found nothing the sums that the next one goes on from.

    Args:
        base: What it went on from; None: it looked at everything.
    """
    async with transaction(pool) as connection:
        # Two runs at once take turns here.
        await connection.execute("LOCK TABLE verifications IN SHARE ROW EXCLUSIVE MODE")
        is_clean = run[-1] == 0
        if is_clean and base is not None:
            newest = await connection.fetchval(
                "SELECT max(id) FROM verifications WHERE violations = 0"
            )
            if newest != base.id:
                return  # another run has gone on from the same one
            await connection.execute(_ADD_SUMS, base.through, run[0], timeout=QUESTION_S)
        elif is_clean:
            await _sum_all(connection, run[0])
        await connection.execute(_KEEP, *run)


async def _sum_all(connection: Connection, through: datetime) -> None:
    await connection.execute("DELETE FROM ledger_verified_balances")
    await connection.execute(_ALL_SUMS, through, timeout=QUESTION_S)


# What began before this has ended: nothing that it wrote comes to light later. The minute is for
# transactions of roles whose beginnings we may not see, and for clocks that are set back.
_THROUGH: Final = """
SELECT least(now() - interval '1 minute', min(xact_start) - interval '1 second') AS through,
       now() AS began_at
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
"""

_CHANGED: Final = """
SELECT id FROM operations WHERE updated_at >= $1
UNION SELECT operation_id FROM ledger_transfers WHERE created_at >= $1 AND operation_id IS NOT NULL
UNION SELECT operation_id FROM operation_trail WHERE at >= $1
UNION SELECT operation_id FROM provider_calls WHERE updated_at >= $1
UNION SELECT operation_id FROM notifications WHERE created_at >= $1
"""

_KEEP: Final = """
INSERT INTO verifications (through, began_at, is_whole, fingerprint, violations)
VALUES ($1, $2, $3, $4, $5)
"""

_INTO: Final = """
INSERT INTO ledger_verified_balances AS kept (account_id, debits_pending_minor,
    debits_posted_minor, credits_pending_minor, credits_posted_minor)
"""

_ALL_SUMS: Final = _INTO + sums_of_entries("t.created_at < $1")

_ADD_SUMS: Final = f"""{_INTO}{sums_of_entries("t.created_at >= $1 AND t.created_at < $2")}
ON CONFLICT (account_id) DO UPDATE SET
    debits_pending_minor = kept.debits_pending_minor + excluded.debits_pending_minor,
    debits_posted_minor = kept.debits_posted_minor + excluded.debits_posted_minor,
    credits_pending_minor = kept.credits_pending_minor + excluded.credits_pending_minor,
    credits_posted_minor = kept.credits_posted_minor + excluded.credits_posted_minor
"""
