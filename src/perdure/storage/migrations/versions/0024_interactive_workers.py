"""What each worker tells of the interactive lanes that it has."""

from alembic import op

revision = "0024_interactive_workers"
down_revision = "0023_telemetry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Written each second by who lives, and worth nothing after a crash: no log of it is kept.
    op.execute(
        "CREATE UNLOGGED TABLE interactive_workers ("
        " process text PRIMARY KEY,"
        " name text NOT NULL,"
        " lanes smallint[] NOT NULL,"
        " under_way integer NOT NULL,"
        " done integer NOT NULL,"
        " promoted integer NOT NULL,"
        " promoted_because jsonb NOT NULL,"
        " seen_at timestamptz NOT NULL DEFAULT now()"
        ")"
    )


def downgrade() -> None:
    op.execute("DROP TABLE interactive_workers")
