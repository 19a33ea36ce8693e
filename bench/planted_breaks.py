"""Plants accounts with their statements, and breaks of all eight classes among them.

Everything is written by the database itself, so a million accounts take some minutes.
"""

from datetime import date
from typing import Final

from bench.years_of_rows import ID_OF
from perdure.reconciliation.matching.items import BreakClass
from perdure.storage.pool import Pool

_STATEMENT_S: Final = 1_800.0

_CLASSES: Final = [one.value for one in BreakClass]

# Every so many accounts has something wrong; which, goes round.
_PLANTED: Final = """
CREATE TABLE planted AS
SELECT number, pg_temp.id_of('acc', $3::date, number) AS account_id, 'SOURCE-' || number AS source,
       pg_temp.id_of('pln', $3::date, number) AS operation_id,
       pg_temp.id_of('ltr', $3::date, number) AS transfer_id,
       100 + number * 7919 % 90000 AS amount_minor,
       CASE WHEN number % every = 0 THEN ($4::text[])[1 + number / every % 8] END AS break_class
FROM generate_series(1::bigint, $1::bigint) AS number,
     LATERAL (SELECT $1::bigint / $2::bigint AS every) AS spread
"""

_ROWS: Final = (
    """
INSERT INTO ledger_accounts (id, customer_id, name, kind, currency, may_go_negative, shards)
SELECT account_id, 'customer-' || number, 'main', 'liability', 'EUR', true, 1 FROM planted
""",
    """
INSERT INTO ledger_accounts (id, name, kind, currency, may_go_negative, shards)
VALUES ('sys_bank_EUR', 'bank', 'asset', 'EUR', true, 1) ON CONFLICT DO NOTHING
""",
    """
INSERT INTO statement_accounts (source, account_id, currency, since, encoding, timing_days,
    tolerance_minor, updated_by)
SELECT source, account_id, 'EUR', $1::date - 30, 'utf-8', 2, 0, 'planted' FROM planted
""",
    """
INSERT INTO statements (id, source, account_id, currency, format, from_on, to_on, lines, digest,
    part, file_name, loaded_by)
SELECT pg_temp.id_of('stm', $1::date, number), source, account_id, 'EUR', 'csv', $1::date, $1::date,
       1, sha256(source::bytea), 1, 'planted.csv', 'planted' FROM planted
""",
    # Our side: one entry each, and one more where theirs lacks one.
    """
INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor, currency, kind,
    code, operation_id, created_at)
SELECT transfer_id, account_id, 'sys_bank_EUR', amount_minor, 'EUR', 'posted', 'transfer',
       operation_id,
       ($1::date - CASE WHEN break_class = 'late' THEN 9 ELSE 0 END) + interval '1 minute'
FROM planted
UNION ALL
SELECT pg_temp.id_of('ltr', $1::date, number + 4000000), account_id, 'sys_bank_EUR',
       amount_minor + 1, 'EUR', 'posted', 'transfer',
       pg_temp.id_of('pln', $1::date, number + 4000000),
       ($1::date - CASE WHEN break_class = 'missing_there' THEN 3 ELSE 0 END) + interval '1 minute'
FROM planted WHERE break_class IN ('missing_there', 'timing')
""",
    """
INSERT INTO ledger_balances (account_id, shard, debits_posted_minor)
SELECT debit_account_id, 0, sum(t.amount_minor)
FROM ledger_transfers t JOIN planted ON account_id = debit_account_id GROUP BY debit_account_id
""",
    """
INSERT INTO ledger_balances (account_id, shard, credits_posted_minor)
SELECT 'sys_bank_EUR', 0, sum(t.amount_minor)
FROM ledger_transfers t JOIN planted ON account_id = debit_account_id
""",
    # Theirs: the same, and what is wrong with it.
    """
INSERT INTO statement_lines (statement_id, source, account_id, line, booked_on, amount_minor,
    currency, refs, their_id, description)
SELECT pg_temp.id_of('stm', $1::date, number), source, account_id, 1, $1::date,
       CASE break_class WHEN 'amount' THEN -amount_minor - 1 WHEN 'sign' THEN amount_minor
           ELSE -amount_minor END,
       CASE break_class WHEN 'currency' THEN 'USD' ELSE 'EUR' END, ARRAY[operation_id],
       'bank-' || number, 'planted'
FROM planted
UNION ALL
SELECT pg_temp.id_of('stm', $1::date, number), source, account_id, 2, $1::date,
       CASE break_class WHEN 'duplicate' THEN -amount_minor ELSE -amount_minor - 2 END, 'EUR',
       ARRAY[CASE break_class WHEN 'duplicate' THEN operation_id
           ELSE pg_temp.id_of('pln', $1::date, number + 5000000) END],
       'bank-more-' || number, 'planted'
FROM planted WHERE break_class IN ('missing_here', 'duplicate')
""",
)


async def plant(pool: Pool, *, accounts: int, breaks: int, day: date) -> None:
    """Plant so many accounts, with so many breaks, to be found in the table `planted`."""
    async with pool.acquire() as connection:
        await connection.execute(ID_OF)
        await connection.execute(_PLANTED, accounts, breaks, day, _CLASSES, timeout=_STATEMENT_S)
        for statement in _ROWS:
            given = [day] if "$1" in statement else []
            await connection.execute(statement, *given, timeout=_STATEMENT_S)
        await connection.execute("VACUUM ANALYZE", timeout=_STATEMENT_S)


_NOT_AS_PLANTED: Final = """
SELECT coalesce(p.account_id, b.account_id) AS account_id, p.break_class AS planted,
       b.break_class AS found
FROM (SELECT * FROM planted WHERE break_class IS NOT NULL) AS p
FULL JOIN (SELECT * FROM reconciliation_breaks WHERE source LIKE 'SOURCE-%') AS b
    USING (account_id)
WHERE p.break_class IS DISTINCT FROM b.break_class
LIMIT 20
"""


async def not_as_planted(pool: Pool) -> list[tuple[str, str | None, str | None]]:
    """Return accounts whose break was not found, or is another, or was not planted."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = on")
        rows = await connection.fetch(_NOT_AS_PLANTED, timeout=_STATEMENT_S)
    return [(row["account_id"], row["planted"], row["found"]) for row in rows]
