"""The ledger's SQL for many transfers in one statement.

The same rules and the same order of locks as in `perdure.ledger.statements`: open holds by id,
balance rows by account id and shard, then the ids of the new transfers. So any number of these
statements and of those cannot wait for each other in a circle. What a rule says no to is left out,
and the rest is written.

The planner cannot know how many rows a step of such a statement has: it guesses few, and would
compare each row of one with each of another, or read a table once for each. So two steps meet in a
FULL JOIN, which PostgreSQL does by hash or merge only (in a materialized step, as a condition from
outside would make it an inner join again), or in `(… IN (…)) IS TRUE`, which stays a hashed
subplan; and the open holds, of which there are now none and now many, are found by `= ANY`.
"""

from typing import Final

from perdure.ledger.model import TransferKind

# One row a transfer that was written. `debitable_minor` and `creditable_minor` are the most that an
# account takes on that side, by its floor and its room. A running sum counts also what is left out
# on its way: what is written always fits, and sometimes a little more would have.
_PLACE_MANY: Final = """
WITH account AS MATERIALIZED (
    SELECT a.id, a.currency, b.shard, b.status,
           least(
               9223372036854775807 - (b.debits_pending_minor + b.debits_posted_minor),
               CASE WHEN NOT a.may_go_negative AND a.kind IN ('liability', 'income')
                   THEN b.credits_posted_minor - (b.debits_posted_minor + b.debits_pending_minor)
               END
           ) AS debitable_minor,
           least(
               9223372036854775807 - (b.credits_pending_minor + b.credits_posted_minor),
               CASE WHEN NOT a.may_go_negative AND a.kind IN ('asset', 'expense')
                   THEN b.debits_posted_minor - (b.credits_posted_minor + b.credits_pending_minor)
               END
           ) AS creditable_minor
    FROM ledger_accounts a
    JOIN ledger_balances b ON b.account_id = a.id AND b.shard = $8::int % a.shards
    WHERE a.id = ANY($2::text[] || $3::text[])
    ORDER BY a.id
    FOR UPDATE OF b
), candidate AS MATERIALIZED (
    SELECT item.*,
           debit.shard AS debit_shard, debit.debitable_minor,
           credit.shard AS credit_shard, credit.creditable_minor,
           debit.status = 'open' AND debit.currency = item.currency
               AND credit.status = 'open' AND credit.currency = item.currency AS accepted
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[],
            $7::text[]) WITH ORDINALITY
        AS item (id, debit_account_id, credit_account_id, amount_minor, currency, code,
            operation_id, place)
    FULL JOIN account debit ON debit.id = item.debit_account_id
    FULL JOIN account credit ON credit.id = item.credit_account_id
), summed AS (
    SELECT *,
           sum(amount_minor) OVER (PARTITION BY debit_account_id ORDER BY place) AS debited_minor,
           sum(amount_minor) OVER (PARTITION BY credit_account_id ORDER BY place) AS credited_minor
    FROM candidate
    WHERE accepted
), allowed AS MATERIALIZED (
    SELECT * FROM summed
    WHERE debited_minor <= debitable_minor AND credited_minor <= creditable_minor
), created AS (
    INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor,
        currency, kind, code, operation_id)
    SELECT id, debit_account_id, credit_account_id, amount_minor,
        currency, '{kind}', code, operation_id
    FROM allowed
    ORDER BY id COLLATE "C"
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), written AS MATERIALIZED (
    SELECT * FROM allowed WHERE (id IN (SELECT id FROM created)) IS TRUE
){held}, change AS MATERIALIZED (
    SELECT entry.account_id, entry.shard,
           sum(entry.debit_minor)::bigint AS debits_minor,
           sum(entry.credit_minor)::bigint AS credits_minor
    FROM written CROSS JOIN LATERAL (VALUES
        (debit_account_id, debit_shard, amount_minor, 0),
        (credit_account_id, credit_shard, 0, amount_minor)
    ) AS entry (account_id, shard, debit_minor, credit_minor)
    GROUP BY entry.account_id, entry.shard
), moved AS (
    UPDATE ledger_balances b SET
        debits_{kind}_minor = b.debits_{kind}_minor + change.debits_minor,
        credits_{kind}_minor = b.credits_{kind}_minor + change.credits_minor
    FROM change
    WHERE b.account_id = change.account_id AND b.shard = change.shard
)
SELECT id FROM created
"""


def _place_many(kind: TransferKind) -> str:
    """Return the statement that writes many transfers of one kind, `posted` or `pending`."""
    holds = kind is TransferKind.PENDING
    held = """, held AS (
    INSERT INTO ledger_open_holds (transfer_id, debit_shard, credit_shard)
    SELECT id, debit_shard, credit_shard FROM written
)"""
    return _PLACE_MANY.format(kind=kind, held=held if holds else "")


HOLD_MANY: Final = _place_many(TransferKind.PENDING)
POST_MANY: Final = _place_many(TransferKind.POSTED)

# One row a hold that was settled. Counting the balance rows locks them all before the first insert.
_SETTLE_MANY: Final = """
WITH hold AS MATERIALIZED (
    SELECT held.*, h.debit_shard, h.credit_shard,
        '{kind}' = 'void_pending' OR coalesce(h.expires_at > clock_timestamp(), true) AS is_in_time
    FROM ledger_open_holds h JOIN ledger_transfers held ON held.id = h.transfer_id
    WHERE h.transfer_id = ANY($1::text[])
    ORDER BY h.transfer_id
    FOR UPDATE OF h
), candidate AS MATERIALIZED (
    SELECT hold.*, settling.transfer_id AS settling_id
    FROM hold FULL JOIN unnest($1::text[], $2::text[]) AS settling (hold_id, transfer_id)
        ON settling.hold_id = hold.id
), allowed AS MATERIALIZED (
    SELECT * FROM candidate
    WHERE id IS NOT NULL AND is_in_time
), touched AS MATERIALIZED (
    SELECT debit_account_id AS account_id, debit_shard AS shard FROM allowed
    UNION
    SELECT credit_account_id, credit_shard FROM allowed
), balance AS MATERIALIZED (
    SELECT b.account_id, b.shard
    FROM touched JOIN ledger_balances b USING (account_id, shard)
    ORDER BY b.account_id, b.shard
    FOR UPDATE OF b
), created AS (
    INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor,
        currency, kind, code, pending_id, operation_id)
    SELECT settling_id, debit_account_id, credit_account_id, amount_minor,
        currency, '{kind}', code, id, operation_id
    FROM allowed
    WHERE (SELECT count(*) FROM balance) = (SELECT count(*) FROM touched)
    ORDER BY settling_id COLLATE "C"
    ON CONFLICT (id) DO NOTHING
    RETURNING pending_id
), written AS MATERIALIZED (
    SELECT * FROM allowed WHERE (id IN (SELECT pending_id FROM created)) IS TRUE
), closed AS (
    DELETE FROM ledger_open_holds WHERE transfer_id = ANY(ARRAY(SELECT pending_id FROM created))
), change AS MATERIALIZED (
    SELECT entry.account_id, entry.shard,
           sum(entry.debit_minor)::bigint AS debits_minor,
           sum(entry.credit_minor)::bigint AS credits_minor
    FROM written CROSS JOIN LATERAL (VALUES
        (debit_account_id, debit_shard, amount_minor, 0),
        (credit_account_id, credit_shard, 0, amount_minor)
    ) AS entry (account_id, shard, debit_minor, credit_minor)
    GROUP BY entry.account_id, entry.shard
), moved AS (
    UPDATE ledger_balances b SET
        {posted}debits_pending_minor = b.debits_pending_minor - change.debits_minor,
        credits_pending_minor = b.credits_pending_minor - change.credits_minor
    FROM change
    WHERE b.account_id = change.account_id AND b.shard = change.shard
)
SELECT pending_id FROM created
"""
_ADDED: Final = """debits_posted_minor = b.debits_posted_minor + change.debits_minor,
        credits_posted_minor = b.credits_posted_minor + change.credits_minor,
        """

POST_HOLDS: Final = _SETTLE_MANY.format(kind=TransferKind.POST_PENDING, posted=_ADDED)
VOID_HOLDS: Final = _SETTLE_MANY.format(kind=TransferKind.VOID_PENDING, posted="")

# Locks what POST_HOLDS or VOID_HOLDS of `$1`, and HOLD_MANY or POST_MANY between the accounts `$2`,
# go on to.
LOCK: Final = """
WITH hold AS MATERIALIZED (
    SELECT held.debit_account_id, h.debit_shard, held.credit_account_id, h.credit_shard
    FROM ledger_open_holds h JOIN ledger_transfers held ON held.id = h.transfer_id
    WHERE h.transfer_id = ANY($1::text[])
    ORDER BY h.transfer_id
    FOR UPDATE OF h
), touched AS MATERIALIZED (
    SELECT debit_account_id AS account_id, debit_shard AS shard FROM hold
    UNION
    SELECT credit_account_id, credit_shard FROM hold
    UNION
    SELECT id, $3::int % shards FROM ledger_accounts WHERE id = ANY($2::text[])
)
SELECT FROM touched JOIN ledger_balances b USING (account_id, shard)
ORDER BY b.account_id, b.shard
FOR UPDATE OF b
"""
