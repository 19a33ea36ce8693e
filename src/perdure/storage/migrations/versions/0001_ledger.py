"""The ledger: accounts, transfers, open holds and balances."""

from alembic import op

revision = "0001_ledger"
down_revision = None
branch_labels = None
depends_on = None

# Ids are compared byte by byte: faster than a language's order, and the same on every server.
ACCOUNTS = """
CREATE TABLE ledger_accounts (
    id text COLLATE "C" PRIMARY KEY,
    customer_id text,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('asset', 'liability', 'income', 'expense')),
    currency text NOT NULL,
    may_go_negative boolean NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'frozen', 'closed')),
    shards smallint NOT NULL CHECK (shards > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- A floor is checked against one row, so it has to be the only one.
    CHECK (may_go_negative OR shards = 1)
)
"""

# No foreign key to the accounts: it would lock a hot account's row for every transfer. The
# statement that inserts here has read both accounts, and accounts are never deleted.
TRANSFERS = """
CREATE TABLE ledger_transfers (
    id text COLLATE "C" PRIMARY KEY,
    debit_account_id text COLLATE "C" NOT NULL,
    credit_account_id text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    kind text NOT NULL CHECK (kind IN
        ('posted', 'pending', 'post_pending', 'void_pending', 'expire_pending')),
    code text NOT NULL,
    pending_id text COLLATE "C",
    operation_id text,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (debit_account_id <> credit_account_id),
    CHECK ((pending_id IS NOT NULL) = (kind IN ('post_pending', 'void_pending', 'expire_pending'))),
    CHECK (expires_at IS NULL OR kind = 'pending')
)
"""

# Pending transfers that are not settled yet; settling one deletes its row.
OPEN_HOLDS = """
CREATE TABLE ledger_open_holds (
    transfer_id text COLLATE "C" PRIMARY KEY,
    debit_shard smallint NOT NULL,
    credit_shard smallint NOT NULL,
    expires_at timestamptz
)
"""

# An account's balance is the sum of its shards. The status is the account's, repeated here
# because a transfer reads it under this row's lock. Half-empty pages keep the updates HOT.
BALANCES = """
CREATE TABLE ledger_balances (
    account_id text COLLATE "C" NOT NULL REFERENCES ledger_accounts (id),
    shard smallint NOT NULL,
    status text NOT NULL DEFAULT 'open',
    debits_pending_minor bigint NOT NULL DEFAULT 0 CHECK (debits_pending_minor >= 0),
    debits_posted_minor bigint NOT NULL DEFAULT 0 CHECK (debits_posted_minor >= 0),
    credits_pending_minor bigint NOT NULL DEFAULT 0 CHECK (credits_pending_minor >= 0),
    credits_posted_minor bigint NOT NULL DEFAULT 0 CHECK (credits_posted_minor >= 0),
    PRIMARY KEY (account_id, shard)
) WITH (fillfactor = 50)
"""

INDEXES = (
    "CREATE INDEX ledger_accounts_customer ON ledger_accounts (customer_id, id)",
    "CREATE INDEX ledger_transfers_debit ON ledger_transfers (debit_account_id, id)",
    "CREATE INDEX ledger_transfers_credit ON ledger_transfers (credit_account_id, id)",
    (
        "CREATE INDEX ledger_transfers_operation ON ledger_transfers (operation_id, id)"
        " WHERE operation_id IS NOT NULL"
    ),
    # A hold is settled at most once.
    (
        "CREATE UNIQUE INDEX ledger_transfers_pending ON ledger_transfers (pending_id)"
        " WHERE pending_id IS NOT NULL"
    ),
    (
        "CREATE INDEX ledger_open_holds_expiry ON ledger_open_holds (expires_at)"
        " WHERE expires_at IS NOT NULL"
    ),
)

APPEND_ONLY = (
    """
    CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: the ledger is only added to', TG_OP, TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE TRIGGER ledger_transfers_append_only BEFORE UPDATE OR DELETE ON ledger_transfers
        FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()
    """,
    """
    CREATE TRIGGER ledger_transfers_no_truncate BEFORE TRUNCATE ON ledger_transfers
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
    """,
    """
    CREATE TRIGGER ledger_accounts_keep_terms
        BEFORE DELETE OR UPDATE OF id, kind, currency, may_go_negative ON ledger_accounts
        FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()
    """,
)


def upgrade() -> None:
    # One command at a time: a prepared statement holds no more.
    for command in (ACCOUNTS, TRANSFERS, OPEN_HOLDS, BALANCES, *INDEXES, *APPEND_ONLY):
        op.execute(command)


def downgrade() -> None:
    op.execute("DROP TABLE ledger_balances, ledger_open_holds, ledger_transfers, ledger_accounts")
    op.execute("DROP FUNCTION ledger_refuse_change")
