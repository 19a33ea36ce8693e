"""A reference leads to the latest of the operations that were made of one request."""

from alembic import op

revision = "0015_reference_of_the_latest"
down_revision = "0014_budgets"
branch_labels = None
depends_on = None

CHANGES = """
-- What the caller asked for, where a correction or a relaunch made another request of it: by this
-- one the same request is known when it comes again.
ALTER TABLE operations ADD COLUMN original_request jsonb

DROP INDEX operations_reference

-- All that were made of one request have its reference; one of them, the latest, stands for it.
CREATE UNIQUE INDEX operations_reference
    ON operations (reference, customer_id, kind, coalesce(relaunched_as, ''))
    WHERE reference IS NOT NULL

-- Those relaunched before now left their reference with the first.
WITH RECURSIVE chain AS (
    SELECT id, reference, input->'request' AS request, relaunched_as FROM operations
    WHERE relaunch_of IS NULL AND relaunched_as IS NOT NULL AND reference IS NOT NULL
    UNION ALL
    SELECT later.id, chain.reference, chain.request, later.relaunched_as
    FROM chain JOIN operations AS later ON later.id = chain.relaunched_as
)
UPDATE operations SET reference = chain.reference, original_request = chain.request
FROM chain WHERE operations.id = chain.id AND operations.reference IS NULL
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in CHANGES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX operations_reference")
    op.execute("UPDATE operations SET reference = NULL WHERE relaunch_of IS NOT NULL")
    op.execute("ALTER TABLE operations DROP COLUMN original_request")
    op.execute(
        "CREATE UNIQUE INDEX operations_reference ON operations (kind, customer_id, reference)"
        " WHERE reference IS NOT NULL"
    )
