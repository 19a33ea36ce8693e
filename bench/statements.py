"""The SQL of the peers that bring no ledger of their own: one text for every driver.

Placeholders are PostgreSQL's own (`$1`): asyncpg speaks them, psycopg does with raw cursors.
"""

from typing import Final

SCHEMA: Final = """
CREATE TABLE accounts (
    id integer PRIMARY KEY,
    status text NOT NULL,
    currency text NOT NULL,
    balance_minor bigint NOT NULL,
    held_minor bigint NOT NULL DEFAULT 0,
    CHECK (held_minor >= 0 AND balance_minor >= held_minor)
);
CREATE TABLE payments (
    id text PRIMARY KEY,
    account_id integer NOT NULL REFERENCES accounts (id),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    status text NOT NULL DEFAULT 'pending',
    -- A state machine's own columns; only the Celery peer writes them.
    internal_status text NOT NULL DEFAULT 'accepted',
    payout_id text,
    attempts integer NOT NULL DEFAULT 0,
    next_check_at timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE INDEX payments_to_reconcile ON payments (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE TABLE holds (
    payment_id text PRIMARY KEY REFERENCES payments (id),
    account_id integer NOT NULL REFERENCES accounts (id),
    amount_minor bigint NOT NULL,
    state text NOT NULL DEFAULT 'pending'
);
CREATE TABLE entries (
    payment_id text NOT NULL REFERENCES payments (id),
    account text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (payment_id, account)
);
CREATE TABLE notifications (
    payment_id text PRIMARY KEY REFERENCES payments (id),
    sent_at timestamptz NOT NULL DEFAULT now()
);
"""

OPEN_ACCOUNTS: Final = """
INSERT INTO accounts (id, status, currency, balance_minor)
SELECT number, 'open', $3, $2 FROM generate_series(0, $1::integer - 1) AS number
"""

ACCEPT: Final = "INSERT INTO payments (id, account_id, amount_minor) VALUES ($1, $2, $3)"

VALIDATE: Final = """
SELECT status = 'open' AND balance_minor - held_minor >= $2 FROM accounts WHERE id = $1
"""

# A hold that is there was made by an earlier attempt, whose commit took the money aside too.
HOLD: Final = """
INSERT INTO holds (payment_id, account_id, amount_minor) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING payment_id
"""
SET_ASIDE: Final = """
UPDATE accounts SET held_minor = held_minor + $2
WHERE id = $1 AND balance_minor - held_minor >= $2 RETURNING id
"""
PROCESSING: Final = "UPDATE payments SET status = 'processing' WHERE id = $1"

POST_HOLD: Final = """
UPDATE holds SET state = 'posted' WHERE payment_id = $1 AND state = 'pending' RETURNING payment_id
"""
TAKE: Final = """
UPDATE accounts SET held_minor = held_minor - $2, balance_minor = balance_minor - $2 WHERE id = $1
"""
ENTRIES: Final = """
INSERT INTO entries (payment_id, account, amount_minor)
VALUES ($1, 'account:' || $2::text, -$3::bigint), ($1, 'gateway_clearing', $3::bigint)
"""
SUCCEEDED: Final = "UPDATE payments SET status = 'succeeded', payout_id = $2 WHERE id = $1"

NOTIFIED: Final = "INSERT INTO notifications (payment_id) VALUES ($1) ON CONFLICT DO NOTHING"
FINISHED: Final = """
UPDATE payments SET finished_at = clock_timestamp() WHERE id = $1 AND finished_at IS NULL
"""

MARK_DONE: Final = "UPDATE payments SET internal_status = 'done' WHERE finished_at IS NOT NULL"

FINISHED_OF: Final = """
SELECT id, extract(epoch FROM finished_at)::float8 AS finished_at_s FROM payments
WHERE id = ANY ($1::text[]) AND finished_at IS NOT NULL
"""

TOTALS: Final = """
SELECT
    (SELECT count(*) FROM payments WHERE status = 'succeeded' AND finished_at IS NOT NULL)
        AS succeeded,
    (SELECT coalesce(sum(amount_minor), 0)::bigint FROM payments) AS accepted_minor,
    (SELECT coalesce(sum(amount_minor), 0)::bigint FROM entries
     WHERE account = 'gateway_clearing') AS posted_minor,
    (SELECT coalesce(sum(amount_minor), 0)::bigint FROM entries) AS imbalance_minor,
    (SELECT count(*) FROM entries) AS entries,
    (SELECT count(*) FROM notifications) AS notifications,
    (SELECT coalesce(sum(held_minor), 0)::bigint FROM accounts) AS held_minor,
    (SELECT sum(balance_minor)::bigint FROM accounts) AS balance_minor
"""
