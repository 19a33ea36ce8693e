"""Bulk actions and their items."""

from alembic import op

revision = "0010_bulk"
down_revision = "0009_flags"
branch_labels = None
depends_on = None

TABLES = """
-- What changes about a bulk while it runs; what was asked for is in its operation's input.
CREATE TABLE bulks (
    id text PRIMARY KEY REFERENCES operations (id),
    rate_per_s double precision NOT NULL CHECK (rate_per_s > 0),
    -- How many matched when it was asked for: never more are selected.
    counted integer NOT NULL CHECK (counted > 0),
    selected integer NOT NULL DEFAULT 0 CHECK (selected <= counted),
    -- Where the next batch of the selection begins.
    selected_through text,
    selected_at timestamptz,
    undo_of text REFERENCES bulks (id)
)

CREATE INDEX bulks_undo_of ON bulks (undo_of) WHERE undo_of IS NOT NULL

-- No foreign key to the operations: a list may name what there is none of.
CREATE TABLE bulk_items (
    bulk_id text NOT NULL REFERENCES bulks (id),
    number integer NOT NULL,
    operation_id text NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'done', 'refused', 'failed', 'skipped')),
    code text,
    message text,
    new_operation_id text,
    at timestamptz,
    PRIMARY KEY (bulk_id, number)
)

-- An operation is acted on once in a bulk.
CREATE UNIQUE INDEX bulk_items_operation ON bulk_items (bulk_id, operation_id)

-- What is next, what came of it, and how many there are of each.
CREATE INDEX bulk_items_state ON bulk_items (bulk_id, state, number)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE bulk_items, bulks")
