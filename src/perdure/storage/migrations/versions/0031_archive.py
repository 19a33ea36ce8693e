"""What is known of an operation that ended long ago, in one row, by the month of its end."""

from alembic import op

revision = "0031_archive"
down_revision = "0030_profiles"
branch_labels = None
depends_on = None

# The key begins with the operation: a month has millions of them, and one is looked for.
UP = """
CREATE TABLE archived_operations (
    operation_id text NOT NULL,
    month date NOT NULL,
    records json NOT NULL,
    PRIMARY KEY (operation_id, month)
) PARTITION BY RANGE (month)

CREATE TABLE archive_exports (
    month date PRIMARY KEY,
    file_name text NOT NULL,
    sha256 bytea NOT NULL,
    operations bigint NOT NULL,
    exported_at timestamptz NOT NULL DEFAULT now()
)

-- How far the operations were gone through, by the part of their ids that is the time.
CREATE TABLE archive_mark (through text COLLATE "C" NOT NULL)

INSERT INTO archive_mark VALUES ('')

-- What it went by, as it was not over; and what came back.
CREATE TABLE archive_later (
    operation_id text PRIMARY KEY,
    since timestamptz NOT NULL
)

CREATE INDEX archive_later_since ON archive_later (since)

CREATE FUNCTION archive_month(finished_at timestamptz) RETURNS date
LANGUAGE sql IMMUTABLE
RETURN date_trunc('month', finished_at AT TIME ZONE 'UTC')::date

CREATE FUNCTION archived_records(operation_id text, name text) RETURNS json
LANGUAGE sql STABLE
RETURN (
    SELECT records -> $2 FROM operations JOIN archived_operations AS archived
        ON archived.operation_id = operations.id AND month = archive_month(finished_at)
    WHERE operations.id = $1)

-- A trail's entries leave their table for the archive alone, and as they are.
CREATE FUNCTION refuse_trail_loss() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE NOT coalesce(
        archived_records(gone.operation_id, 'operation_trail')::jsonb
            @> jsonb_build_array(to_jsonb(gone)), false))
    THEN RAISE EXCEPTION 'operation_trail is append-only';
    END IF;
    RETURN NULL;
END $$

DROP TRIGGER operation_trail_append_only ON operation_trail

CREATE TRIGGER operation_trail_append_only BEFORE UPDATE ON operation_trail
    FOR EACH ROW EXECUTE FUNCTION refuse_trail_change()

CREATE TRIGGER operation_trail_leaves_for_the_archive AFTER DELETE ON operation_trail
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION refuse_trail_loss()
"""

DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM archived_operations) OR EXISTS (SELECT FROM archive_exports)
    THEN RAISE EXCEPTION 'operations are archived: bring them back first';
    END IF;
END $$

DROP TRIGGER operation_trail_leaves_for_the_archive ON operation_trail

DROP TRIGGER operation_trail_append_only ON operation_trail

CREATE TRIGGER operation_trail_append_only BEFORE UPDATE OR DELETE ON operation_trail
    FOR EACH ROW EXECUTE FUNCTION refuse_trail_change()

DROP FUNCTION refuse_trail_loss

DROP FUNCTION archived_records

DROP FUNCTION archive_month

DROP TABLE archive_later, archive_mark, archive_exports, archived_operations
"""


def upgrade() -> None:
    _run(UP)


def downgrade() -> None:
    _run(DOWN)


def _run(statements: str) -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in statements.strip().split("\n\n"):
        op.execute(statement)
