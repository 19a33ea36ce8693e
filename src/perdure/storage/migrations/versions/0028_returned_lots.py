"""What a sell keeps no more at the asset service, as its trades came to nothing before a block."""

from alembic import op

revision = "0028_returned_lots"
down_revision = "0027_order_traces"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN returned_lots integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN returned_lots")
