"""Lanes; and lists of operations of all kinds, newest first."""

from alembic import op

revision = "0005_lanes"
down_revision = "0004_api"
branch_labels = None
depends_on = None

TABLES = """
-- Null: a workflow of its own carries the operation out, or will.
ALTER TABLE operations ADD COLUMN lane smallint

CREATE INDEX operations_lane ON operations (kind, lane, id)
    WHERE lane IS NOT NULL AND finished_at IS NULL

-- The janitor's looks leave alone what is in a lane: a flood of it must not slow them.
DROP INDEX operations_not_started

CREATE INDEX operations_not_started ON operations (created_at)
    WHERE workflow_started_at IS NULL AND finished_at IS NULL AND lane IS NULL

DROP INDEX operations_stale

CREATE INDEX operations_stale ON operations (greatest(updated_at, checked_at))
    WHERE finished_at IS NULL AND lane IS NULL

-- An id without its prefix, 26 characters, sorts by time whatever the kind.
DROP INDEX operations_kind

CREATE INDEX operations_kind ON operations (kind, right(id, 26) COLLATE "C")

DROP INDEX operations_customer

CREATE INDEX operations_customer ON operations (customer_id, right(id, 26) COLLATE "C")

CREATE INDEX operations_newest ON operations (right(id, 26) COLLATE "C")
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    for index in ("lane", "not_started", "stale", "kind", "customer", "newest"):
        op.execute(f"DROP INDEX operations_{index}")
    op.execute("ALTER TABLE operations DROP COLUMN lane")
    op.execute(
        "CREATE INDEX operations_not_started ON operations (created_at)"
        " WHERE workflow_started_at IS NULL AND finished_at IS NULL"
    )
    op.execute(
        "CREATE INDEX operations_stale ON operations (greatest(updated_at, checked_at))"
        " WHERE finished_at IS NULL"
    )
    op.execute("CREATE INDEX operations_kind ON operations (kind, id)")
    op.execute("CREATE INDEX operations_customer ON operations (customer_id, id)")
