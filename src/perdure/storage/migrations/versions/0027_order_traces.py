"""An order keeps the trace that it came in with: its trades are part of it."""

from alembic import op

revision = "0027_order_traces"
down_revision = "0026_legacy_operations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN traceparent text")


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN traceparent")
