"""All that is known of an operation, as of one moment: one statement reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from perdure.core.errors import NotFound
from perdure.operations import store
from perdure.operations.archive import archived
from perdure.operations.model import Failure, Operation, Status, StepAttempt, TrailEntry
from perdure.operations.steps import from_json
from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call to the outside, and what became of it.

    Args:
        reference: Ours, by which the provider knows it.
        state: `intended`, `unknown`, `answered`, `refused` or `not_made`.
        calls: How often it was begun.
    """

    step: str
    provider: str
    reference: str
    state: str
    calls: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OperationReport:
    """An operation, who did what to it, each attempt at each step, and each call to the outside."""

    operation: Operation
    trail: list[TrailEntry]
    attempts: list[StepAttempt]
    calls: list[CallRecord]


Read = Callable[[str], str]
"""What a table is read from: its name, or the archive."""


def _report_from(read: Read) -> str:
    return f"""
SELECT {store.SHOWN},
    (SELECT coalesce(jsonb_agg(entry ORDER BY id), '[]') FROM (
        SELECT id, operation_id, at, actor, action, status, reason, data, request_id
        FROM {read("operation_trail")} WHERE operation_id = $1) AS entry) AS trail,
    (SELECT coalesce(jsonb_agg(made ORDER BY id), '[]') FROM (
        SELECT id, step, attempt, outcome, error, provider_reference, started_at, finished_at
        FROM {read("operation_steps")} WHERE operation_id = $1) AS made) AS attempts,
    (SELECT coalesce(jsonb_agg(call ORDER BY created_at), '[]') FROM (
        SELECT step, provider, reference, state, calls, created_at, updated_at
        FROM {read("provider_calls")} WHERE operation_id = $1) AS call) AS calls
FROM operations WHERE id = $1
"""


@dataclass(frozen=True, slots=True)
class TimelineCursor:
    """An entry of a timeline: of the trail, or an attempt at a step."""

    is_attempt: bool
    id: int


# An attempt comes before what it led to at the same moment.
def _timeline_from(read: Read) -> str:
    trail, attempts = read("operation_trail"), read("operation_steps")
    return f"""
WITH entries AS (
    SELECT started_at AS at, false AS is_entry, id FROM {attempts} WHERE operation_id = $1
    UNION ALL
    SELECT at, true, id FROM {trail} WHERE operation_id = $1
), page AS (
    SELECT at, is_entry, id FROM entries WHERE $3::bigint IS NULL OR (at, is_entry, id)
        > (SELECT at, is_entry, id FROM entries WHERE is_entry = $2 AND id = $3)
    ORDER BY at, is_entry, id LIMIT $4
)
SELECT is_entry, coalesce(to_jsonb(entry), to_jsonb(made)) AS found
FROM page
    LEFT JOIN {trail} AS entry ON is_entry AND entry.id = page.id
    LEFT JOIN {attempts} AS made ON NOT is_entry AND made.id = page.id
ORDER BY page.at, is_entry, page.id
"""


def _trail_from(read: Read) -> str:
    return f"""
SELECT id, operation_id, at, actor, action, status, reason, data, request_id
FROM {read("operation_trail")} WHERE operation_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""


def _attempts_from(read: Read) -> str:
    return f"""
SELECT id, step, attempt, outcome, error, provider_reference, started_at, finished_at
FROM {read("operation_steps")} WHERE operation_id = $1 ORDER BY id
"""


# An operation has a trail from its acceptance on: where there is none, it is archived.
_REPORT, _ARCHIVED_REPORT = _report_from(str), _report_from(archived)
_TIMELINE, _ARCHIVED_TIMELINE = _timeline_from(str), _timeline_from(archived)
_TRAIL, _ARCHIVED_TRAIL = _trail_from(str), _trail_from(archived)
_ATTEMPTS, _ARCHIVED_ATTEMPTS = _attempts_from(str), _attempts_from(archived)


async def timeline(
    connection: Connection | Pool,
    operation_id: str,
    *,
    after: TimelineCursor | None = None,
    limit: int,
) -> list[TrailEntry | StepAttempt]:
    """Return what happened to an operation, oldest first, at most `limit` beyond the cursor.

    An attempt is written when it ends and told where it began: who reads the timeline of an
    operation that is under way reads its end again.
    """
    asked = (
        operation_id,
        after is not None and not after.is_attempt,
        after.id if after else None,
        limit,
    )
    rows = await connection.fetch(_TIMELINE, *asked)
    if not rows:
        rows = await connection.fetch(_ARCHIVED_TIMELINE, *asked)
    return [
        from_json(TrailEntry, row["found"])
        if row["is_entry"]
        else from_json(StepAttempt, row["found"])
        for row in rows
    ]


async def statuses(
    connection: Connection | Pool, operation_ids: Sequence[str]
) -> dict[str, tuple[Status, Failure | None]]:
    """Return where operations stand, and why, by id; those there are none of are left out."""
    rows = await connection.fetch(
        "SELECT id, status, failure FROM operations WHERE id = ANY($1)", operation_ids
    )
    return {
        row["id"]: (Status(row["status"]), Failure(**row["failure"]) if row["failure"] else None)
        for row in rows
    }


async def report(connection: Connection | Pool, operation_id: str) -> OperationReport:
    """Return all that is known of an operation.

    Raises:
        NotFound: There is none of this id.
    """
    row = await connection.fetchrow(_REPORT, operation_id)
    if row is not None and not row["trail"]:
        row = await connection.fetchrow(_ARCHIVED_REPORT, operation_id)
    if row is None:
        raise NotFound(
            f"There is no operation {operation_id}.", code="operation_not_found", param="id"
        )
    return OperationReport(
        store.operation_of(row),
        from_json(list[TrailEntry], row["trail"]),
        from_json(list[StepAttempt], row["attempts"]),
        from_json(list[CallRecord], row["calls"]),
    )


async def trail(
    connection: Connection | Pool, operation_id: str, *, after_id: int = 0, limit: int = 1000
) -> list[TrailEntry]:
    """Return the operation's trail, oldest first, from beyond `after_id`."""
    rows = await connection.fetch(_TRAIL, operation_id, after_id, limit)
    if not rows:
        rows = await connection.fetch(_ARCHIVED_TRAIL, operation_id, after_id, limit)
    return [TrailEntry(**dict(row) | {"status": Status(row["status"])}) for row in rows]


async def step_attempts(connection: Connection | Pool, operation_id: str) -> list[StepAttempt]:
    """Return every attempt at every step of the operation, oldest first."""
    rows = await connection.fetch(_ATTEMPTS, operation_id)
    if not rows:
        rows = await connection.fetch(_ARCHIVED_ATTEMPTS, operation_id)
    return [StepAttempt(**dict(row)) for row in rows]
