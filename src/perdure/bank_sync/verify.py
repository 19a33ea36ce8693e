"""Checks that bank syncs left our books as they told of them."""

from typing import Final

from perdure.bank_sync.changes import BOOKED, REVERSED

# What the entries of a mirror come to is the sum of what is booked: money that left made it less.
MIRRORS_ARE_SUMS_OF_ROWS: Final = f"""
SELECT ARRAY[mirror] AS subject_ids,
       format('has %s in the ledger; the rows come to %s', coalesce(in_ledger, 0),
              coalesce(in_rows, 0)) AS detail
FROM (
    SELECT coalesce(debit.id, credit.id) AS mirror,
           sum(CASE WHEN debit.id IS NULL THEN -t.amount_minor ELSE t.amount_minor END) AS in_ledger
    FROM ledger_transfers t
    LEFT JOIN ledger_accounts debit ON debit.id = t.debit_account_id AND debit.kind = 'asset'
    LEFT JOIN ledger_accounts credit ON credit.id = t.credit_account_id AND credit.kind = 'asset'
    WHERE t.code IN ('{BOOKED}', '{REVERSED}') GROUP BY 1
) AS ledger FULL JOIN (
    SELECT mirror_account_id AS mirror, -sum(amount_minor) FILTER (WHERE NOT pending) AS in_rows
    FROM bank_transactions GROUP BY mirror_account_id
) AS counted USING (mirror)
WHERE coalesce(in_ledger, 0) <> coalesce(in_rows, 0)
"""

BOOKED_HAVE_THEIR_ENTRY: Final = """
SELECT ARRAY[t.item_id, t.id] AS subject_ids,
       format('is %s of %s; its entry is %s of %s', CASE WHEN t.pending THEN 'pending' ELSE 'booked'
              END, t.amount_minor, coalesce(t.entry_id, 'none'), e.amount_minor) AS detail
FROM bank_transactions t LEFT JOIN ledger_transfers e ON e.id = t.entry_id
WHERE CASE WHEN t.pending OR t.amount_minor = 0 THEN t.entry_id IS NOT NULL
    ELSE e.amount_minor IS DISTINCT FROM abs(t.amount_minor) OR e.currency <> t.currency
        OR t.mirror_account_id IS DISTINCT FROM CASE WHEN t.amount_minor > 0
            THEN e.credit_account_id ELSE e.debit_account_id END END
"""

CLAIMS_ARE_OF_OPEN_SYNCS: Final = """
SELECT subject_ids, detail FROM (
    SELECT ARRAY[i.syncing, i.id] AS subject_ids,
           format('claims the item, and is %s', coalesce(o.status, 'not there')) AS detail
    FROM bank_items i LEFT JOIN operations o ON o.id = i.syncing
    WHERE i.syncing IS NOT NULL AND (o.id IS NULL OR o.finished_at IS NOT NULL)
    UNION ALL
    SELECT ARRAY[o.id, o.input->'request'->>'item_id'],
           format('is %s; the item is claimed by %s', o.status, coalesce(i.syncing, 'nobody'))
    FROM operations o LEFT JOIN bank_items i ON i.id = o.input->'request'->>'item_id'
    WHERE o.kind = 'bank_sync' AND o.finished_at IS NULL AND i.syncing IS DISTINCT FROM o.id
) AS claims
"""

READ_PAGES_ARE_OF_OPEN_SYNCS: Final = """
SELECT ARRAY[s.operation_id, s.item_id] AS subject_ids,
       format('has read %s pages, and is %s', s.pages, o.status) AS detail
FROM bank_syncs s JOIN operations o ON o.id = s.operation_id WHERE o.finished_at IS NOT NULL
"""

INVARIANTS: Final = {
    "bank_mirrors_are_sums_of_rows": MIRRORS_ARE_SUMS_OF_ROWS,
    "booked_bank_transactions_have_their_entry": BOOKED_HAVE_THEIR_ENTRY,
    "bank_claims_are_of_open_syncs": CLAIMS_ARE_OF_OPEN_SYNCS,
    "read_bank_pages_are_of_open_syncs": READ_PAGES_ARE_OF_OPEN_SYNCS,
}
"""Each invariant's name and the query that finds what breaks it."""
