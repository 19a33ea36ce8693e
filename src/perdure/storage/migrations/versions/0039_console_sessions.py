"""Sessions of the console: the digest of each one's token, and the key that signed in."""

from alembic import op

revision = "0039_console_sessions"
down_revision = "0038_reconciliation"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE console_sessions (
    token_sha256 bytea PRIMARY KEY,
    api_key_id text NOT NULL REFERENCES api_keys (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
)
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE console_sessions")
