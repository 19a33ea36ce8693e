"""Checks that each transfer moved what its outcome says: in the ledger, and at the bank."""

from decimal import Decimal
from typing import Final

from perdure.capability.books import Books
from perdure.capability.invariants import messages_owed, moved_nothing, posted_once
from perdure.ledger.chart import SystemAccount
from perdure.ledger.verify import Violation
from perdure.operations.verify import check
from perdure.providers.bank import Payout
from perdure.storage.pool import Connection, Pool
from perdure.transfers.contracts import BANK, KIND


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return transfers whose traces are not those of their outcome; at most `limit` of each."""
    return await check(connection, INVARIANTS, limit=limit)


_PAYOUTS_TABLE: Final = """
CREATE TEMPORARY TABLE bank_payouts
    (reference text, status text, amount_minor numeric, currency text) ON COMMIT DROP
"""

_BOOKS_TABLE: Final = """
CREATE TEMPORARY TABLE bank_books ON COMMIT DROP AS
SELECT reference,
       count(*) FILTER (WHERE status = 'paid') AS paid,
       coalesce(sum(amount_minor) FILTER (WHERE status = 'paid'), 0) AS paid_minor,
       coalesce(sum(amount_minor) FILTER (WHERE status = 'recalled'), 0) AS recalled_minor,
       -- A payout of nothing, which a recall leaves, has no currency.
       coalesce(array_agg(DISTINCT currency) FILTER (WHERE amount_minor <> 0), '{}') AS currencies,
       coalesce(array_agg(DISTINCT status) FILTER
           (WHERE status NOT IN ('paid', 'failed', 'recalled')), '{}') AS unknown_statuses
FROM bank_payouts GROUP BY reference
"""

SUCCEEDED_BY_THE_BANKS_ANSWER: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('succeeded with the payout %s; its call is %s: %s',
              coalesce(o.result->'payout'->>'payout_id', 'none'), coalesce(c.state, 'none'),
              coalesce(c.answer::text, 'no answer')) AS detail
FROM operations o
LEFT JOIN provider_calls c ON c.operation_id = o.id AND c.step = 'pay_out'
WHERE o.kind = 'transfer' AND o.status = 'succeeded'
    AND (c.state = 'answered' AND c.answer->>'status' = 'paid'
        AND c.answer->>'payout_id' = o.result->'payout'->>'payout_id') IS NOT TRUE
"""

# A recall has no intent of its own: it may be made any number of times.
OTHERS_RECALLED_WHAT_WAS_PAID: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('%s; the bank paid %s, and no recall came through', o.status,
              c.answer->>'payout_id') AS detail
FROM operations o JOIN provider_calls c ON c.operation_id = o.id AND c.step = 'pay_out'
WHERE o.kind = 'transfer' AND o.status IN ('failed', 'cancelled')
    AND c.state = 'answered' AND c.answer->>'status' = 'paid'
    AND NOT EXISTS (SELECT FROM operation_steps s WHERE s.operation_id = o.id
        AND s.step = 'recall_payout' AND s.outcome = 'succeeded')
"""

INVARIANTS: Final = {
    "succeeded_transfers_posted_once": posted_once(KIND, SystemAccount.BANK),
    "other_transfers_moved_nothing": moved_nothing(KIND),
    "transfers_owe_their_messages": messages_owed(KIND),
    "succeeded_transfers_were_answered_paid": SUCCEEDED_BY_THE_BANKS_ANSWER,
    "other_transfers_recalled_what_was_paid": OTHERS_RECALLED_WHAT_WAS_PAID,
}
"""Each invariant's name and the query that finds what breaks it."""

PAID_OUT_AT_MOST_ONCE: Final = """
SELECT ARRAY[reference] AS subject_ids,
       format('paid out %s times, %s in all (%s)', paid, paid_minor,
              array_to_string(currencies, ', ')) AS detail
FROM bank_books WHERE paid > 1
"""

SUCCEEDED_PAID_OUT_ONCE: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('succeeded for %s %s, %s; the bank paid %s in %s payouts, and took %s back (%s)',
              o.input->'request'->>'amount_minor', o.input->'request'->>'currency',
              coalesce('refunded by ' || r.id, 'not refunded'),
              coalesce(b.paid_minor, 0), coalesce(b.paid, 0), coalesce(b.recalled_minor, 0),
              array_to_string(b.currencies, ', ')) AS detail
FROM operations o
LEFT JOIN operations r ON r.id = o.refunded_by
LEFT JOIN bank_books b ON b.reference = o.id
WHERE o.kind = 'transfer' AND o.status = 'succeeded' AND o.finished_at < now()
    AND (r.id IS NULL OR r.finished_at < now())
    AND (b.currencies = ARRAY[o.input->'request'->>'currency']
        AND CASE WHEN r.status = 'succeeded'
            THEN b.paid = 0
                AND b.recalled_minor = (o.input->'request'->>'amount_minor')::bigint
            ELSE b.paid = 1
                AND b.paid_minor = (o.input->'request'->>'amount_minor')::bigint END) IS NOT TRUE
"""

OTHERS_LEFT_UNPAID: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('%s; the bank paid %s (%s) and has not taken it back', o.status, b.paid_minor,
              array_to_string(b.currencies, ', ')) AS detail
FROM operations o JOIN bank_books b ON b.reference = o.id
WHERE o.kind = 'transfer' AND o.status IN ('failed', 'cancelled') AND o.finished_at < now()
    AND b.paid > 0
"""

PAYOUTS_HAVE_A_TRANSFER: Final = """
SELECT ARRAY[b.reference] AS subject_ids,
       format('the bank paid %s and took %s back; there is no such transfer', b.paid_minor,
              b.recalled_minor) AS detail
FROM bank_books b
WHERE (b.paid > 0 OR b.recalled_minor > 0)
    AND NOT EXISTS (SELECT FROM operations o WHERE o.id = b.reference AND o.kind = 'transfer')
"""

# Of an open transfer such a payout is found out by its own steps.
PAYOUTS_HAVE_ENDED: Final = """
SELECT ARRAY[b.reference] AS subject_ids,
       format('%s; the bank has a payout of it as %s', coalesce(o.status, 'no transfer'),
              array_to_string(b.unknown_statuses, ', ')) AS detail
FROM bank_books b LEFT JOIN operations o ON o.id = b.reference AND o.kind = 'transfer'
WHERE b.unknown_statuses <> '{}' AND (o.id IS NULL OR o.finished_at < now())
"""

BANK_INVARIANTS: Final = {
    "paid_out_at_most_once": PAID_OUT_AT_MOST_ONCE,
    "succeeded_paid_out_once": SUCCEEDED_PAID_OUT_ONCE,
    "others_left_unpaid": OTHERS_LEFT_UNPAID,
    "payouts_have_a_transfer": PAYOUTS_HAVE_A_TRANSFER,
    "payouts_have_ended": PAYOUTS_HAVE_ENDED,
}
"""What must hold between the bank's books and ours."""


def _record(payout: Payout) -> tuple[object, ...]:
    return payout.reference, payout.status, Decimal(payout.amount_minor), payout.currency


BANK_BOOKS: Final = Books(
    name=BANK,
    path="/v1/payouts",
    entry=Payout,
    table=("bank_payouts", _PAYOUTS_TABLE),
    record=_record,
    then=(_BOOKS_TABLE, "ANALYZE bank_books"),
    invariants=BANK_INVARIANTS,
)
