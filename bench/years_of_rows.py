"""Fills a database with operations that ended, as years of work leave them; its books agree.

Everything is written by the database itself, some ten thousand operations a second.
"""

from datetime import timedelta
from typing import Final

from perdure.core.clock import utc_now
from perdure.storage.pool import Pool

OPERATIONS_PER_CUSTOMER: Final = 20
KINDS: Final = 36
"""Transfers, payments, and so many less two that only lists know."""
DAYS: Final = 365

_BATCH: Final = 100_000
_STATEMENT_S: Final = 600.0

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(value: str, digits: int) -> str:
    return " || ".join(
        f"substr('{_ALPHABET}', 1 + (({value} >> {5 * place}) & 31)::int, 1)"
        for place in reversed(range(digits))
    )


# An id of ours: ten characters of time, and sixteen that are a number here, with the version's and
# the variant's bits where a UUIDv7 has them.
ID_OF: Final = f"""
CREATE OR REPLACE FUNCTION pg_temp.id_of(prefix text, at timestamptz, number bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT prefix || '_' || {_base32("ms", 10)} || 'e008' || {_base32("number", 12)}
    FROM (SELECT (extract(epoch FROM at) * 1000)::bigint AS ms) AS moment
$$
"""

_CUSTOMERS: Final = """
WITH customer AS (
    SELECT number, pg_temp.id_of('acc', $2::timestamptz, number) AS account_id
    FROM generate_series(1, $1::int) AS number
), account AS (
    INSERT INTO ledger_accounts (id, customer_id, name, kind, currency, may_go_negative, shards)
    SELECT account_id, 'customer-' || number, 'main', 'liability', 'USD', false, 1 FROM customer
)
INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor, currency, kind,
    code, created_at)
SELECT pg_temp.id_of('ltr', $2::timestamptz, number), 'sys_bank_USD', account_id, 1000000000, 'USD',
    'posted', 'deposit', $2
FROM customer
"""

_OF_CUSTOMERS: Final = (
    """
INSERT INTO deposits (transfer_id, account_id, actor, created_at)
SELECT id, credit_account_id, 'key:key_1', created_at FROM ledger_transfers
WHERE code = 'deposit'
""",
    """
INSERT INTO payment_daily_totals (customer_id, currency, day, amount_minor)
SELECT customer_id, currency, created_at::date, 100 FROM ledger_accounts
WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO profiles (customer_id, full_name, email, birth_date, country)
SELECT customer_id, customer_id, customer_id || '@example.com', '1990-01-01', 'FR'
FROM ledger_accounts WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO onboardings (customer_id, operation_id, follow_up_at, follow_up_begun_at)
SELECT customer_id, replace(id, 'acc_', 'onb_'), created_at, created_at
FROM ledger_accounts WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO identities (customer_id, operation_id, again, reference, check_id, state, asked)
SELECT customer_id, operation_id, 0, operation_id, 'check', 'approved', 0 FROM onboardings
""",
    """
INSERT INTO payload_keys (id, owner, master, wrapped)
SELECT 'pky_' || id, 'customer:' || customer_id, 'master', 'secret'
FROM ledger_accounts WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO erased_customers (customer_id, operation_id)
SELECT 'erased-' || customer_id, 'operation' FROM ledger_accounts WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO statement_accounts (source, account_id, currency, since, encoding, timing_days,
    tolerance_minor, updated_by)
SELECT 'SOURCE-' || substr(customer_id, 10), id, 'USD', created_at::date, 'utf-8', 2, 0, 'key:key_1'
FROM ledger_accounts WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO domains (name, customer_id, expires_on)
SELECT customer_id || '.example', customer_id, created_at::date + 365 FROM ledger_accounts
WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO bank_items (id, customer_id, provider_item_id)
SELECT 'bki' || right(id, 27), customer_id, 'item-' || customer_id
FROM ledger_accounts WHERE customer_id IS NOT NULL
""",
    """
INSERT INTO bank_accounts (item_id, id, name, kind)
SELECT id, 'account', 'Checking', 'depository' FROM bank_items
""",
    """
INSERT INTO bank_transactions (item_id, id, customer_id, account_id, amount_minor, currency,
    booked_on, name, pending, mirror_account_id, sync_id)
SELECT item.id, 'transaction-' || number, customer_id, 'account', number, 'USD',
       created_at::date - number, 'A shop', true, 'acc_mirror_' || customer_id, 'sync'
FROM bank_items AS item CROSS JOIN generate_series(1, 20) AS number
""",
)

_HOUSE: Final = """
INSERT INTO ledger_accounts (id, name, kind, currency, may_go_negative, shards) VALUES
    ('sys_bank_USD', 'bank', 'asset', 'USD', true, 1),
    ('sys_gateway_clearing_USD', 'gateway_clearing', 'liability', 'USD', true, 1)
"""

# Of a hundred, 97 succeeded, one was cancelled and two failed; some of all still need somebody.
_OPERATIONS: Final = """
CREATE TEMPORARY TABLE made AS
SELECT number, at,
       pg_temp.id_of(CASE WHEN kind = 'transfer' THEN 'tfr' WHEN kind = 'payment' THEN 'pay'
           WHEN kind = 'bulk' THEN 'blk' ELSE 'oth' END, at, number) AS id,
       kind, status, customer, pg_temp.id_of('acc', $4::timestamptz, customer) AS account_id,
       100 + number % 900 AS amount_minor
FROM (
    SELECT number, $4::timestamptz + (number * $5::float8) * interval '1 second' AS at,
           CASE WHEN number % 10 < 6 THEN 'transfer' WHEN number % 10 < 9 THEN 'payment'
               WHEN number % 1000 = 999 THEN 'bulk'
               ELSE 'kind_' || number / 10 % ($6::int - 2) END AS kind,
           CASE WHEN number % 10009 = 0 THEN 'needs_attention'
               WHEN number / 10 % 100 < 97 THEN 'succeeded'
               WHEN number / 10 % 100 = 97 THEN 'cancelled' ELSE 'failed' END AS status,
           1 + number * 7919 % $3::bigint AS customer
    FROM generate_series($1::bigint, $2::bigint) AS number
) AS numbered
"""

_ROWS: Final = (
    """
INSERT INTO operations (id, kind, status, customer_id, reference, input, result, failure, metadata,
    workflow_started_at, created_at, updated_at, finished_at)
SELECT id, kind, status, 'customer-' || customer,
       CASE WHEN number % 2 = 0 THEN 'reference-' || number END,
       jsonb_build_object('operation_id', id, 'request', jsonb_build_object(
           'customer_id', 'customer-' || customer, 'account_id', account_id, 'currency', 'USD',
           'amount_minor', amount_minor, 'destination', 'DE89370400440532013000',
           'customer', jsonb_build_object('email', 'customer-' || customer || '@example.com'))),
       CASE WHEN status = 'succeeded' THEN jsonb_build_object('payout', jsonb_build_object(
           'payout_id', 'out_' || number, 'status', 'paid')) END,
       CASE WHEN status = 'failed' THEN jsonb_build_object('code', 'refused_' || number % 5,
           'message', 'The bank refused it.', 'step', 'pay_out') END,
       CASE WHEN number % 50 = 0 THEN jsonb_build_object('order', 'order-' || number)
           ELSE '{}' END,
       at, at, at + interval '1 second',
       CASE WHEN status <> 'needs_attention' THEN at + interval '1 second' END
FROM made
""",
    """
INSERT INTO ledger_transfers (id, debit_account_id, credit_account_id, amount_minor, currency, kind,
    code, pending_id, operation_id, created_at)
SELECT pg_temp.id_of('ltr', at, 2 * number + place), account_id,
       CASE kind WHEN 'transfer' THEN 'sys_bank_USD' ELSE 'sys_gateway_clearing_USD' END,
       amount_minor, 'USD',
       CASE WHEN place = 0 THEN 'pending' WHEN status = 'succeeded' THEN 'post_pending'
           ELSE 'void_pending' END,
       kind, CASE WHEN place = 1 THEN pg_temp.id_of('ltr', at, 2 * number) END, id, at
FROM made CROSS JOIN generate_series(0, 1) AS place
WHERE kind IN ('transfer', 'payment') AND (place = 0 OR status <> 'needs_attention')
""",
    """
INSERT INTO ledger_tigerbeetle_ids (tigerbeetle_id, transfer_id)
SELECT gen_random_uuid(), pg_temp.id_of('ltr', at, 2 * number) FROM made
""",
    """
INSERT INTO ledger_open_holds (transfer_id, debit_shard, credit_shard)
SELECT pg_temp.id_of('ltr', at, 2 * number), 0, 0 FROM made
WHERE kind IN ('transfer', 'payment') AND status = 'needs_attention'
""",
    """
INSERT INTO effects (operation_id, step, fingerprint, result, created_at)
SELECT id, step, sha256(id::bytea), '{"hold_id": "ltr_01m7ywcncme7a8245dvy60tywa"}', at
FROM made CROSS JOIN unnest('{hold_funds,settle}'::text[]) AS step
""",
    """
INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at, finished_at)
SELECT id, step, 1, 'succeeded', at, at
FROM made CROSS JOIN unnest('{hold_funds,pay_out,settle,notify}'::text[]) AS step
""",
    """
INSERT INTO operation_trail (operation_id, at, actor, action, status)
SELECT id, at, 'system', CASE place WHEN 1 THEN 'accepted' WHEN 2 THEN 'begun' ELSE 'ended' END,
       CASE place WHEN 1 THEN 'pending' WHEN 2 THEN 'processing' ELSE status END
FROM made CROSS JOIN generate_series(1, 3) AS place
""",
    """
INSERT INTO provider_calls (operation_id, step, provider, reference, state, lease_until, calls,
    answer, created_at, updated_at)
SELECT id, CASE kind WHEN 'payment' THEN 'charge' ELSE 'pay_out' END,
       CASE kind WHEN 'payment' THEN 'gateway' ELSE 'bank' END, id,
       CASE WHEN status = 'succeeded' THEN 'answered' ELSE 'refused' END, at, 1,
       jsonb_build_object('status', 'paid', 'payout_id', 'out_' || number), at, at
FROM made
""",
    """
INSERT INTO notifications (id, operation_id, audience, channel, recipient, subject, body, state,
    created_at, ended_at)
SELECT pg_temp.id_of('ntf', at, number), id, 'customer', 'email',
       'customer-' || customer || '@example.com', 'Your transfer', 'It has ended as ' || status,
       'sent', at, at
FROM made WHERE kind = 'transfer' AND status <> 'needs_attention'
""",
    """
INSERT INTO provider_callbacks (provider, event_id, operation_id, event, received_at, delivered_at)
SELECT 'gateway', 'evt_' || number, id, '{"type": "charge.succeeded"}', at, at
FROM made WHERE kind = 'payment'
""",
    """
INSERT INTO idempotency_keys (owner, key, fingerprint, status, body, created_at)
SELECT 'key_1', 'key-' || number, sha256(id::bytea), 201, id::bytea, at FROM made
WHERE number % 4 = 0
""",
    """
INSERT INTO operation_routes (operation_id, engine, reason, flag_key)
SELECT id, 'legacy', 'default', 'renewals-engine' FROM made WHERE kind LIKE 'kind%'
""",
    """
INSERT INTO legacy_operations (operation_id, kind, part, internal_status, state)
SELECT id, kind, 'registry-info', 'renew', 'ended' FROM made WHERE kind LIKE 'kind%'
""",
    """
INSERT INTO bulks (id, rate_per_s, counted, selected, selected_at)
SELECT id, 50, 100, 100, at FROM made WHERE number % 1000 = 999
""",
    """
INSERT INTO bulk_items (bulk_id, number, operation_id, state, at)
SELECT bulk.id, place, 'tfr_' || place, 'done', at
FROM made AS bulk CROSS JOIN generate_series(1, 100) AS place WHERE number % 1000 = 999
""",
    """
INSERT INTO bulk_lists (id, actor, count, offered, taken_by, created_at)
SELECT 'list_' || number, 'key:key_1', 100, 100, id, at FROM made WHERE number % 1000 = 999
""",
    """
INSERT INTO bulk_list_ids (list_id, number, operation_id)
SELECT 'list_' || made.number, place, 'tfr_' || place
FROM made CROSS JOIN generate_series(1, 100) AS place WHERE made.number % 1000 = 999
""",
    """
INSERT INTO orders (id, asset, currency, customer_id, account_id, reference, side, price_minor,
    quantity_lots, time_in_force, post_only, self_trade, fee_basis_points, status, remaining_lots,
    reserved_lots, filled_lots, filled_minor, request_key, fingerprint, created_at)
SELECT pg_temp.id_of('ord', at, number), 'ASSET-' || number % 10, 'USD', 'customer-' || customer,
       account_id, 'reference-' || number, CASE WHEN number % 2 = 0 THEN 'sell' ELSE 'buy' END,
       amount_minor, 10, 'gtc', false, 'expire_taker', 100, is_now.status, lots, lots, 0, 0,
       'key-' || number, sha256(id::bytea), at
FROM made CROSS JOIN LATERAL (
    SELECT CASE WHEN number % 500 = 0 THEN 'open' ELSE 'cancelled' END AS status,
           CASE WHEN number % 500 = 0 THEN 10 ELSE 0 END AS lots
) AS is_now
""",
    """
INSERT INTO order_requests (id, asset, order_id, command, actor, sequence, is_answered, request_key,
    created_at)
SELECT pg_temp.id_of('orq', at, number), 'ASSET-' || number % 10,
       pg_temp.id_of('ord', at, number), '[1,"cancel"]', 'key:key_1', number, true,
       'cancel-' || number, at
FROM made
""",
    """
INSERT INTO order_journal (asset, sequence, command, events, at)
SELECT 'ASSET-' || number % 10, number, '[1,"cancel"]', '[1]', at FROM made
""",
    """
INSERT INTO statements (id, source, account_id, currency, format, their_id, from_on, to_on, lines,
    digest, part, file_name, loaded_by, loaded_at)
SELECT pg_temp.id_of('stm', at, number), 'SOURCE-' || customer, account_id, 'USD', 'camt053',
       'their-' || number, at::date, at::date, 1, sha256(id::bytea), 1, 'day.xml', 'key:key_1', at
FROM made WHERE kind = 'transfer'
""",
    """
INSERT INTO statement_lines (statement_id, source, account_id, line, booked_on, amount_minor,
    currency, refs, their_id, description, match_id, matched_by, matched_on)
SELECT pg_temp.id_of('stm', at, number), 'SOURCE-' || customer, account_id, 1, at::date,
       -amount_minor, 'USD', ARRAY[id], 'bank-' || number, 'transfer',
       CASE WHEN number % 10 <> 0 THEN number END,
       CASE WHEN number % 10 <> 0 THEN 'reference' END,
       CASE WHEN number % 10 <> 0 THEN at::date END
FROM made WHERE kind = 'transfer'
""",
    """
INSERT INTO reconciled_entries (transfer_id, source, match_id, matched_by, matched_on)
SELECT pg_temp.id_of('ltr', at, 2 * number + 1), 'SOURCE-' || customer, number, 'reference',
       at::date
FROM made WHERE kind = 'transfer' AND number % 10 <> 0
""",
    """
INSERT INTO open_entries (account_id, source, transfer_id, amount_minor, currency, booked_at, refs)
SELECT account_id, 'SOURCE-' || customer, pg_temp.id_of('ltr', at, 2 * number + 1), -amount_minor,
       'USD', at, ARRAY[id]
FROM made WHERE kind = 'transfer' AND number % 10 = 0
""",
    """
INSERT INTO reconciliation_batches (operation_id, after, accounts, matched_lines, matched_entries,
    breaks, waiting, left_out)
SELECT 'rec_' || number / 100, account_id || number, 100, 90, 90, 1, 0, '[]'
FROM made WHERE kind = 'transfer'
""",
    """
INSERT INTO reconciliation_breaks (id, source, account_id, break_class, amount_minor, currency,
    line_ids, transfer_ids, proposals, told, found_on, found_by, seen_on, seen_by, ended_on,
    resolution, closed_by)
SELECT pg_temp.id_of('brk', at, number), 'SOURCE-' || customer, account_id, 'timing', amount_minor,
       'USD', ARRAY[number], ARRAY[pg_temp.id_of('ltr', at, 2 * number + 1)], '[]', 'told',
       at::date, 'rec_' || number / 100, at::date, 'rec_' || number / 100,
       CASE WHEN number % 500 <> 0 THEN at::date END,
       CASE WHEN number % 500 <> 0 THEN 'seen' END,
       CASE WHEN number % 500 <> 0 THEN 'rec_' || number / 100 END
FROM made WHERE kind = 'transfer' AND number % 2 = 0
""",
)

_BALANCES: Final = """
INSERT INTO ledger_balances (account_id, shard, debits_pending_minor, debits_posted_minor,
    credits_pending_minor, credits_posted_minor)
SELECT account_id, 0, coalesce(sum(amount_minor) FILTER (WHERE is_debit AND is_held), 0),
       coalesce(sum(amount_minor) FILTER (WHERE is_debit AND is_posted), 0),
       coalesce(sum(amount_minor) FILTER (WHERE NOT is_debit AND is_held), 0),
       coalesce(sum(amount_minor) FILTER (WHERE NOT is_debit AND is_posted), 0)
FROM (
    SELECT account_id, is_debit, t.amount_minor, h.transfer_id IS NOT NULL AS is_held,
           t.kind IN ('posted', 'post_pending') AS is_posted
    FROM ledger_transfers t LEFT JOIN ledger_open_holds h ON h.transfer_id = t.id
    CROSS JOIN LATERAL (VALUES (t.debit_account_id, true), (t.credit_account_id, false))
        AS side (account_id, is_debit)
) AS entry
GROUP BY account_id
"""


async def fill(pool: Pool, operations: int) -> None:
    """Write so many operations, spread over the year until now, with all that they leave."""
    customers = max(operations // OPERATIONS_PER_CUSTOMER, 1)
    began_at = utc_now() - timedelta(days=DAYS)
    apart_s = timedelta(days=DAYS).total_seconds() / operations
    async with pool.acquire() as connection:
        # What refers to what is known: to look each up would take longer than to write it.
        await connection.execute("SET session_replication_role = replica")
        for statement in (ID_OF, _HOUSE):
            await connection.execute(statement)
        await connection.execute(_CUSTOMERS, customers, began_at, timeout=_STATEMENT_S)
        for statement in _OF_CUSTOMERS:
            await connection.execute(statement, timeout=_STATEMENT_S)
        for first in range(1, operations + 1, _BATCH):
            last = min(first + _BATCH - 1, operations)
            await connection.execute(
                _OPERATIONS, first, last, customers, began_at, apart_s, KINDS, timeout=_STATEMENT_S
            )
            for statement in _ROWS:
                await connection.execute(statement, timeout=_STATEMENT_S)
            await connection.execute("DROP TABLE made")
        await connection.execute(_BALANCES, timeout=_STATEMENT_S)
        await connection.execute("RESET session_replication_role")
        await connection.execute("VACUUM ANALYZE", timeout=_STATEMENT_S)
