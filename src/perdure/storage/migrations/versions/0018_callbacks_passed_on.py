"""When a callback was passed on, and looked into, beside when nothing is left to do about it."""

from alembic import op

revision = "0018_callbacks_passed_on"
down_revision = "0017_domains_tld"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE provider_callbacks ADD COLUMN passed_on_at timestamptz,"
        " ADD COLUMN looked_into_at timestamptz"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE provider_callbacks DROP COLUMN looked_into_at, DROP COLUMN passed_on_at"
    )
