"""The SQL of a ledger whose balances are at TigerBeetle.

Transfers and open holds are kept here as ever; `ledger_balances` is not. Accounts are locked
against a change of their status alone, which any number of transfers can share.
"""

from typing import Final

OPEN_ACCOUNT: Final = """
INSERT INTO ledger_accounts (id, customer_id, name, kind, currency, may_go_negative, shards)
VALUES ($1, $2, $3, $4, $5, $6, 1)
ON CONFLICT (id) DO NOTHING
RETURNING created_at
"""

LOCK_ACCOUNT: Final = "SELECT FROM ledger_accounts WHERE id = $1 FOR UPDATE"

ACCOUNTS: Final = "SELECT * FROM ledger_accounts WHERE id = ANY($1::text[])"

SHARE_ACCOUNTS: Final = """
SELECT *, (SELECT EXISTS (
    SELECT FROM ledger_tigerbeetle_owed
    WHERE transaction = pg_current_xact_id_if_assigned()::text::bigint
)) AS transaction_owes,
    ARRAY(SELECT id FROM ledger_transfers t WHERE t.id = ANY($2::text[])) AS placed
FROM ledger_accounts WHERE id = ANY($1::text[]) ORDER BY id FOR SHARE
"""

# One row a transfer that was written. Its id at TigerBeetle is written first: where somebody else
# was quicker, with the transfer or by giving the reservation up, nothing is.
PLACE: Final = """
WITH item AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
        $7::text[], $8::uuid[], $9::uuid[], $10::text[])
        AS item (id, debit_account_id, credit_account_id, amount_minor, currency, code,
            operation_id, tigerbeetle_id, carried_out_by, needs)
), decided AS (
    INSERT INTO ledger_tigerbeetle_ids (tigerbeetle_id, transfer_id)
    SELECT tigerbeetle_id, id FROM item
    WHERE NOT EXISTS (SELECT FROM ledger_transfers t WHERE t.id = item.id)
    ORDER BY id COLLATE "C"
    ON CONFLICT DO NOTHING
    RETURNING transfer_id
), created AS (
    INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor,
        currency, kind, code, operation_id, expires_at)
    SELECT id, debit_account_id, credit_account_id, amount_minor, currency, $11, code,
        operation_id, $12
    FROM item WHERE (id IN (SELECT transfer_id FROM decided)) IS TRUE
    ORDER BY id COLLATE "C"
    RETURNING id, created_at
), held AS (
    INSERT INTO ledger_open_holds (transfer_id, debit_shard, credit_shard, expires_at)
    SELECT id, 0, 0, $12 FROM created WHERE $11 = 'pending'
), owed AS (
    INSERT INTO ledger_tigerbeetle_owed (tigerbeetle_id, transfer_id, kind, debit_account_id,
        credit_account_id, amount_minor, currency, pending_id, held_minor, needs)
    SELECT carried_out_by, id, CASE WHEN is_reserved THEN 'post_pending' ELSE $11 END,
        debit_account_id, credit_account_id, amount_minor, currency,
        CASE WHEN is_reserved THEN tigerbeetle_id END,
        CASE WHEN is_reserved THEN amount_minor ELSE 0 END, string_to_array(needs, chr(10))
    FROM (
        SELECT *, tigerbeetle_id <> carried_out_by AS is_reserved FROM item
        WHERE carried_out_by IS NOT NULL AND (id IN (SELECT id FROM created)) IS TRUE
    ) AS carried
    RETURNING transaction
)
SELECT created.*, (SELECT max(transaction) FROM owed) AS transaction FROM created
"""

GIVE_UP: Final = """
WITH decided AS (
    INSERT INTO ledger_tigerbeetle_ids (tigerbeetle_id, transfer_id, given_up)
    VALUES ($1, $2, true) ON CONFLICT DO NOTHING RETURNING tigerbeetle_id
)
INSERT INTO ledger_tigerbeetle_owed (tigerbeetle_id, transfer_id, kind, debit_account_id,
    credit_account_id, amount_minor, currency, pending_id, held_minor)
SELECT $3, $2, 'void_pending', $4, $5, $6, $7, $1, $6 FROM decided
RETURNING transaction
"""

# One row a hold that was settled.
SETTLE: Final = """
WITH hold AS MATERIALIZED (
    SELECT held.*, coalesce(h.expires_at <= clock_timestamp(), false) AS past_expiry
    FROM ledger_open_holds h JOIN ledger_transfers held ON held.id = h.transfer_id
    WHERE h.transfer_id = ANY($1::text[])
    ORDER BY h.transfer_id
    FOR UPDATE OF h
), candidate AS MATERIALIZED (
    SELECT hold.*, settling.transfer_id AS settling_id, settling.tigerbeetle_id
    FROM hold FULL JOIN unnest($1::text[], $2::text[], $3::uuid[])
        AS settling (hold_id, transfer_id, tigerbeetle_id) ON settling.hold_id = hold.id
), allowed AS MATERIALIZED (
    SELECT *, coalesce($5, amount_minor) AS settled_minor FROM candidate
    WHERE id IS NOT NULL AND coalesce($5, amount_minor) <= amount_minor
        AND CASE $4
            WHEN 'post_pending' THEN NOT past_expiry
            WHEN 'expire_pending' THEN past_expiry
            ELSE true
        END
), created AS (
    INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor,
        currency, kind, code, pending_id, operation_id)
    SELECT settling_id, debit_account_id, credit_account_id, settled_minor,
        currency, $4, code, id, operation_id
    FROM allowed ORDER BY settling_id COLLATE "C"
    ON CONFLICT (id) DO NOTHING
    RETURNING pending_id, created_at
), closed AS (
    DELETE FROM ledger_open_holds WHERE transfer_id = ANY(ARRAY(SELECT pending_id FROM created))
), owed AS (
    INSERT INTO ledger_tigerbeetle_owed (tigerbeetle_id, transfer_id, kind, debit_account_id,
        credit_account_id, amount_minor, currency, pending_id, held_minor)
    SELECT allowed.tigerbeetle_id, settling_id,
        CASE $4 WHEN 'post_pending' THEN 'post_pending' ELSE 'void_pending' END,
        debit_account_id, credit_account_id, settled_minor, currency, at.tigerbeetle_id,
        amount_minor
    FROM allowed
    JOIN ledger_tigerbeetle_ids at ON at.transfer_id = allowed.id AND NOT at.given_up
    WHERE (allowed.id IN (SELECT pending_id FROM created)) IS TRUE
    RETURNING transaction
)
SELECT hold.*, created.created_at AS settled_at, (SELECT max(transaction) FROM owed) AS transaction
FROM hold JOIN created ON created.pending_id = hold.id
"""

PAST_EXPIRY: Final = """
SELECT coalesce(expires_at <= clock_timestamp(), false) FROM ledger_open_holds
WHERE transfer_id = $1
"""

LOCK_HOLDS: Final = """
SELECT FROM ledger_open_holds WHERE transfer_id = ANY($1::text[]) ORDER BY transfer_id FOR UPDATE
"""

# With what an earlier transaction owes of a hold that is settled by one of these: a settlement that
# came before it would be refused, and its id with it.
OWED_BY: Final = """
WITH RECURSIVE wanted AS (
    SELECT unnest($1::bigint[]) AS transaction
    UNION
    SELECT earlier.transaction
    FROM wanted
    JOIN ledger_tigerbeetle_owed settling USING (transaction)
    JOIN ledger_tigerbeetle_owed earlier ON earlier.tigerbeetle_id = settling.pending_id
)
SELECT owed.* FROM wanted JOIN ledger_tigerbeetle_owed owed USING (transaction) ORDER BY number
"""

OWED_TO_ACCOUNTS: Final = """
SELECT *, transaction = pg_current_xact_id_if_assigned()::text::bigint IS TRUE AS is_own
FROM ledger_tigerbeetle_owed
WHERE debit_account_id = ANY($1::text[]) OR credit_account_id = ANY($1::text[])
ORDER BY number
"""

OVERDUE: Final = """
SELECT DISTINCT transaction FROM ledger_tigerbeetle_owed
WHERE owed_at < now() - $1::float8 * interval '1 second' LIMIT $2
"""

# Lost in a crash, it is done again, and changes nothing.
CARRIED_OUT: Final = """
DELETE FROM ledger_tigerbeetle_owed WHERE number = ANY($1::bigint[])
    AND (SELECT set_config('synchronous_commit', 'off', true)) = 'off'
"""

LOOKED_THROUGH: Final = "SELECT looked_through_ns FROM ledger_tigerbeetle"

LOOK_ON: Final = """
UPDATE ledger_tigerbeetle SET looked_through_ns = greatest(looked_through_ns, $1)
"""

COUNTS: Final = """
SELECT tigerbeetle_id FROM ledger_tigerbeetle_ids
WHERE tigerbeetle_id = ANY($1::uuid[]) AND NOT given_up
"""

GIVE_UP_ALL: Final = """
INSERT INTO ledger_tigerbeetle_ids (tigerbeetle_id, transfer_id, given_up)
SELECT id, '', true FROM unnest($1::uuid[]) AS id ORDER BY id
ON CONFLICT DO NOTHING
"""

SHOWN: Final = "ledger_balances_at_tigerbeetle"

# Who holds it has waited for all that was under way, and nobody writes to the ledger until it ends.
STOP_WRITERS: Final = """
LOCK TABLE ledger_tigerbeetle_ids, ledger_tigerbeetle_owed IN SHARE MODE
"""

DROP_SHOWN: Final = f"DROP TABLE IF EXISTS pg_temp.{SHOWN}"

MAKE_SHOWN: Final = f"""
CREATE TEMPORARY TABLE {SHOWN} (
    account_id text COLLATE "C" PRIMARY KEY,
    shard smallint NOT NULL,
    status text NOT NULL,
    debits_pending_minor numeric NOT NULL,
    debits_posted_minor numeric NOT NULL,
    credits_pending_minor numeric NOT NULL,
    credits_posted_minor numeric NOT NULL
) ON COMMIT DROP
"""

EMPTY_SHOWN: Final = f"TRUNCATE pg_temp.{SHOWN}"

ACCOUNTS_AFTER: Final = "SELECT * FROM ledger_accounts WHERE id > $1 ORDER BY id LIMIT $2"

COUNTS_OR_IS_OWED: Final = """
SELECT tigerbeetle_id AS id FROM ledger_tigerbeetle_ids
WHERE tigerbeetle_id = ANY($1::uuid[]) AND NOT given_up
UNION ALL
SELECT pending_id FROM ledger_tigerbeetle_owed WHERE pending_id = ANY($1::uuid[])
"""
