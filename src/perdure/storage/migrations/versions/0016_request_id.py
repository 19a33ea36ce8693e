"""The request that led to an entry of a trail."""

from alembic import op

revision = "0016_request_id"
down_revision = "0015_reference_of_the_latest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE operation_trail ADD COLUMN request_id text")


def downgrade() -> None:
    op.execute("ALTER TABLE operation_trail DROP COLUMN request_id")
