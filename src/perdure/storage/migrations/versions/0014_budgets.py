"""A provider without a limit has a budget too: what the fleet knows of how it answers."""

from alembic import op

revision = "0014_budgets"
down_revision = "0013_redelivery"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE limits DROP CONSTRAINT limits_check")


def downgrade() -> None:
    op.execute("DELETE FROM limits WHERE per_second IS NULL AND at_once IS NULL")
    op.execute(
        "ALTER TABLE limits ADD CONSTRAINT limits_check"
        " CHECK (per_second IS NOT NULL OR at_once IS NOT NULL)"
    )
