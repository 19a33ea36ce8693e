"""Interactive lanes: what somebody waits for, of all kinds, read by time; and who is there."""

from alembic import op

revision = "0019_interactive_lanes"
down_revision = "0018_callbacks_passed_on"
branch_labels = None
depends_on = None

TABLES = """
-- Apart from floods' lanes, so that each change of an operation writes to one of the two.
CREATE INDEX operations_interactive ON operations (lane, (right(id, 26) COLLATE "C"))
    WHERE lane < -1 AND finished_at IS NULL

DROP INDEX operations_lane

CREATE INDEX operations_lane ON operations (kind, lane, id)
    WHERE lane >= 0 AND finished_at IS NULL

-- Where a pooler keeps no sessions: which worker has which interactive lanes, and that it lives.
CREATE TABLE lane_workers (
    process text PRIMARY KEY,
    lanes smallint[] NOT NULL DEFAULT '{}',
    seen_at timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE lane_workers")
    op.execute("DROP INDEX operations_lane")
    op.execute("DROP INDEX operations_interactive")
    op.execute(
        "CREATE INDEX operations_lane ON operations (kind, lane, id)"
        " WHERE lane IS NOT NULL AND finished_at IS NULL"
    )
