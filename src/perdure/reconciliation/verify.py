"""What must hold of reconciliations: each item is matched once, and breaks are what they say."""

from typing import Final

_OPEN_AND_MATCHED: Final = """
SELECT ARRAY[e.transfer_id] AS subject_ids,
       format('is open on %s, and was matched on %s', e.source, r.matched_on) AS detail
FROM open_entries e JOIN reconciled_entries r
    ON r.transfer_id = e.transfer_id AND r.source = e.source
"""

_MATCHES_AGREE: Final = """
SELECT ARRAY[match_id::text] AS subject_ids,
       format('the lines come to %s, the entries to %s', theirs, ours) AS detail
FROM (
    SELECT match_id, sum(theirs) AS theirs, sum(ours) AS ours, max(tolerance) AS tolerance FROM (
        SELECT l.match_id, l.amount_minor AS theirs, 0 AS ours,
               coalesce(s.tolerance_minor, 0) AS tolerance
        FROM statement_lines l LEFT JOIN statement_accounts s ON s.source = l.source
        WHERE l.match_id IS NOT NULL AND l.matched_by <> 'dismissed'
        UNION ALL
        SELECT r.match_id, 0, CASE WHEN (t.debit_account_id = found.account_id)
            = (a.kind IN ('asset', 'expense')) THEN t.amount_minor ELSE -t.amount_minor END, 0
        FROM reconciled_entries r JOIN ledger_transfers t ON t.id = r.transfer_id
        CROSS JOIN LATERAL (SELECT account_id FROM statement_lines l
            WHERE l.match_id = r.match_id LIMIT 1) AS found
        JOIN ledger_accounts a ON a.id = found.account_id
        WHERE r.matched_by <> 'dismissed'
    ) AS items GROUP BY match_id
) AS sums WHERE abs(theirs - ours) > tolerance
"""

_BREAKS_ARE_THEIR_OPERATIONS: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('is %s; its break is %s', o.status, coalesce(b.resolution, 'open')) AS detail
FROM operations o LEFT JOIN reconciliation_breaks b ON b.id = o.id
WHERE o.in_question AND o.kind = 'reconciliation_break'
    AND (b.id IS NULL OR (b.ended_on IS NULL) <> (o.finished_at IS NULL))
"""

INVARIANTS: Final = {
    "open_entries_are_not_matched": _OPEN_AND_MATCHED,
    "matches_agree": _MATCHES_AGREE,
    "breaks_are_their_operations": _BREAKS_ARE_THEIR_OPERATIONS,
}
"""Each invariant's name and the query that finds what breaks it."""
