"""All that is known of an operation, as of one moment: one statement reads it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.core.errors import NotFound
from perdure.operations import store
from perdure.operations.model import Operation, StepAttempt, TrailEntry
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


_REPORT: Final = """
SELECT operations.*,
    (SELECT coalesce(jsonb_agg(entry ORDER BY id), '[]') FROM (
        SELECT id, operation_id, at, actor, action, status, reason, data
        FROM operation_trail WHERE operation_id = $1) AS entry) AS trail,
    (SELECT coalesce(jsonb_agg(to_jsonb(made) - 'id' ORDER BY id), '[]') FROM (
        SELECT id, step, attempt, outcome, error, provider_reference, started_at, finished_at
        FROM operation_steps WHERE operation_id = $1) AS made) AS attempts,
    (SELECT coalesce(jsonb_agg(call ORDER BY created_at), '[]') FROM (
        SELECT step, provider, reference, state, calls, created_at, updated_at
        FROM provider_calls WHERE operation_id = $1) AS call) AS calls
FROM operations WHERE id = $1
"""


async def report(connection: Connection | Pool, operation_id: str) -> OperationReport:
    """Return all that is known of an operation.

    Raises:
        NotFound: There is none of this id.
    """
    row = await connection.fetchrow(_REPORT, operation_id)
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
