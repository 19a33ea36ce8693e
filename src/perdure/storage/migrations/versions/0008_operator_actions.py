"""What operators do to operations: parking, correcting, relaunching, deadlines."""

from alembic import op

revision = "0008_operator_actions"
down_revision = "0007_domains"
branch_labels = None
depends_on = None

COLUMNS = (
    "park_request",
    "reversal_begun_at",
    "deadline_at",
    "relaunch_of",
    "relaunched_as",
    "run_request",
    "run_requested_at",
)

TABLES = """
ALTER TABLE operations
    ADD COLUMN park_request jsonb,
    ADD COLUMN reversal_begun_at timestamptz,
    ADD COLUMN deadline_at timestamptz,
    ADD COLUMN relaunch_of text REFERENCES operations (id),
    ADD COLUMN relaunched_as text REFERENCES operations (id),
    ADD COLUMN run_request text CHECK (run_request IN ('resume', 'replace')),
    ADD COLUMN run_requested_at timestamptz

-- What was being undone when it was parked is undone further, whoever goes on with it.
UPDATE operations SET reversal_begun_at = updated_at
WHERE finished_at IS NULL AND (status = 'reversing' OR EXISTS (SELECT FROM operation_trail
    WHERE operation_id = operations.id AND action = 'reversal_begun'))

-- What failed is relaunched once.
CREATE UNIQUE INDEX operations_relaunch_of ON operations (relaunch_of)
    WHERE relaunch_of IS NOT NULL

CREATE INDEX operations_deadline ON operations (deadline_at)
    WHERE deadline_at IS NOT NULL AND finished_at IS NULL

-- What the engine is still to be told.
CREATE INDEX operations_run_requested ON operations (run_requested_at)
    WHERE run_requested_at IS NOT NULL

-- Null: the result holds for any input, as an operator has corrected it since.
ALTER TABLE effects ALTER COLUMN fingerprint DROP NOT NULL
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("UPDATE effects SET fingerprint = '' WHERE fingerprint IS NULL")
    op.execute("ALTER TABLE effects ALTER COLUMN fingerprint SET NOT NULL")
    # The indexes go with their columns.
    op.execute("ALTER TABLE operations " + ", ".join(f"DROP COLUMN {name}" for name in COLUMNS))
