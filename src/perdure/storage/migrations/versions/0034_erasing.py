"""Who somebody was can be taken out of the trail, which is only added to otherwise."""

from alembic import op

revision = "0034_erasing"
down_revision = "0033_tigerbeetle"
branch_labels = None
depends_on = None

REFUSE = """
CREATE OR REPLACE FUNCTION refuse_trail_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {allowed}
    RAISE EXCEPTION 'operation_trail is append-only';
END $$
"""

# Texts alone: who did what, and when, stays.
ERASING = """
    IF TG_OP = 'UPDATE' AND current_setting('perdure.erasing', true) = 'on'
        AND to_jsonb(NEW) - '{reason,data}'::text[] = to_jsonb(OLD) - '{reason,data}'::text[]
    THEN
        RETURN NEW;
    END IF;
"""


def upgrade() -> None:
    op.execute(REFUSE.format(allowed=ERASING))


def downgrade() -> None:
    op.execute(REFUSE.format(allowed=""))
