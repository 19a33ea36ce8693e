"""The ledger's SQL.

Every statement that changes balances first locks the rows it will change in the order of account
id, so two of them cannot wait for each other; and it writes everything or, where a rule says no,
nothing (ADR 0004). They need READ COMMITTED, PostgreSQL's default: a row that was waited for is
then read as it is after the wait.
"""

from typing import Final

OPEN_ACCOUNT: Final = """
WITH opened AS (
    INSERT INTO ledger_accounts
        (id, customer_id, name, kind, currency, may_go_negative, shards)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, shards, created_at
), balances AS (
    INSERT INTO ledger_balances (account_id, shard)
    SELECT id, generate_series(0, shards - 1) FROM opened
)
SELECT created_at FROM opened
"""

GET_ACCOUNT: Final = "SELECT * FROM ledger_accounts WHERE id = $1"

LIST_ACCOUNTS: Final = """
SELECT * FROM ledger_accounts WHERE id < $1 ORDER BY id DESC LIMIT $2
"""

LIST_CUSTOMER_ACCOUNTS: Final = """
SELECT * FROM ledger_accounts WHERE customer_id = $3 AND id < $1 ORDER BY id DESC LIMIT $2
"""

LOCK_ACCOUNT: Final = """
SELECT FROM ledger_balances WHERE account_id = $1 ORDER BY shard FOR UPDATE
"""

SET_ACCOUNT_STATUS: Final = """
WITH balances AS (
    UPDATE ledger_balances SET status = $2 WHERE account_id = $1
)
UPDATE ledger_accounts SET status = $2 WHERE id = $1
"""

BALANCE: Final = """
SELECT a.kind,
       sum(b.debits_pending_minor) AS debits_pending_minor,
       sum(b.debits_posted_minor) AS debits_posted_minor,
       sum(b.credits_pending_minor) AS credits_pending_minor,
       sum(b.credits_posted_minor) AS credits_posted_minor
FROM ledger_accounts a JOIN ledger_balances b ON b.account_id = a.id
WHERE a.id = $1
GROUP BY a.kind
"""

ACCOUNTS_WITH_BALANCES: Final = """
SELECT a.*,
       sum(b.debits_pending_minor) AS debits_pending_minor,
       sum(b.debits_posted_minor) AS debits_posted_minor,
       sum(b.credits_pending_minor) AS credits_pending_minor,
       sum(b.credits_posted_minor) AS credits_posted_minor
FROM ledger_accounts a JOIN ledger_balances b ON b.account_id = a.id
WHERE a.id = ANY($1)
GROUP BY a.id
"""

# One row an account, as it was before; `created_at` is null when nothing was written.
# The conditions are `rules.check_accounts`, which then says which one it was.
PLACE: Final = """
WITH account AS MATERIALIZED (
    SELECT a.id, a.kind, a.currency, a.may_go_negative, a.id = $2 AS debited,
           b.shard, b.status, b.debits_pending_minor, b.debits_posted_minor,
           b.credits_pending_minor, b.credits_posted_minor
    FROM ledger_accounts a
    JOIN ledger_balances b ON b.account_id = a.id AND b.shard = $10::int % a.shards
    WHERE a.id IN ($2, $3)
    ORDER BY a.id
    FOR UPDATE OF b
), allowed AS (
    SELECT FROM account
    HAVING count(*) = 2 AND bool_and(
        status = 'open'
        AND currency = $5
        AND CASE
            WHEN may_go_negative THEN true
            WHEN debited AND kind IN ('liability', 'income')
                THEN credits_posted_minor - (debits_posted_minor + debits_pending_minor) >= $4
            WHEN NOT debited AND kind IN ('asset', 'expense')
                THEN debits_posted_minor - (credits_posted_minor + credits_pending_minor) >= $4
            ELSE true
        END
        AND CASE
            WHEN debited THEN debits_pending_minor + debits_posted_minor
            ELSE credits_pending_minor + credits_posted_minor
        END <= 9223372036854775807 - $4
    )
), created AS (
    INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor,
        currency, kind, code, operation_id, expires_at)
    SELECT $1, $2, $3, $4::bigint, $5, $6, $7, $8, $9 FROM allowed
    ON CONFLICT (id) DO NOTHING
    RETURNING created_at
), held AS (
    INSERT INTO ledger_open_holds (transfer_id, debit_shard, credit_shard, expires_at)
    SELECT $1, debit.shard, credit.shard, $9
    FROM created, account debit, account credit
    WHERE $6 = 'pending' AND debit.debited AND NOT credit.debited
), moved AS (
    UPDATE ledger_balances b SET
        debits_pending_minor = b.debits_pending_minor
            + CASE WHEN account.debited AND $6 = 'pending' THEN $4 ELSE 0 END,
        debits_posted_minor = b.debits_posted_minor
            + CASE WHEN account.debited AND $6 = 'posted' THEN $4 ELSE 0 END,
        credits_pending_minor = b.credits_pending_minor
            + CASE WHEN NOT account.debited AND $6 = 'pending' THEN $4 ELSE 0 END,
        credits_posted_minor = b.credits_posted_minor
            + CASE WHEN NOT account.debited AND $6 = 'posted' THEN $4 ELSE 0 END
    FROM account, created
    WHERE b.account_id = account.id AND b.shard = account.shard
)
SELECT account.*, created.created_at FROM account LEFT JOIN created ON true
"""

# No row when the hold is not open; `settled_at` is null when nothing was written.
# The conditions are `rules.check_settlement`, which then says which one it was.
SETTLE: Final = """
WITH hold AS MATERIALIZED (
    SELECT held.*, h.debit_shard, h.credit_shard,
           coalesce(h.expires_at <= clock_timestamp(), false) AS past_expiry
    FROM ledger_open_holds h JOIN ledger_transfers held ON held.id = h.transfer_id
    WHERE h.transfer_id = $2
    FOR UPDATE OF h
), allowed AS MATERIALIZED (
    SELECT *, coalesce($4, amount_minor) AS settled_minor FROM hold
    WHERE coalesce($4, amount_minor) <= amount_minor
        AND CASE $3
            WHEN 'post_pending' THEN NOT past_expiry
            WHEN 'expire_pending' THEN past_expiry
            ELSE true
        END
), balance AS MATERIALIZED (
    SELECT b.account_id, b.shard, b.account_id = allowed.debit_account_id AS debited
    FROM allowed JOIN ledger_balances b ON (b.account_id, b.shard) IN (
        (allowed.debit_account_id, allowed.debit_shard),
        (allowed.credit_account_id, allowed.credit_shard))
    ORDER BY b.account_id
    FOR UPDATE OF b
), created AS (
    INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor,
        currency, kind, code, pending_id, operation_id)
    SELECT $1, debit_account_id, credit_account_id, settled_minor,
        currency, $3, code, id, operation_id
    FROM allowed WHERE (SELECT count(*) FROM balance) = 2
    ON CONFLICT (id) DO NOTHING
    RETURNING created_at
), closed AS (
    DELETE FROM ledger_open_holds WHERE transfer_id = $2 AND EXISTS (SELECT FROM created)
), moved AS (
    UPDATE ledger_balances b SET
        debits_pending_minor = b.debits_pending_minor
            - CASE WHEN balance.debited THEN allowed.amount_minor ELSE 0 END,
        debits_posted_minor = b.debits_posted_minor
            + CASE WHEN balance.debited AND $3 = 'post_pending'
                THEN allowed.settled_minor ELSE 0 END,
        credits_pending_minor = b.credits_pending_minor
            - CASE WHEN balance.debited THEN 0 ELSE allowed.amount_minor END,
        credits_posted_minor = b.credits_posted_minor
            + CASE WHEN NOT balance.debited AND $3 = 'post_pending'
                THEN allowed.settled_minor ELSE 0 END
    FROM balance, allowed, created
    WHERE b.account_id = balance.account_id AND b.shard = balance.shard
)
SELECT hold.*, created.created_at AS settled_at FROM hold LEFT JOIN created ON true
"""

GET_TRANSFER: Final = "SELECT * FROM ledger_transfers WHERE id = $1"

GET_SETTLEMENT: Final = "SELECT * FROM ledger_transfers WHERE pending_id = $1"

HOLDS_PAST_EXPIRY: Final = """
SELECT held.*
FROM ledger_open_holds h JOIN ledger_transfers held ON held.id = h.transfer_id
WHERE h.expires_at <= clock_timestamp()
ORDER BY h.expires_at
LIMIT $1
"""

LIST_ACCOUNT_TRANSFERS: Final = """
SELECT * FROM (
    (SELECT * FROM ledger_transfers WHERE debit_account_id = $3 AND id < $1
        ORDER BY id DESC LIMIT $2)
    UNION ALL
    (SELECT * FROM ledger_transfers WHERE credit_account_id = $3 AND id < $1
        ORDER BY id DESC LIMIT $2)
) AS either_side
ORDER BY id DESC LIMIT $2
"""

LIST_OPERATION_TRANSFERS: Final = """
SELECT * FROM ledger_transfers
WHERE operation_id = $3 AND id < $1
    AND ($4::text IS NULL OR $4 IN (debit_account_id, credit_account_id))
ORDER BY id DESC LIMIT $2
"""
