"""Who had payloads of Temporal's decoded, and whose; nothing of what is in them."""

from alembic import op

revision = "0040_payload_decodes"
down_revision = "0039_console_sessions"
branch_labels = None
depends_on = None

UP = """
-- Only ever added to.
CREATE TABLE payload_decodes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    namespace text NOT NULL,
    -- Of the keys: customer:…, operation:…, platform.
    owners text[] NOT NULL,
    payloads integer NOT NULL,
    unreadable integer NOT NULL,
    request_id text NOT NULL
)

CREATE FUNCTION refuse_payload_decode_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payload_decodes is append-only';
END $$

CREATE TRIGGER payload_decodes_append_only BEFORE UPDATE OR DELETE ON payload_decodes
    FOR EACH ROW EXECUTE FUNCTION refuse_payload_decode_edit()
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in UP.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE payload_decodes")
    op.execute("DROP FUNCTION refuse_payload_decode_edit()")
