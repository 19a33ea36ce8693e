"""What Perdure would have done of what the system before this one has ended, compared with it."""

from alembic import op

revision = "0029_legacy_shadow"
down_revision = "0028_returned_lots"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE legacy_operations ADD COLUMN compared_at timestamptz, ADD COLUMN difference text,
    ADD COLUMN differing jsonb

CREATE INDEX legacy_operations_uncompared ON legacy_operations (kind)
    WHERE state = 'ended' AND compared_at IS NULL

CREATE INDEX legacy_operations_compared ON legacy_operations (compared_at)
    INCLUDE (kind, difference)

CREATE INDEX legacy_operations_differing ON legacy_operations (compared_at)
    WHERE difference IS NOT NULL
"""

DOWN = """
DROP INDEX legacy_operations_uncompared

DROP INDEX legacy_operations_compared

DROP INDEX legacy_operations_differing

ALTER TABLE legacy_operations DROP COLUMN compared_at, DROP COLUMN difference,
    DROP COLUMN differing
"""


def upgrade() -> None:
    _run(UP)


def downgrade() -> None:
    _run(DOWN)


def _run(statements: str) -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in statements.strip().split("\n\n"):
        op.execute(statement)
