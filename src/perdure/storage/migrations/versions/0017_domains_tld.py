"""A domain's TLD is worked out from the registries there are, no longer kept.

The column stays for what still runs of the release before; a later one drops it.
"""

from alembic import op

revision = "0017_domains_tld"
down_revision = "0016_request_id"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE domains ALTER COLUMN tld DROP NOT NULL")


def downgrade() -> None:
    op.execute("UPDATE domains SET tld = substring(name FROM '[^.]*$') WHERE tld IS NULL")
    op.execute("ALTER TABLE domains ALTER COLUMN tld SET NOT NULL")
