"""Refunds."""

from alembic import op

revision = "0011_refunds"
down_revision = "0010_bulk"
branch_labels = None
depends_on = None

COLUMNS = ("refund_of", "refunded_by", "refund_refusal")

TABLES = """
-- `refunded_by` is the one place for a refund: taken under the lock of what is refunded, and given
-- up by a refund that came to nothing. `refund_refusal`: why there never will be one.
ALTER TABLE operations
    ADD COLUMN refund_of text REFERENCES operations (id),
    ADD COLUMN refunded_by text REFERENCES operations (id),
    ADD COLUMN refund_refusal jsonb

CREATE INDEX operations_refund_of ON operations (refund_of) WHERE refund_of IS NOT NULL

CREATE UNIQUE INDEX operations_refunded_by ON operations (refunded_by)
    WHERE refunded_by IS NOT NULL
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    # The indexes go with their columns.
    op.execute("ALTER TABLE operations " + ", ".join(f"DROP COLUMN {name}" for name in COLUMNS))
