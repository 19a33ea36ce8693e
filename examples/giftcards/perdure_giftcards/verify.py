"""What `perdure verify` checks of giftcards: in the ledger, and in the provider's own books."""

from decimal import Decimal
from typing import Final

from perdure import (
    Books,
    messages_owed,
    moved_nothing,
    posted_once,
)
from perdure_giftcards.contracts import KIND, PROVIDER
from perdure_giftcards.funding import TAKEN_BY
from perdure_giftcards.provider import Order

INVARIANTS: Final = {
    "succeeded_giftcards_posted_once": posted_once(KIND, TAKEN_BY),
    "other_giftcards_moved_nothing": moved_nothing(KIND),
    "giftcards_owe_their_messages": messages_owed(KIND),
}
"""Each invariant's name and the query that finds what breaks it."""

_TABLE: Final = """
CREATE TEMPORARY TABLE giftcard_orders
    (reference text, status text, amount_minor numeric, currency text) ON COMMIT DROP
"""

FULFILLED_AS_THEY_ENDED: Final = """
SELECT ARRAY[coalesce(o.id, b.reference)] AS subject_ids,
       format('%s; the provider has %s orders of %s fulfilled', coalesce(o.status, 'no giftcard'),
              coalesce(b.fulfilled, 0), coalesce(b.fulfilled_minor, 0)) AS detail
FROM (SELECT * FROM operations WHERE kind = 'giftcard') o
LEFT JOIN operations r ON r.id = o.refunded_by
FULL JOIN (
    SELECT reference, count(*) FILTER (WHERE status <> 'revoked') AS fulfilled,
           sum(amount_minor) FILTER (WHERE status <> 'revoked') AS fulfilled_minor
    FROM giftcard_orders GROUP BY reference
) AS b ON b.reference = o.id
WHERE (o.id IS NULL OR o.finished_at < now()) AND (r.id IS NULL OR r.finished_at < now())
    AND (coalesce(b.fulfilled, 0)::int, coalesce(b.fulfilled_minor, 0::numeric))
        <> CASE WHEN o.status = 'succeeded' AND r.status IS DISTINCT FROM 'succeeded'
            THEN (1, (o.input->'request'->>'amount_minor')::numeric) ELSE (0, 0::numeric) END
"""


def _record(order: Order) -> tuple[object, ...]:
    return order.reference, order.status, Decimal(order.amount_minor), order.currency


GIFTCARD_BOOKS: Final = Books(
    name=PROVIDER,
    path="/v1/orders",
    entry=Order,
    table=("giftcard_orders", _TABLE),
    record=_record,
    then=("ANALYZE giftcard_orders",),
    invariants={"giftcards_fulfilled_as_they_ended": FULFILLED_AS_THEY_ENDED},
)
