"""Operations, their effects, steps and trail; provider calls and callbacks."""

from alembic import op

revision = "0002_operations"
down_revision = "0001_ledger"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE operations (
    id text PRIMARY KEY,
    kind text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'processing', 'waiting', 'unknown',
        'needs_attention', 'reversing', 'succeeded', 'failed', 'cancelled')),
    customer_id text NOT NULL,
    reference text,
    input jsonb NOT NULL,
    result jsonb,
    failure jsonb,
    metadata jsonb NOT NULL DEFAULT '{}',
    cancel_request jsonb,
    workflow_started_at timestamptz,
    checked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled')))
) WITH (fillfactor = 80)

-- A caller's own reference names one operation of a kind: a file imported twice adds nothing.
CREATE UNIQUE INDEX operations_reference ON operations (kind, customer_id, reference)
    WHERE reference IS NOT NULL

CREATE INDEX operations_kind ON operations (kind, id)

CREATE INDEX operations_customer ON operations (customer_id, id)

-- The janitor's looks: few rows match, whatever the number of rows.
CREATE INDEX operations_not_started ON operations (created_at)
    WHERE workflow_started_at IS NULL AND finished_at IS NULL

CREATE INDEX operations_stale ON operations (greatest(updated_at, checked_at))
    WHERE finished_at IS NULL

-- What is open, by status: the operators' lists.
CREATE INDEX operations_open ON operations (status, id) WHERE finished_at IS NULL

-- What a step did, once: found again by whoever runs the step again.
CREATE TABLE effects (
    operation_id text NOT NULL REFERENCES operations (id),
    step text NOT NULL,
    fingerprint bytea NOT NULL,
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (operation_id, step)
)

-- Each attempt at a step, for people.
CREATE TABLE operation_steps (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id text NOT NULL REFERENCES operations (id),
    step text NOT NULL,
    attempt integer NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('running', 'succeeded', 'failed', 'unknown')),
    error jsonb,
    provider_reference text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz
)

CREATE INDEX operation_steps_operation ON operation_steps (operation_id, id)

-- Who did what to an operation, when and why. Only ever added to.
CREATE TABLE operation_trail (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id text NOT NULL REFERENCES operations (id),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    status text NOT NULL,
    reason text,
    data jsonb
)

CREATE INDEX operation_trail_operation ON operation_trail (operation_id, id)

-- A call to the outside that must not be made twice: committed before it is made.
CREATE TABLE provider_calls (
    operation_id text NOT NULL REFERENCES operations (id),
    step text NOT NULL,
    provider text NOT NULL,
    reference text NOT NULL,
    state text NOT NULL CHECK (state IN ('intended', 'unknown', 'answered', 'refused', 'not_made')),
    lease_until timestamptz NOT NULL,
    calls integer NOT NULL DEFAULT 0,
    inquiries integer NOT NULL DEFAULT 0,
    answer jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (operation_id, step)
)

CREATE INDEX provider_calls_open ON provider_calls (created_at)
    WHERE state IN ('intended', 'unknown')

-- What providers told us by themselves; kept before it is acted on.
CREATE TABLE provider_callbacks (
    provider text NOT NULL,
    event_id text NOT NULL,
    operation_id text,
    event jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    deliveries integer NOT NULL DEFAULT 1,
    PRIMARY KEY (provider, event_id)
)

CREATE INDEX provider_callbacks_undelivered ON provider_callbacks (received_at)
    WHERE delivered_at IS NULL AND operation_id IS NOT NULL

CREATE INDEX provider_callbacks_operation ON provider_callbacks (operation_id)

CREATE TABLE janitor_marks (
    name text PRIMARY KEY,
    mark timestamptz NOT NULL
)

"""

APPEND_ONLY = """
CREATE FUNCTION refuse_trail_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'operation_trail is append-only';
END $$

CREATE TRIGGER operation_trail_append_only BEFORE UPDATE OR DELETE ON operation_trail
    FOR EACH ROW EXECUTE FUNCTION refuse_trail_change()
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in (TABLES + APPEND_ONLY).strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        "DROP TABLE janitor_marks, provider_callbacks, provider_calls, operation_trail,"
        " operation_steps, effects, operations"
    )
    op.execute("DROP FUNCTION refuse_trail_change")
