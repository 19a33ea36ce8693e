"""What must hold between what a provider lists of its effects and how our operations ended."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from perdure.capability.books import BEGAN_SINCE, Books, Moved, Reconciled
from perdure.capability.declaration import Capability
from perdure.capability.invariants import ASKED_CURRENCY, ASKED_MINOR
from perdure.core.effects import Effect, EffectStatuses
from perdure.ledger.chart import SystemAccount
from perdure.providers.choice import Role


def effect_books(
    kind: Capability,
    *,
    role: Role[Any],
    entries: str,
    statuses: EffectStatuses,
    done: str = "",
    undone: str = "",
    taken_by: SystemAccount | None = None,
) -> Books[Effect]:
    """Return the books of a provider that does one thing for an operation, or takes it back.

    Args:
        role: The provider's; its class tells the effects, each an `Effect`.
        entries: What several are called, for the names of what must hold: `payouts`.
        statuses: What their states are called.
        done: What was done where one stands: `paid_out`; empty: as `statuses` has it.
        undone: How it is left where none does: `unpaid`.
        taken_by: Whose account the money goes to, where customers' accounts are reconciled with
            them; None: they are not.
    """
    done = done or statuses.stands
    undone = undone or f"not_{done}"
    listed, books = f"{role.name}_{entries}", f"{role.name}_books"
    return Books(
        role=role,
        table=(listed, _LISTED.format(listed=listed)),
        record=_record,
        then=(_by_reference(books, listed, statuses), f"ANALYZE {books}"),
        invariants={
            f"{done}_at_most_once": _AT_MOST_ONCE.format(books=books),
            f"succeeded_{done}_once": _SUCCEEDED_ONCE.format(
                books=books,
                kind=kind.name,
                amount_minor=ASKED_MINOR,
                currency=ASKED_CURRENCY,
                began_since=BEGAN_SINCE,
            ),
            f"others_left_{undone}": _OTHERS_NOT.format(books=books, kind=kind.name),
            f"{entries}_have_a_{kind.name}": _HAVE_AN_OPERATION.format(books=books, kind=kind.name),
            f"{entries}_have_ended": _HAVE_ENDED.format(books=books, kind=kind.name),
        },
        reconciled=Reconciled(kind.id_prefix, taken_by, _moved_by(statuses)) if taken_by else None,
    )


def _moved_by(statuses: EffectStatuses) -> Callable[[Effect], Moved | None]:
    def moved(entry: Effect) -> Moved | None:
        if entry.status not in (statuses.stands, statuses.undone):
            return None
        amount_minor = -entry.amount_minor if entry.status == statuses.stands else 0
        return Moved(entry.id, entry.reference, amount_minor, entry.currency)

    return moved


_LISTED: Final = """
CREATE TEMPORARY TABLE {listed}
    (reference text, status text, amount_minor numeric, currency text) ON COMMIT DROP
"""


def _record(entry: Effect) -> tuple[object, ...]:
    return entry.reference, entry.status, Decimal(entry.amount_minor), entry.currency


def _by_reference(books: str, listed: str, statuses: EffectStatuses) -> str:
    known = ", ".join(f"'{status}'" for status in sorted(statuses.known))
    return f"""
CREATE TEMPORARY TABLE {books} ON COMMIT DROP AS
SELECT reference,
       count(*) FILTER (WHERE status = '{statuses.stands}') AS standing,
       coalesce(sum(amount_minor) FILTER (WHERE status = '{statuses.stands}'), 0)
           AS standing_minor,
       coalesce(sum(amount_minor) FILTER (WHERE status = '{statuses.undone}'), 0) AS undone_minor,
       -- What was taken back before it was done has no amount, and no currency.
       coalesce(array_agg(DISTINCT currency) FILTER (WHERE amount_minor <> 0), '{{}}')
           AS currencies,
       coalesce(array_agg(DISTINCT status) FILTER (WHERE status NOT IN ({known})), '{{}}')
           AS unknown_statuses
FROM {listed} GROUP BY reference
"""


_AT_MOST_ONCE: Final = """
SELECT ARRAY[reference] AS subject_ids,
       format('%s stand, %s in all (%s)', standing, standing_minor,
              array_to_string(currencies, ', ')) AS detail
FROM {books} WHERE standing > 1
"""

# Until a refund that is under way has ended, either is right.
_SUCCEEDED_ONCE: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('succeeded for %s %s, %s; there stand %s, of %s, and %s was taken back (%s)',
              {amount_minor}, {currency}, coalesce('refunded by ' || r.id, 'not refunded'),
              coalesce(b.standing, 0), coalesce(b.standing_minor, 0), coalesce(b.undone_minor, 0),
              array_to_string(b.currencies, ', ')) AS detail
FROM operations o
LEFT JOIN operations r ON r.id = o.refunded_by
LEFT JOIN {books} b ON b.reference = o.id
WHERE o.kind = '{kind}' AND o.status = 'succeeded' AND o.finished_at < now()
    AND {began_since} AND (r.id IS NULL OR r.finished_at < now())
    AND (b.currencies = ARRAY[{currency}]
        AND CASE WHEN r.status = 'succeeded'
            THEN b.standing = 0 AND b.undone_minor = ({amount_minor})::bigint
            ELSE b.standing = 1 AND b.standing_minor = ({amount_minor})::bigint END) IS NOT TRUE
"""

_OTHERS_NOT: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('%s; there stand %s (%s) that were not taken back', o.status, b.standing_minor,
              array_to_string(b.currencies, ', ')) AS detail
FROM operations o JOIN {books} b ON b.reference = o.id
WHERE o.kind = '{kind}' AND o.status IN ('failed', 'cancelled') AND o.finished_at < now()
    AND b.standing > 0
"""

_HAVE_AN_OPERATION: Final = """
SELECT ARRAY[b.reference] AS subject_ids,
       format('%s stand there and %s was taken back; there is no such {kind}', b.standing_minor,
              b.undone_minor) AS detail
FROM {books} b
WHERE (b.standing > 0 OR b.undone_minor > 0)
    AND NOT EXISTS (SELECT FROM operations o WHERE o.id = b.reference AND o.kind = '{kind}')
"""

# Of an open operation such an effect is found out by its own steps.
_HAVE_ENDED: Final = """
SELECT ARRAY[b.reference] AS subject_ids,
       format('%s; there it is %s', coalesce(o.status, 'no {kind}'),
              array_to_string(b.unknown_statuses, ', ')) AS detail
FROM {books} b LEFT JOIN operations o ON o.id = b.reference AND o.kind = '{kind}'
WHERE b.unknown_statuses <> '{{}}' AND (o.id IS NULL OR o.finished_at < now())
"""
