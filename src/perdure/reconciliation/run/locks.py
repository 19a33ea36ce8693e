"""Who compares an account, or resolves a break of it, does so alone."""

from typing import Final

from perdure.storage.pool import Connection

_LOCK: Final = 7_265_332


async def lock_accounts(connection: Connection, after: str, through: str) -> int:
    """Lock the accounts beyond one, up to another, until the transaction ends; in one order.

    Returns:
        How many there are.
    """
    rows = await connection.fetch(_LOCK_RANGE, _LOCK, after, through)
    return len(rows)


async def lock_account(connection: Connection, account_id: str) -> None:
    """Lock one account, as `lock_accounts`."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, account_id)


_LOCK_RANGE: Final = """
SELECT pg_advisory_xact_lock($1, lock) FROM (
    SELECT hashtext(id) AS lock FROM (
        SELECT id FROM ledger_accounts WHERE id > $2 AND id <= $3
        UNION
        SELECT account_id FROM statement_lines
        WHERE match_id IS NULL AND account_id > $2 AND account_id <= $3
    ) AS accounts
    ORDER BY lock
) AS locks
"""
