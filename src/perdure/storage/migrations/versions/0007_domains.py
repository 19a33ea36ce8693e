"""Domains, and who renews them."""

from alembic import op

revision = "0007_domains"
down_revision = "0006_limits"
branch_labels = None
depends_on = None

TABLES = """
-- The domain team's own truth. `renewing` is the operation that renews the domain now: whoever
-- claims it first renews it, and its end releases it. No foreign key: a claim may be another
-- system's. `renewed_by` is the operation that did so last.
CREATE TABLE domains (
    name text COLLATE "C" PRIMARY KEY,
    tld text NOT NULL,
    customer_id text NOT NULL,
    expires_on date NOT NULL,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'expired')),
    renewing text,
    renewed_by text,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80)

CREATE INDEX domains_customer ON domains (customer_id, name)

CREATE INDEX domains_renewing ON domains (renewing) WHERE renewing IS NOT NULL
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE domains")
