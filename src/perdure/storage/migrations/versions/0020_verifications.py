"""What `verify` has looked at: its runs, and the balances that the entries until then add up to."""

from alembic import op

revision = "0020_verifications"
down_revision = "0019_interactive_lanes"
branch_labels = None
depends_on = None

TABLES = """
-- A run of `perdure verify`. What was committed by transactions that began before `through` it has
-- seen; the next run looks at what changed since that of the latest one that found nothing.
CREATE TABLE verifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    through timestamptz NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_whole boolean NOT NULL,
    -- Of the queries: where others are asked, everything is looked at.
    fingerprint bytea NOT NULL,
    violations integer NOT NULL
)

-- What each account's entries before that `through` add up to.
CREATE TABLE ledger_verified_balances (
    account_id text COLLATE "C" PRIMARY KEY,
    debits_pending_minor bigint NOT NULL,
    debits_posted_minor bigint NOT NULL,
    credits_pending_minor bigint NOT NULL,
    credits_posted_minor bigint NOT NULL
)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in TABLES.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE ledger_verified_balances, verifications")
