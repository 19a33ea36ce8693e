"""Checks that each refund did what its outcome says, and that what it refunds says the same."""

from typing import Final

from perdure.capability.invariants import messages_owed
from perdure.ledger.verify import Violation
from perdure.operations.verify import check
from perdure.refunds.contracts import KIND
from perdure.storage.pool import Connection, Pool


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return refunds whose traces are not those of their outcome; at most `limit` of each."""
    return await check(connection, INVARIANTS, limit=limit)


# What was taken is read from the ledger, not from the refund's own request.
SUCCEEDED_REVERSED_WHAT_WAS_TAKEN: Final = """
SELECT ARRAY[id, refund_of] AS subject_ids,
       format('succeeded, yet %s entries, of which %s move back what was taken', entries, reversed)
           AS detail
FROM (
    SELECT r.id, r.refund_of, count(t.id) AS entries,
           count(t.id) FILTER (WHERE t.kind = 'posted' AND taken.id IS NOT NULL) AS reversed
    FROM operations r
    LEFT JOIN ledger_transfers t ON t.operation_id = r.id
    LEFT JOIN ledger_transfers taken ON taken.operation_id = r.refund_of
        AND taken.kind = 'post_pending' AND taken.amount_minor = t.amount_minor
        AND taken.debit_account_id = t.credit_account_id
        AND taken.credit_account_id = t.debit_account_id
    WHERE r.in_question AND r.kind = 'refund' AND r.status = 'succeeded'
    GROUP BY r.id
) AS refunds
WHERE (entries, reversed) <> (1, 1)
"""

OTHERS_MOVED_NOTHING: Final = """
SELECT ARRAY[r.id, t.id] AS subject_ids,
       format('%s, yet it moved %s %s', r.status, t.amount_minor, t.currency) AS detail
FROM operations r JOIN ledger_transfers t ON t.operation_id = r.id
WHERE r.in_question AND r.kind = 'refund' AND r.status <> 'succeeded'
"""

ANSWERED_AS_THEY_ENDED: Final = """
SELECT ARRAY[r.id, r.refund_of] AS subject_ids,
       format('%s; the call that gives back is %s', r.status, coalesce(c.state, 'none')) AS detail
FROM operations r
LEFT JOIN provider_calls c ON c.operation_id = r.id AND c.step = 'give_back'
WHERE r.in_question AND r.kind = 'refund' AND r.finished_at IS NOT NULL
    AND (r.status = 'succeeded') <> (coalesce(c.state, 'none') = 'answered')
"""

REFUNDED_ONCE: Final = """
SELECT ARRAY[o.id] || refunds AS subject_ids,
       format('%s, names the refund %s, and has %s refunds that are under way or done', o.status,
              coalesce(o.refunded_by, 'none'), cardinality(refunds)) AS detail
FROM (
    SELECT refund_of, array_agg(id ORDER BY id) AS refunds FROM operations
    WHERE refund_of IS NOT NULL AND status NOT IN ('failed', 'cancelled') GROUP BY refund_of
) AS open_or_done
FULL JOIN (SELECT * FROM operations WHERE refunded_by IS NOT NULL) AS named
    ON named.id = open_or_done.refund_of
JOIN operations o ON o.id = coalesce(named.id, open_or_done.refund_of)
WHERE o.status <> 'succeeded' OR refunds IS DISTINCT FROM ARRAY[o.refunded_by]
"""

INVARIANTS: Final = {
    "succeeded_refunds_reversed_what_was_taken": SUCCEEDED_REVERSED_WHAT_WAS_TAKEN,
    "other_refunds_moved_nothing": OTHERS_MOVED_NOTHING,
    "refunds_were_answered_as_they_ended": ANSWERED_AS_THEY_ENDED,
    "refunded_once": REFUNDED_ONCE,
    "refunds_owe_their_messages": messages_owed(KIND),
}
"""Each invariant's name and the query that finds what breaks it."""
