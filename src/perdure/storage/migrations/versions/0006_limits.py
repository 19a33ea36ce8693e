"""Limits of providers: how many calls a second, and how many at once."""

from alembic import op

revision = "0006_limits"
down_revision = "0005_lanes"
branch_labels = None
depends_on = None

TABLES = """
-- The limit, and the state of its budget: a row that every process that calls the provider locks
-- some times a second.
CREATE TABLE limits (
    provider text PRIMARY KEY,
    per_second double precision CHECK (per_second > 0),
    at_once integer CHECK (at_once > 0),
    budget jsonb NOT NULL,
    CHECK (per_second IS NOT NULL OR at_once IS NOT NULL)
) WITH (fillfactor = 20)

-- What each process holds of it; what is not asked for again falls free.
CREATE TABLE limit_shares (
    provider text NOT NULL REFERENCES limits (provider) ON DELETE CASCADE,
    process text NOT NULL,
    wanted integer NOT NULL,
    slots integer NOT NULL,
    lease_until timestamptz NOT NULL,
    PRIMARY KEY (provider, process)
) WITH (fillfactor = 20)

CREATE TABLE limit_changes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    reason text NOT NULL,
    before jsonb,
    after jsonb
)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE limit_changes, limit_shares, limits")
