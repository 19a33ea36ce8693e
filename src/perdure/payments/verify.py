"""Checks that each payment moved what its outcome says: in the ledger, and at the gateway."""

from typing import Final

from perdure.capability.books import BEGAN_SINCE, Books, Moved, Reconciled
from perdure.capability.invariants import moved_nothing, posted_once
from perdure.ledger.chart import SystemAccount
from perdure.ledger.verify import Violation
from perdure.operations.verify import check
from perdure.payments.contracts import ID_PREFIX, KIND
from perdure.payments.late_charges import LATE_NOT_UNDONE
from perdure.providers.gateway import GATEWAY_ROLE, Charge
from perdure.storage.pool import Connection, Pool


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return payments whose ledger entries are not their outcome; at most `limit` of each."""
    return await check(connection, INVARIANTS, limit=limit)


_CHARGES_TABLE: Final = """
CREATE TEMPORARY TABLE gateway_charges
    (reference text, status text, amount_minor bigint, currency text, refunded_minor bigint)
ON COMMIT DROP
"""

_BOOKS_TABLE: Final = """
CREATE TEMPORARY TABLE gateway_books ON COMMIT DROP AS
SELECT reference,
       -- A gateway's own word for a state that is none of ours means that it has not ended.
       count(*) FILTER (WHERE status NOT IN ('failed', 'cancelled')) AS charges,
       coalesce(sum(amount_minor) FILTER (WHERE status = 'succeeded'), 0) AS charged_minor,
       coalesce(sum(refunded_minor), 0) AS refunded_minor,
       string_agg(DISTINCT currency, '+') FILTER (WHERE status = 'succeeded') AS currency
FROM gateway_charges GROUP BY reference
"""

INVARIANTS: Final = {
    "succeeded_posted_once": posted_once(KIND, SystemAccount.GATEWAY_CLEARING),
    "others_moved_nothing": moved_nothing(KIND),
    "late_charges_are_undone": LATE_NOT_UNDONE,
}
"""Each invariant's name and the query that finds what breaks it."""

CHARGED_AT_MOST_ONCE: Final = """
SELECT ARRAY[reference] AS subject_ids,
       format('charged %s times, %s in all', charges, charged_minor) AS detail
FROM gateway_books WHERE charges > 1
"""

SUCCEEDED_CHARGED_ONCE: Final = f"""
SELECT ARRAY[o.id] AS subject_ids,
       format('succeeded for %s %s; the gateway took %s %s in %s charges and gave %s back%s',
              o.input->'request'->>'amount_minor', o.input->'request'->>'currency',
              coalesce(g.charged_minor, 0), g.currency, coalesce(g.charges, 0),
              coalesce(g.refunded_minor, 0),
              CASE WHEN r.status = 'succeeded' THEN ', where ' || r.id || ' gave all back' END)
           AS detail
FROM operations o
LEFT JOIN operations r ON r.id = o.refunded_by
LEFT JOIN gateway_books g ON g.reference = o.id
WHERE o.kind = 'payment' AND o.status = 'succeeded' AND o.finished_at < now()
    AND {BEGAN_SINCE} AND (r.id IS NULL OR r.finished_at < now())
    AND (coalesce(g.charges, 0), coalesce(g.charged_minor, 0), coalesce(g.currency, ''),
            coalesce(g.refunded_minor, 0))
        <> (1, (o.input->'request'->>'amount_minor')::bigint, o.input->'request'->>'currency',
            CASE WHEN r.status = 'succeeded' THEN (o.input->'request'->>'amount_minor')::bigint
                ELSE 0 END)
"""

OTHERS_LEFT_UNCHARGED: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('%s; the gateway took %s, gave %s back, and has %s charges open or done', o.status,
              g.charged_minor, g.refunded_minor, g.charges) AS detail
FROM operations o JOIN gateway_books g ON g.reference = o.id
WHERE o.kind = 'payment' AND o.status IN ('failed', 'cancelled') AND o.finished_at < now()
    AND (g.charged_minor <> g.refunded_minor OR (g.charges > 0 AND g.charged_minor = 0))
"""

CHARGES_HAVE_A_PAYMENT: Final = """
SELECT ARRAY[g.reference] AS subject_ids,
       format('the gateway took %s; there is no such payment', g.charged_minor) AS detail
FROM gateway_books g
WHERE g.charges > 0 AND NOT EXISTS (SELECT FROM operations o WHERE o.id = g.reference)
"""

GATEWAY_INVARIANTS: Final = {
    "charged_at_most_once": CHARGED_AT_MOST_ONCE,
    "succeeded_charged_once": SUCCEEDED_CHARGED_ONCE,
    "others_left_uncharged": OTHERS_LEFT_UNCHARGED,
    "charges_have_a_payment": CHARGES_HAVE_A_PAYMENT,
}
"""What must hold between the gateway's books and ours."""


def _record(charge: Charge) -> tuple[object, ...]:
    return (
        charge.reference,
        charge.status,
        charge.amount_minor,
        charge.currency,
        charge.refunded_minor,
    )


def _moved(charge: Charge) -> Moved | None:
    if charge.status != "succeeded":
        return None
    amount_minor = charge.refunded_minor - charge.amount_minor
    return Moved(charge.id, charge.reference, amount_minor, charge.currency)


GATEWAY_BOOKS: Final = Books(
    role=GATEWAY_ROLE,
    table=("gateway_charges", _CHARGES_TABLE),
    record=_record,
    then=(_BOOKS_TABLE, "ANALYZE gateway_books"),
    invariants=GATEWAY_INVARIANTS,
    reconciled=Reconciled(ID_PREFIX, SystemAccount.GATEWAY_CLEARING, _moved),
)
