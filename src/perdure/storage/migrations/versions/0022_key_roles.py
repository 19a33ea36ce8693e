"""The role that an API key was made with."""

from alembic import op

revision = "0022_key_roles"
down_revision = "0021_bulk_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Keys of before have their role's scopes as they were then.
    op.execute("ALTER TABLE api_keys ADD COLUMN role text")


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP COLUMN role")
