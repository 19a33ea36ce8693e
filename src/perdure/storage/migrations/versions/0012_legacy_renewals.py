"""The renewals of the system that Perdure replaces."""

from alembic import op

revision = "0012_legacy_renewals"
down_revision = "0011_refunds"
branch_labels = None
depends_on = None

TABLES = """
-- Which system took an operation, and why: decided once.
CREATE TABLE operation_routes (
    operation_id text PRIMARY KEY REFERENCES operations (id),
    engine text NOT NULL,
    reason text NOT NULL,
    flag_key text NOT NULL,
    flag_version integer,
    decided_at timestamptz NOT NULL DEFAULT now()
)

CREATE TABLE legacy_renewals (
    operation_id text PRIMARY KEY REFERENCES operations (id),
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'ended', 'moved')),
    attempts integer NOT NULL DEFAULT 0,
    error text,
    queued_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now()
)

CREATE INDEX legacy_renewals_due ON legacy_renewals (due_at) WHERE state IN ('queued', 'running')
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE legacy_renewals, operation_routes")
