"""Checks what must hold of operations of any kind, on a live system too.

Each invariant is one statement, so it sees one moment of the database. One that is about single
operations says which of its rows is the operation, `o.in_question`: a look at what changed asks it
about those alone. One that does not is asked about all.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from perdure.ledger.verify import Question, Violation, ask_all
from perdure.operations.archive import is_not_archived
from perdure.storage.pool import Connection, Pool

_IN_QUESTION: Final = re.compile(r"\b(\w+)\.in_question\b")


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return what breaks an invariant, at most `limit` of each kind; empty when all is well."""
    return await check(connection, INVARIANTS, limit=limit)


async def lane_violations(
    connection: Connection | Pool, kinds_with_lanes: Collection[str], *, limit: int = 100
) -> list[Violation]:
    """Return operations in lanes that nothing drives, at most `limit`.

    Args:
        kinds_with_lanes: The kinds that this version carries out in lanes.
    """
    return await lanes_are_driven(kinds_with_lanes).ask(connection, limit=limit)


def lanes_are_driven(kinds_with_lanes: Collection[str]) -> Question:
    """Return what finds operations in lanes that nothing drives."""
    return Question(LANES_ARE_DRIVEN_NAME, LANES_ARE_DRIVEN, (list(kinds_with_lanes),))


async def check(
    connection: Connection | Pool, invariants: Mapping[str, str], *, limit: int
) -> list[Violation]:
    """Run a capability's own invariants: queries that return `subject_ids` and `detail`."""
    return await ask_all(connection, questions(invariants), limit=limit)


def questions(
    invariants: Mapping[str, str], operation_ids: Sequence[str] | None = None
) -> list[Question]:
    """Return what is asked of operations.

    Args:
        operation_ids: What is in question; None: all.
    """
    return [_question(name, query, operation_ids) for name, query in invariants.items()]


def _question(name: str, query: str, operation_ids: Sequence[str] | None) -> Question:
    # What is archived was looked at before it went, and has not changed since.
    narrowed = "" if operation_ids is None else "{0}.id = ANY($2) AND "
    asked, places = _IN_QUESTION.subn(
        lambda found: f"({narrowed.format(found[1])}{is_not_archived(found[1])})", query
    )
    return Question(name, asked, (operation_ids,) if narrowed and places else ())


FINISHED_HAVE_AN_END: Final = """
SELECT ARRAY[id] AS subject_ids,
       format('status %s, finished at %s', status, coalesce(finished_at::text, 'no time')) AS detail
FROM operations o
WHERE o.in_question
    AND (status IN ('succeeded', 'failed', 'cancelled')) <> (finished_at IS NOT NULL)
"""

NO_HOLD_OUTLIVES_ITS_OPERATION: Final = """
SELECT ARRAY[o.id, h.transfer_id] AS subject_ids,
       format('%s since %s, still holds %s %s', o.status, o.finished_at, t.amount_minor,
              t.currency) AS detail
FROM ledger_open_holds h
JOIN ledger_transfers t ON t.id = h.transfer_id
JOIN operations o ON o.id = t.operation_id
WHERE o.finished_at IS NOT NULL
"""

TRAILS_END_WITH_THE_STATUS: Final = """
SELECT ARRAY[o.id] AS subject_ids,
       format('status %s, its trail ends with %s', o.status, coalesce(latest.status, 'nothing'))
           AS detail
FROM operations o
LEFT JOIN LATERAL (
    SELECT status FROM operation_trail WHERE operation_id = o.id ORDER BY id DESC LIMIT 1
) AS latest ON true
WHERE o.in_question AND o.finished_at IS NOT NULL
    AND latest.status IS DISTINCT FROM o.status
"""

# Messages about the outcome are sent after the end: their calls began later, and do not count.
NO_CALL_LEFT_UNKNOWN: Final = """
SELECT ARRAY[o.id, c.reference] AS subject_ids,
       format('%s since %s, its call %s to %s is %s', o.status, o.finished_at, c.step, c.provider,
              c.state) AS detail
FROM provider_calls c JOIN operations o ON o.id = c.operation_id
WHERE c.state IN ('intended', 'unknown') AND o.finished_at IS NOT NULL
    AND c.created_at < o.finished_at
"""

LANES_ARE_DRIVEN_NAME: Final = "lanes_are_driven"
LANES_ARE_DRIVEN: Final = """
SELECT ARRAY[id] AS subject_ids,
       format('%s in lane %s of %s, for which this version has no lane', status, lane, kind)
           AS detail
FROM operations
WHERE (lane >= 0 OR lane < -1) AND finished_at IS NULL AND NOT kind = ANY($2)
"""

INVARIANTS: Final = {
    "finished_have_an_end": FINISHED_HAVE_AN_END,
    "no_hold_outlives_its_operation": NO_HOLD_OUTLIVES_ITS_OPERATION,
    "trails_end_with_the_status": TRAILS_END_WITH_THE_STATUS,
    "no_call_left_unknown": NO_CALL_LEFT_UNKNOWN,
}
"""Each invariant's name and the query that finds what breaks it."""
