"""What the ledger keeps here where TigerBeetle has the balances (docs/adr/0052)."""

from alembic import op

revision = "0033_tigerbeetle"
down_revision = "0032_payload_keys"
branch_labels = None
depends_on = None

# A row of `ledger_tigerbeetle`: this database's balances are at that cluster, all with that
# namespace, and nowhere else; while it is moving, they are still here.
# `ledger_tigerbeetle_ids` decides of each reservation there whether it counts: who is first to
# write its id here, with a transfer or as given up, has decided.
# `ledger_tigerbeetle_owed` has what is committed here and not yet known to be written there;
# `needs` are the accounts whose money it takes, freed by what the same transaction owes before it.
UP = """
CREATE TABLE ledger_tigerbeetle (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    cluster_id text NOT NULL,
    namespace bigint NOT NULL CHECK (namespace > 0),
    is_moving boolean NOT NULL DEFAULT false,
    looked_through_ns bigint NOT NULL DEFAULT 0
)

CREATE TABLE ledger_tigerbeetle_ids (
    tigerbeetle_id uuid PRIMARY KEY,
    transfer_id text COLLATE "C" NOT NULL,
    given_up boolean NOT NULL DEFAULT false
)

CREATE UNIQUE INDEX ledger_tigerbeetle_ids_transfer ON ledger_tigerbeetle_ids (transfer_id)
    WHERE NOT given_up

CREATE TABLE ledger_tigerbeetle_owed (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    tigerbeetle_id uuid NOT NULL,
    transfer_id text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('posted', 'pending', 'post_pending', 'void_pending')),
    debit_account_id text COLLATE "C" NOT NULL,
    credit_account_id text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    pending_id uuid,
    held_minor bigint NOT NULL DEFAULT 0,
    needs text[] NOT NULL DEFAULT '{}',
    owed_at timestamptz NOT NULL DEFAULT now()
)

CREATE INDEX ledger_tigerbeetle_owed_transaction ON ledger_tigerbeetle_owed (transaction)

CREATE INDEX ledger_tigerbeetle_owed_id ON ledger_tigerbeetle_owed (tigerbeetle_id)

CREATE INDEX ledger_tigerbeetle_owed_debit ON ledger_tigerbeetle_owed (debit_account_id)

CREATE INDEX ledger_tigerbeetle_owed_credit ON ledger_tigerbeetle_owed (credit_account_id)

CREATE TABLE ledger_tigerbeetle_sessions (
    id uuid PRIMARY KEY,
    process text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    # One statement a call: the driver prepares each. A blank line separates them.
    for statement in UP.strip().split("\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        "DROP TABLE ledger_tigerbeetle_sessions, ledger_tigerbeetle_owed, ledger_tigerbeetle_ids,"
        " ledger_tigerbeetle"
    )
