"""Orders for assets: what may be traded, the orders, the journal of each book, what is asked of it.

Times are milliseconds where the book knows them. Each instrument's row is written with each commit
of its writer, and so is each order's while it lives: room is left for that beside them.
"""

from alembic import op

revision = "0025_orders"
down_revision = "0024_interactive_workers"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE instruments (
    asset text PRIMARY KEY,
    currency text NOT NULL,
    fee_basis_points integer NOT NULL,
    tick_minor bigint NOT NULL,
    price_low_minor bigint NOT NULL,
    price_high_minor bigint NOT NULL,
    quantity_max_lots integer NOT NULL,
    is_halted boolean NOT NULL DEFAULT false,
    -- Of the last command of the journal, and of the last trade.
    sequence bigint NOT NULL DEFAULT 0,
    trade_number bigint NOT NULL DEFAULT 0,
    -- Who writes, and when it last said that it lives; another takes over from one that does not.
    writer text,
    seen_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20)

-- The order in which all that is asked of a book came in.
CREATE SEQUENCE order_intake

CREATE TABLE orders (
    id text COLLATE "C" PRIMARY KEY,
    intake bigint NOT NULL DEFAULT nextval('order_intake'),
    asset text NOT NULL,
    currency text NOT NULL,
    customer_id text NOT NULL,
    account_id text NOT NULL,
    reference text,
    contact jsonb NOT NULL DEFAULT '{}',
    side text NOT NULL,
    price_minor bigint NOT NULL,
    quantity_lots integer NOT NULL,
    time_in_force text NOT NULL,
    post_only boolean NOT NULL,
    self_trade text NOT NULL,
    expires_at_ms bigint,
    fee_basis_points integer NOT NULL,
    status text NOT NULL,
    reason text,
    remaining_lots integer NOT NULL,
    filled_lots integer NOT NULL DEFAULT 0,
    filled_minor bigint NOT NULL DEFAULT 0,
    priority bigint,
    -- What a buy has on hold in the ledger, and by which transfer.
    hold_id text,
    hold_minor bigint NOT NULL DEFAULT 0,
    -- What the asset service is to keep of a sell, and which of its reductions it has confirmed.
    reserved_lots integer NOT NULL DEFAULT 0,
    reserved_version integer NOT NULL DEFAULT 0,
    reduced_version integer NOT NULL DEFAULT 0,
    -- Whether the asset service may have been asked for the reservation.
    is_asked boolean NOT NULL DEFAULT false,
    -- When somebody looks after what is to be said to the asset service; null: nothing is.
    look_at timestamptz,
    version integer NOT NULL DEFAULT 1,
    -- Of the request that placed it: whose key it was, and what it asked for.
    request_key text UNIQUE,
    fingerprint bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70)

CREATE UNIQUE INDEX orders_reference ON orders (customer_id, reference) WHERE reference IS NOT NULL

CREATE INDEX orders_customer ON orders (customer_id, id)

CREATE INDEX orders_asset ON orders (asset, id)

CREATE INDEX orders_entering ON orders (asset, intake) WHERE status = 'entering'

CREATE INDEX orders_open ON orders (asset, side, price_minor)
    WHERE status IN ('open', 'partly_filled')

CREATE INDEX orders_look ON orders (look_at) WHERE look_at IS NOT NULL

CREATE TABLE order_journal (
    asset text NOT NULL,
    sequence bigint NOT NULL,
    command text NOT NULL,
    events text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (asset, sequence)
)

-- What is asked of a book beside new orders: to cancel, to replace, to halt.
CREATE TABLE order_requests (
    id text PRIMARY KEY,
    intake bigint NOT NULL DEFAULT nextval('order_intake'),
    asset text NOT NULL,
    order_id text,
    command text NOT NULL,
    actor text NOT NULL,
    reason text,
    -- What becomes of it: the number in the journal, or why it never came there.
    sequence bigint,
    refusal text,
    is_answered boolean NOT NULL DEFAULT false,
    request_key text UNIQUE,
    fingerprint bytea,
    created_at timestamptz NOT NULL DEFAULT now()
)

CREATE INDEX order_requests_waiting ON order_requests (asset, intake) WHERE NOT is_answered

CREATE INDEX order_requests_order ON order_requests (order_id, intake)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE order_requests, order_journal, orders, instruments")
    op.execute("DROP SEQUENCE order_intake")
