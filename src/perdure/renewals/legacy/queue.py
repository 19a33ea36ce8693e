"""The old system's queue: a table that its workers poll.

What is in it is an operation like any other, in a lane that is not ours to run (`ELSEWHERE`, of
`operations.lanes.store`): customers and operators see no difference. A renewal is moved to Perdure
by taking it out of both, while no worker of the old system has it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from perdure.operations import store
from perdure.operations.lanes import store as lanes
from perdure.operations.model import Operation
from perdure.storage.pool import Connection, Pool

_RUN_S_MAX: Final = 60
"""A worker that has a renewal for longer is taken to be dead."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the old system still holds of one registry.

    Args:
        oldest_at: Since when the one that waits longest is there; None: none waits.
    """

    registry: str
    queued: int
    running: int
    failing: int
    oldest_at: datetime | None


async def put(connection: Connection, operation_ids: Collection[str]) -> None:
    """Queue operations that were accepted for the old system; again changes nothing."""
    await connection.execute(
        "INSERT INTO legacy_renewals (operation_id) SELECT unnest($1::text[])"
        " ON CONFLICT DO NOTHING",
        list(operation_ids),
    )


async def take(pool: Pool, *, limit: int) -> list[str]:
    """Take renewals that are due, also of workers that seem to be dead; returns their ids."""
    rows = await pool.fetch(
        "UPDATE legacy_renewals SET state = 'running', attempts = attempts + 1,"
        " due_at = now() + make_interval(secs => $2) WHERE operation_id IN ("
        " SELECT operation_id FROM legacy_renewals WHERE state IN ('queued', 'running')"
        " AND due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)"
        " RETURNING operation_id",
        limit,
        _RUN_S_MAX,
    )
    return [row["operation_id"] for row in rows]


async def put_back(pool: Pool, operation_id: str, error: str, *, after_s: float) -> None:
    """Have a renewal that could not be done tried again later."""
    await pool.execute(
        "UPDATE legacy_renewals SET state = 'queued', error = $2,"
        " due_at = now() + make_interval(secs => $3) WHERE operation_id = $1 AND state = 'running'",
        operation_id,
        error,
        after_s,
    )


async def end(connection: Connection, operation_id: str) -> None:
    """Note that a renewal is over and done with."""
    await connection.execute(
        "UPDATE legacy_renewals SET state = 'ended', error = NULL WHERE operation_id = $1",
        operation_id,
    )


async def backlogs(connection: Connection | Pool) -> list[Backlog]:
    """Return what the old system still holds, by registry: nothing, once it is drained."""
    rows = await connection.fetch(
        "SELECT input->>'registry' AS registry,"
        " count(*) FILTER (WHERE state = 'queued') AS queued,"
        " count(*) FILTER (WHERE state = 'running') AS running,"
        " count(*) FILTER (WHERE error IS NOT NULL) AS failing,"
        " min(queued_at) FILTER (WHERE state = 'queued') AS oldest_at"
        " FROM legacy_renewals JOIN operations ON id = operation_id"
        " WHERE state IN ('queued', 'running') GROUP BY 1 ORDER BY 1"
    )
    return [Backlog(**dict(row)) for row in rows]


async def move(
    connection: Connection, registry: str, *, actor: str, reason: str, limit: int
) -> list[Operation]:
    """Take renewals that wait in the old system's queue out of it; Perdure carries them out now.

    Those that one of its workers has are left to it.

    Returns them: what they need now is a workflow each.
    """
    rows = await connection.fetch(
        "SELECT operation_id FROM legacy_renewals JOIN operations ON id = operation_id"
        " WHERE state = 'queued' AND input->>'registry' = $1 AND attempts = 0"
        " ORDER BY queued_at LIMIT $2 FOR UPDATE OF legacy_renewals SKIP LOCKED",
        registry,
        limit,
    )
    operation_ids = [row["operation_id"] for row in rows]
    await connection.execute(
        "UPDATE legacy_renewals SET state = 'moved' WHERE operation_id = ANY($1)", operation_ids
    )
    found = await connection.fetch(
        "WITH moved AS ("
        " UPDATE operations SET lane = NULL, updated_at = now()"
        " WHERE id = ANY($1) AND lane = $2 AND finished_at IS NULL RETURNING *"
        "), trail AS ("
        " INSERT INTO operation_trail (operation_id, actor, action, status, reason)"
        " SELECT id, $3, 'moved_from_legacy', status, $4 FROM moved"
        ") SELECT * FROM moved",
        operation_ids,
        lanes.ELSEWHERE,
        actor,
        reason,
    )
    return [store.operation_of(row) for row in found]
