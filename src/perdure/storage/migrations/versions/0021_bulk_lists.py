"""Lists of ids for a bulk, put together in several requests."""

from alembic import op

revision = "0021_bulk_lists"
down_revision = "0020_verifications"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE bulk_lists (
    id text PRIMARY KEY,
    actor text NOT NULL,
    count integer NOT NULL DEFAULT 0,
    -- With those it had already: where the numbers of the next part begin.
    offered bigint NOT NULL DEFAULT 0,
    taken_by text REFERENCES bulks (id),
    created_at timestamptz NOT NULL DEFAULT now()
)

CREATE TABLE bulk_list_ids (
    list_id text NOT NULL REFERENCES bulk_lists (id),
    number bigint NOT NULL,
    operation_id text NOT NULL,
    PRIMARY KEY (list_id, number)
)

CREATE UNIQUE INDEX bulk_list_ids_operation ON bulk_list_ids (list_id, operation_id)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE bulk_list_ids, bulk_lists")
