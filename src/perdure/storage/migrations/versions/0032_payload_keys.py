"""The keys that encrypt what Temporal keeps, each wrapped by a master key that is not here."""

from alembic import op

revision = "0032_payload_keys"
down_revision = "0031_archive"
branch_labels = None
depends_on = None

TABLES = """
-- One for each customer, or operation that is no one customer's. A row is never deleted: that its
-- secret was is what erases.
CREATE TABLE payload_keys (
    id text PRIMARY KEY,
    owner text NOT NULL UNIQUE,
    -- Which of the master keys wraps it.
    master text NOT NULL,
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Nothing more is encrypted with it since.
    retired_at timestamptz,
    CHECK (wrapped IS NOT NULL OR retired_at IS NOT NULL)
)

-- What is still to be wrapped anew.
CREATE INDEX payload_keys_master ON payload_keys (master) WHERE wrapped IS NOT NULL
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE payload_keys")
