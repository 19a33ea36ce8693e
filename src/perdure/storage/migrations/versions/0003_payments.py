"""Notifications, and what customers paid each day."""

from alembic import op

revision = "0003_payments"
down_revision = "0002_operations"
branch_labels = None
depends_on = None

TABLES = """
-- Messages owed: written in the commit of what they tell, so that none is lost.
CREATE TABLE notifications (
    id text PRIMARY KEY,
    operation_id text NOT NULL REFERENCES operations (id),
    audience text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms')),
    recipient text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'rejected')),
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
)

CREATE INDEX notifications_operation ON notifications (operation_id)

CREATE INDEX notifications_pending ON notifications (created_at) WHERE state = 'pending'

-- What counts against a customer's daily limit; a payment that is undone is taken off again.
CREATE TABLE payment_daily_totals (
    customer_id text NOT NULL,
    currency text NOT NULL,
    day date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (customer_id, currency, day)
)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE payment_daily_totals, notifications")
