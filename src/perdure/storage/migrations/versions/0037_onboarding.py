"""Who was onboarded by what, and how each customer's identity stands."""

from alembic import op

revision = "0037_onboarding"
down_revision = "0036_bank_sync"
branch_labels = None
depends_on = None

UP = """
-- Which onboarding makes somebody a customer: one at a time.
CREATE TABLE onboardings (
    customer_id text PRIMARY KEY,
    operation_id text NOT NULL REFERENCES operations (id),
    released_at timestamptz,
    follow_up_at timestamptz,
    follow_up_begun_at timestamptz
)

CREATE INDEX onboardings_operation ON onboardings (operation_id)

CREATE INDEX onboardings_follow_ups_owed ON onboardings (follow_up_at)
    WHERE follow_up_at IS NOT NULL AND follow_up_begun_at IS NULL

CREATE TABLE identities (
    customer_id text PRIMARY KEY,
    operation_id text NOT NULL REFERENCES operations (id),
    -- The how manieth time it is checked, after approvals that ended.
    again integer NOT NULL,
    reference text NOT NULL,
    check_id text NOT NULL,
    state text NOT NULL,
    asked integer NOT NULL,
    approved_until timestamptz,
    recheck_started_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
)

CREATE INDEX identities_operation ON identities (operation_id)

CREATE INDEX identities_lapsing ON identities (approved_until)
    WHERE state = 'approved' AND approved_until IS NOT NULL AND recheck_started_at IS NULL
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in UP.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE identities, onboardings")
