"""Flags, and the record of their changes; API keys of one customer."""

from alembic import op

revision = "0009_flags"
down_revision = "0008_operator_actions"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE flags (
    key text PRIMARY KEY,
    enabled boolean NOT NULL,
    variants text[] NOT NULL,
    default_variant text NOT NULL CHECK (default_variant = ANY (variants)),
    rules jsonb NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    updated_at timestamptz NOT NULL DEFAULT now()
)

-- Who changed a flag, when and why. Only ever added to.
CREATE TABLE flag_changes (
    flag_key text NOT NULL REFERENCES flags (key),
    version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    reason text NOT NULL,
    before jsonb,
    after jsonb NOT NULL,
    PRIMARY KEY (flag_key, version)
)

CREATE FUNCTION refuse_flag_change_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'flag_changes is append-only';
END $$

CREATE TRIGGER flag_changes_append_only BEFORE UPDATE OR DELETE ON flag_changes
    FOR EACH ROW EXECUTE FUNCTION refuse_flag_change_edit()

-- Which engine renews domains; a house that comes from another one begins with that one.
INSERT INTO flags (key, enabled, variants, default_variant, rules, version)
    VALUES ('renewals-engine', true, '{legacy,perdure}', 'perdure', '[]', 1)

INSERT INTO flag_changes (flag_key, version, actor, reason, after)
    VALUES ('renewals-engine', 1, 'system', 'The flag came with the tables.',
        '{"enabled": true, "variants": ["legacy", "perdure"], "default_variant": "perdure",
        "rules": []}')

-- An empty customer is none, and a key of none would see nothing.
ALTER TABLE api_keys ADD CONSTRAINT api_keys_customer CHECK (customer_id <> '')
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP CONSTRAINT api_keys_customer")
    op.execute("DROP TABLE flag_changes, flags")
    op.execute("DROP FUNCTION refuse_flag_change_edit")
