"""API keys, idempotency keys and the record of deposits."""

from alembic import op

revision = "0004_api"
down_revision = "0003_payments"
branch_labels = None
depends_on = None

TABLES = """
-- A secret is 256 random bits, so a plain digest of it cannot be guessed backwards.
CREATE TABLE api_keys (
    id text PRIMARY KEY,
    name text NOT NULL,
    prefix text NOT NULL,
    secret_sha256 bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    customer_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
)

-- The first answer to a request, committed with what the request did.
CREATE TABLE idempotency_keys (
    owner text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key)
)

CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)

-- Who paid money in, and the bank's or caller's own name for it: one deposit of an account has it.
CREATE TABLE deposits (
    transfer_id text PRIMARY KEY,
    account_id text NOT NULL,
    reference text,
    actor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, reference)
)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE deposits, idempotency_keys, api_keys")
