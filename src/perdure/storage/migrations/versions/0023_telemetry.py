"""For traces and the error tracker: the trace of an operation, where it was raised, what broke."""

from alembic import op

revision = "0023_telemetry"
down_revision = "0022_key_roles"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE operations ADD COLUMN traceparent text

-- Of an attempt that ended by a defect: its type, and where it was raised.
ALTER TABLE operation_steps ADD COLUMN raised jsonb

-- Operations that broke down for good, until they were told of: a day at most.
CREATE TABLE operation_breakdowns (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id text NOT NULL REFERENCES operations (id),
    status text NOT NULL,
    code text NOT NULL,
    step text,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE operation_breakdowns")
    op.execute("ALTER TABLE operation_steps DROP COLUMN raised")
    op.execute("ALTER TABLE operations DROP COLUMN traceparent")
