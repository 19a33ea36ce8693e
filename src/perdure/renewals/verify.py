"""Checks that each renewal did what its outcome says: in our books, and in the registries'."""

from decimal import Decimal
from typing import Final

from perdure.capability.books import BEGAN_SINCE, Books, Moved, Reconciled
from perdure.capability.invariants import (
    answered_as_it_succeeded,
    funded_invariants,
    undone_where_it_did_not,
)
from perdure.ledger.chart import SystemAccount
from perdure.ledger.verify import Violation
from perdure.operations.verify import check
from perdure.providers.registry import REGISTRY_ROLE, RegistryRenewal
from perdure.renewals.capability import RENEWALS
from perdure.renewals.contracts import ID_PREFIX, KIND
from perdure.storage.pool import Connection, Pool


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return renewals and domains that do not fit each other; at most `limit` of each."""
    return await check(connection, INVARIANTS, limit=limit)


_RENEWALS_TABLE: Final = """
CREATE TEMPORARY TABLE registry_renewals
    (reference text, domain text, status text, price_minor numeric, currency text,
        expires_on date) ON COMMIT DROP
"""

_BOOKS_TABLE: Final = """
CREATE TEMPORARY TABLE registry_books ON COMMIT DROP AS
SELECT reference,
       count(*) FILTER (WHERE status = 'renewed') AS renewed,
       count(*) FILTER (WHERE status NOT IN ('renewed', 'undone')) AS undecided,
       coalesce(sum(price_minor) FILTER (WHERE status = 'renewed'), 0) AS billed_minor,
       max(expires_on) FILTER (WHERE status = 'renewed') AS expires_on,
       array_agg(DISTINCT currency) AS currencies,
       array_agg(DISTINCT domain) AS domains
FROM registry_renewals GROUP BY reference
"""

# What a domain's team wrote later counts; a success, and a refund, write the date in their commit.
RENEWED_DOMAINS_HAVE_THEIR_DATE: Final = """
SELECT ARRAY[id, name] AS subject_ids,
       format('renewed, or taken back, to %s at %s; the domain ends on %s, as written at %s',
              renewed_to, finished_at, expires_on, updated_at) AS detail
FROM (
    SELECT DISTINCT ON (d.name) coalesce(r.id, o.id) AS id, d.name, d.expires_on, d.updated_at,
           coalesce(r.finished_at, o.finished_at) AS finished_at,
           (coalesce(r.result, o.result)->>'expires_on')::date AS renewed_to
    FROM operations o JOIN domains d ON d.name = o.input->'request'->>'domain'
    LEFT JOIN operations r ON r.id = o.refunded_by AND r.status = 'succeeded'
    WHERE o.in_question AND o.kind = 'renewal' AND o.status = 'succeeded'
    ORDER BY d.name, coalesce(r.finished_at, o.finished_at) DESC
) AS latest
WHERE updated_at < finished_at OR (updated_at = finished_at AND expires_on <> renewed_to)
"""

CLAIMS_ARE_OF_OPEN_RENEWALS: Final = """
SELECT subject_ids, detail FROM (
    SELECT ARRAY[d.renewing, d.name] AS subject_ids,
           format('claims the domain, and is %s', coalesce(o.status, 'not there')) AS detail
    FROM domains d LEFT JOIN operations o ON o.id = d.renewing
    WHERE (d.renewing LIKE 'rnw\\_%' OR d.renewing LIKE 'rfd\\_%')
        AND (o.id IS NULL OR o.finished_at IS NOT NULL)
    UNION ALL
    SELECT ARRAY[o.id, o.input->'request'->>'domain'],
           format('is %s; the domain is claimed by %s', o.status, coalesce(d.renewing, 'nobody'))
    FROM operations o LEFT JOIN domains d ON d.name = o.input->'request'->>'domain'
    WHERE o.kind = 'renewal' AND o.finished_at IS NULL AND d.renewing IS DISTINCT FROM o.id
    UNION ALL
    SELECT ARRAY[r.id, o.input->'request'->>'domain'],
           format('is %s; the domain is claimed by %s', r.status, coalesce(d.renewing, 'nobody'))
    FROM operations r JOIN operations o ON o.id = r.refund_of AND o.kind = 'renewal'
    LEFT JOIN domains d ON d.name = o.input->'request'->>'domain'
    WHERE r.finished_at IS NULL AND d.renewing IS DISTINCT FROM r.id
) AS claims
"""

INVARIANTS: Final = {
    **funded_invariants(
        RENEWALS,
        SystemAccount.REGISTRY_CLEARING,
        amount_minor="o.result->>'price_minor'",
        currency="o.result->>'currency'",
    ),
    "succeeded_renewals_were_answered_renewed": answered_as_it_succeeded(
        KIND, "renew", "renewed", "renewal_id", "o.result->>'registry_renewal_id'"
    ),
    # One that its registry took back by itself shows when its report is read again.
    "other_renewals_undid_what_was_renewed": undone_where_it_did_not(
        KIND, "renew", "renewed", "renewal_id", by=["undo_renewal", "read_report"]
    ),
    "renewed_domains_have_their_date": RENEWED_DOMAINS_HAVE_THEIR_DATE,
    "claims_are_of_open_renewals": CLAIMS_ARE_OF_OPEN_RENEWALS,
}
"""Each invariant's name and the query that finds what breaks it."""

RENEWED_AT_MOST_ONCE: Final = """
SELECT ARRAY[reference] AS subject_ids,
       format('renewed %s times, billed %s in all', renewed, billed_minor) AS detail
FROM registry_books WHERE renewed > 1
"""

# Until a refund that is under way has ended, either is right; after it, none is left there.
SUCCEEDED_RENEWED_ONCE: Final = f"""
SELECT ARRAY[o.id] AS subject_ids,
       format('%s succeeded to %s for %s %s, %s; the registry has %s renewals, of %s to %s for %s'
              ' (%s)', o.input->'request'->>'domain', o.result->>'expires_on',
              o.result->>'price_minor', o.result->>'currency',
              coalesce('refunded by ' || r.id, 'not refunded'), coalesce(b.renewed, 0),
              coalesce(array_to_string(b.domains, ', '), 'nothing'),
              coalesce(b.expires_on::text, 'nothing'), coalesce(b.billed_minor, 0),
              array_to_string(b.currencies, ', ')) AS detail
FROM operations o
LEFT JOIN operations r ON r.id = o.refunded_by
LEFT JOIN registry_books b ON b.reference = o.id
WHERE o.kind = 'renewal' AND o.status = 'succeeded' AND o.finished_at < now()
    AND {BEGAN_SINCE} AND (r.id IS NULL OR r.finished_at < now())
    AND o.input->>'registry' IN (SELECT name FROM compared)
    AND (b.domains = ARRAY[o.input->'request'->>'domain']
        AND b.currencies = ARRAY[o.result->>'currency'] AND b.undecided = 0
        AND CASE WHEN r.status = 'succeeded' THEN b.renewed = 0 ELSE b.renewed = 1
            AND b.billed_minor = (o.result->>'price_minor')::bigint
            AND b.expires_on = (o.result->>'expires_on')::date END) IS NOT TRUE
"""

OTHERS_LEFT_AS_THEY_WERE: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('%s; the registry has it renewed to %s for %s (%s), and %s undecided', o.status,
              coalesce(b.expires_on::text, 'nothing'), b.billed_minor,
              array_to_string(b.currencies, ', '), b.undecided) AS detail
FROM operations o JOIN registry_books b ON b.reference = o.id
WHERE o.kind = 'renewal' AND o.status IN ('failed', 'cancelled') AND o.finished_at < now()
    AND (b.renewed > 0 OR b.undecided > 0)
"""

# Others may renew at a registry too; what bears an id like ours has to be ours.
RENEWALS_HAVE_AN_OPERATION: Final = """
SELECT ARRAY[b.reference] AS subject_ids,
       format('the registry has %s renewals of %s under it, to %s; there is no such renewal',
              b.renewed, array_to_string(b.domains, ', '),
              coalesce(b.expires_on::text, 'nothing: undone')) AS detail
FROM registry_books b
WHERE b.reference LIKE 'rnw\\_%'
    AND NOT EXISTS (SELECT FROM operations o WHERE o.id = b.reference AND o.kind = 'renewal')
"""

REGISTRY_INVARIANTS: Final = {
    "renewed_at_most_once": RENEWED_AT_MOST_ONCE,
    "succeeded_renewed_once": SUCCEEDED_RENEWED_ONCE,
    "others_left_as_they_were": OTHERS_LEFT_AS_THEY_WERE,
    "renewals_have_an_operation": RENEWALS_HAVE_AN_OPERATION,
}
"""What must hold between the registries' logs and ours."""


def _record(renewal: RegistryRenewal) -> tuple[object, ...]:
    return (
        renewal.reference,
        renewal.domain,
        renewal.status,
        Decimal(renewal.price_minor),
        renewal.currency,
        renewal.expires_on,
    )


def _moved(renewal: RegistryRenewal) -> Moved | None:
    if renewal.status not in ("renewed", "undone"):
        return None
    amount_minor = -renewal.price_minor if renewal.status == "renewed" else 0
    return Moved(renewal.id, renewal.reference, amount_minor, renewal.currency)


REGISTRY_BOOKS: Final = Books(
    role=REGISTRY_ROLE,
    table=("registry_renewals", _RENEWALS_TABLE),
    record=_record,
    then=(_BOOKS_TABLE, "ANALYZE registry_books"),
    invariants=REGISTRY_INVARIANTS,
    has_several=True,
    reconciled=Reconciled(ID_PREFIX, SystemAccount.REGISTRY_CLEARING, _moved),
)
