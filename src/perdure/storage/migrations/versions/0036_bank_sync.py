"""Customers' accounts at other banks: what is linked, what happened, and what a sync has read."""

from alembic import op

revision = "0036_bank_sync"
down_revision = "0035_orders_claimed"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE bank_items (
    id text COLLATE "C" PRIMARY KEY,
    customer_id text NOT NULL,
    provider_item_id text NOT NULL UNIQUE,
    institution text,
    status text NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'login_required', 'gone', 'unlinked')),
    access_token bytea,
    cursor text NOT NULL DEFAULT '',
    is_ready boolean NOT NULL DEFAULT false,
    syncing text,
    sync_again boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    synced_at timestamptz
)

CREATE INDEX bank_items_customer ON bank_items (customer_id, id)

CREATE TABLE bank_accounts (
    item_id text COLLATE "C" NOT NULL REFERENCES bank_items (id),
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    subtype text,
    mask text,
    currency text,
    PRIMARY KEY (item_id, id)
)

CREATE TABLE bank_transactions (
    item_id text COLLATE "C" NOT NULL REFERENCES bank_items (id),
    id text COLLATE "C" NOT NULL,
    customer_id text NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    booked_on date NOT NULL,
    authorized_on date,
    at timestamptz,
    name text NOT NULL,
    merchant text,
    merchant_key text,
    method text,
    channel text,
    pending boolean NOT NULL,
    pending_id text,
    category_primary text,
    category_detailed text,
    category_confidence text,
    flags jsonb NOT NULL DEFAULT '[]',
    mirror_account_id text COLLATE "C" NOT NULL,
    entry_id text COLLATE "C",
    sync_id text COLLATE "C" NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (item_id, id)
)

CREATE INDEX bank_transactions_latest ON bank_transactions (item_id, booked_on, id)

CREATE TABLE bank_syncs (
    operation_id text COLLATE "C" PRIMARY KEY REFERENCES operations (id),
    item_id text COLLATE "C" NOT NULL UNIQUE REFERENCES bank_items (id),
    started_from text NOT NULL,
    cursor text NOT NULL,
    pages integer NOT NULL DEFAULT 0,
    changes integer NOT NULL DEFAULT 0,
    empty_pages integer NOT NULL DEFAULT 0,
    restarts integer NOT NULL DEFAULT 0,
    is_full boolean NOT NULL DEFAULT false,
    is_complete boolean NOT NULL DEFAULT false,
    is_ready boolean NOT NULL DEFAULT false
)

CREATE TABLE bank_sync_pages (
    operation_id text COLLATE "C" NOT NULL REFERENCES bank_syncs (operation_id) ON DELETE CASCADE,
    number integer NOT NULL,
    next_cursor text NOT NULL,
    changes jsonb NOT NULL,
    merchants jsonb,
    categories jsonb,
    flags jsonb,
    PRIMARY KEY (operation_id, number)
)
"""

DOWN = """
DROP TABLE bank_sync_pages

DROP TABLE bank_syncs

DROP TABLE bank_transactions

DROP TABLE bank_accounts

DROP TABLE bank_items
"""


def upgrade() -> None:
    _run(UP)


def downgrade() -> None:
    _run(DOWN)


def _run(statements: str) -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in statements.strip().split("\n\n"):
        op.execute(statement)
