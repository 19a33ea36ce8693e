"""When a message's delivery was last seen to, so that each gets its turn and no message two."""

from alembic import op

revision = "0013_redelivery"
down_revision = "0012_legacy_renewals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE notifications ADD COLUMN redelivered_at timestamptz")
    op.execute("DROP INDEX notifications_pending")
    op.execute(
        "CREATE INDEX notifications_pending"
        " ON notifications (coalesce(redelivered_at, created_at)) WHERE state = 'pending'"
    )


def downgrade() -> None:
    op.execute("DROP INDEX notifications_pending")
    op.execute("ALTER TABLE notifications DROP COLUMN redelivered_at")
    op.execute(
        "CREATE INDEX notifications_pending ON notifications (created_at) WHERE state = 'pending'"
    )
