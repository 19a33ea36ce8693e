"""The SQL of a ledger's move from PostgreSQL to TigerBeetle."""

from typing import Final

BALANCES_AFTER: Final = """
SELECT a.*,
       sum(b.debits_pending_minor) AS debits_pending_minor,
       sum(b.debits_posted_minor) AS debits_posted_minor,
       sum(b.credits_pending_minor) AS credits_pending_minor,
       sum(b.credits_posted_minor) AS credits_posted_minor
FROM (SELECT * FROM ledger_accounts WHERE id > $1 ORDER BY id LIMIT $2) AS a
JOIN ledger_balances b ON b.account_id = a.id
GROUP BY a.id, a.customer_id, a.name, a.kind, a.currency, a.may_go_negative, a.status, a.shards,
    a.created_at
ORDER BY a.id
"""

OPEN_HOLDS_AFTER: Final = """
SELECT held.*, brought.tigerbeetle_id
FROM ledger_open_holds h
JOIN ledger_transfers held ON held.id = h.transfer_id
LEFT JOIN ledger_tigerbeetle_ids brought ON brought.transfer_id = h.transfer_id
    AND NOT brought.given_up
WHERE h.transfer_id > $1
ORDER BY h.transfer_id LIMIT $2
"""

HELD: Final = """
INSERT INTO ledger_tigerbeetle_ids (tigerbeetle_id, transfer_id)
SELECT * FROM unnest($1::uuid[], $2::text[])
ON CONFLICT (transfer_id) WHERE NOT given_up
DO UPDATE SET tigerbeetle_id = excluded.tigerbeetle_id
"""

# Until the move is done, nobody else writes there.
SETTLED_SINCE: Final = """
SELECT tigerbeetle_id FROM ledger_tigerbeetle_ids brought
WHERE NOT EXISTS (SELECT FROM ledger_open_holds h WHERE h.transfer_id = brought.transfer_id)
LIMIT $1
"""

NOT_HELD: Final = "DELETE FROM ledger_tigerbeetle_ids WHERE tigerbeetle_id = ANY($1::uuid[])"

BEGIN_MOVE: Final = """
INSERT INTO ledger_tigerbeetle (cluster_id, namespace, is_moving) VALUES ($1, $2, true)
ON CONFLICT DO NOTHING
"""

MOVING: Final = "SELECT cluster_id, namespace, is_moving FROM ledger_tigerbeetle"

# Nobody writes to the ledger until the transaction ends; reading goes on.
STOP_WRITERS: Final = """
LOCK TABLE ledger_accounts, ledger_transfers, ledger_open_holds, ledger_balances IN EXCLUSIVE MODE
"""

MOVED: Final = """
WITH holds AS (UPDATE ledger_open_holds SET debit_shard = 0, credit_shard = 0),
    accounts AS (UPDATE ledger_accounts SET shards = 1)
UPDATE ledger_tigerbeetle SET is_moving = false
"""

# Whoever still writes to PostgreSQL's balances, with the setting of before, gets an error.
REFUSE_CHANGES: Final = """
CREATE TRIGGER ledger_balances_moved BEFORE INSERT OR UPDATE OR DELETE ON ledger_balances
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
"""
