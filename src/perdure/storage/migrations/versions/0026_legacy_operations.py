"""What the system before this one still holds, of any kind, as its state machine has it."""

from alembic import op

revision = "0026_legacy_operations"
down_revision = "0025_orders"
branch_labels = None
depends_on = None

UP = """
DROP INDEX legacy_renewals_due

ALTER TABLE legacy_renewals RENAME TO legacy_operations

ALTER TABLE legacy_operations RENAME COLUMN attempts TO reconciliation_attempts

ALTER TABLE legacy_operations RENAME COLUMN due_at TO reconciliation_next_run_time

ALTER TABLE legacy_operations DROP CONSTRAINT legacy_renewals_state_check,
    ADD CONSTRAINT legacy_operations_state_check
    CHECK (state IN ('queued', 'sent', 'running', 'ended', 'moved')),
    ADD COLUMN kind text,
    ADD COLUMN part text,
    ADD COLUMN internal_status text,
    ADD COLUMN done jsonb NOT NULL DEFAULT '{}'

UPDATE legacy_operations SET kind = operations.kind, part = input->>'registry',
    internal_status = 'renew' FROM operations WHERE id = operation_id

ALTER TABLE legacy_operations ALTER COLUMN kind SET NOT NULL, ALTER COLUMN part SET NOT NULL,
    ALTER COLUMN internal_status SET NOT NULL

CREATE INDEX legacy_operations_due ON legacy_operations (kind, reconciliation_next_run_time)
    WHERE state IN ('queued', 'sent', 'running')

CREATE INDEX legacy_operations_part ON legacy_operations (part, queued_at)
    WHERE state IN ('queued', 'sent', 'running')
"""

DOWN = """
DROP INDEX legacy_operations_due

DROP INDEX legacy_operations_part

DELETE FROM legacy_operations WHERE kind <> 'renewal'

UPDATE legacy_operations SET state = 'queued' WHERE state = 'sent'

ALTER TABLE legacy_operations DROP CONSTRAINT legacy_operations_state_check,
    ADD CONSTRAINT legacy_renewals_state_check
    CHECK (state IN ('queued', 'running', 'ended', 'moved')),
    DROP COLUMN kind, DROP COLUMN part, DROP COLUMN internal_status, DROP COLUMN done

ALTER TABLE legacy_operations RENAME COLUMN reconciliation_attempts TO attempts

ALTER TABLE legacy_operations RENAME COLUMN reconciliation_next_run_time TO due_at

ALTER TABLE legacy_operations RENAME TO legacy_renewals

CREATE INDEX legacy_renewals_due ON legacy_renewals (due_at) WHERE state IN ('queued', 'running')
"""


FLAG = """
INSERT INTO flags (key, enabled, variants, default_variant, rules, version)
VALUES ('trades-engine', true, '{legacy,perdure}', 'perdure', '[]', 1) ON CONFLICT DO NOTHING

INSERT INTO flag_changes (flag_key, version, actor, reason, after)
VALUES ('trades-engine', 1, 'system', 'Perdure carries out all trades until this is changed.',
    '{"enabled": true, "variants": ["legacy", "perdure"], "default_variant": "perdure",
      "rules": []}') ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    _run(UP)
    _run(FLAG)


def downgrade() -> None:
    _run(DOWN)


def _run(statements: str) -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in statements.strip().split("\n\n"):
        op.execute(statement)
