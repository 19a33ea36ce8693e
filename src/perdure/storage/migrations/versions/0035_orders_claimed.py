"""An order says whose key placed it, and the database takes none in another's name."""

from alembic import op

revision = "0035_orders_claimed"
down_revision = "0034_erasing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN claimed_by text")
    # Not validated: what is there has nobody's.
    op.execute(
        "ALTER TABLE orders ADD CONSTRAINT orders_claimed"
        " CHECK (claimed_by = customer_id) NOT VALID"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN claimed_by")
