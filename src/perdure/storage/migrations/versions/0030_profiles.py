"""Customers' profiles, and who has been erased."""

from alembic import op

revision = "0030_profiles"
down_revision = "0029_legacy_shadow"
branch_labels = None
depends_on = None

TABLES = """
-- Who a customer is. What an erased one leaves here is the id, as a pseudonym.
CREATE TABLE profiles (
    customer_id text PRIMARY KEY,
    full_name text NOT NULL,
    email text,
    phone text,
    birth_date date,
    country text,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed', 'erased')),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (status = 'erased' OR (email IS NOT NULL AND birth_date IS NOT NULL
        AND country IS NOT NULL))
)

-- For whom nothing more is done, with a profile or without.
CREATE TABLE erased_customers (
    customer_id text PRIMARY KEY,
    -- What erases them, or did.
    operation_id text NOT NULL,
    -- What is older than this transaction may still take something in for them.
    begun_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    begun_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz
)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE erased_customers, profiles")
