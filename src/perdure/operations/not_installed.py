"""Operations of a kind that this installation does not have: not any more, or not yet.

They are shown, and wait: parked with that reason, once, and taken up by the janitor as soon as the
kind is there. A request to cancel one is kept, and carried out then: only the kind knows what there
is to undo.
"""

from collections.abc import Collection
from typing import Final

import structlog

from perdure.operations import run_requests, store
from perdure.operations.allowed import status_to_go_on_in
from perdure.operations.lanes.store import promote
from perdure.operations.model import NOT_INSTALLED, Failure, RunRequest, Status
from perdure.storage.pool import Pool, transaction

log = structlog.get_logger()

_JANITOR: Final = "janitor"


async def park(pool: Pool, operation_id: str) -> int:
    """Park an operation of a kind that is not here; returns 1 if it was not parked already."""
    async with transaction(pool) as connection:
        operation = await store.lock(connection, operation_id)
        # The engine has nothing to be told; the kind is asked for again when it is there.
        await connection.execute(
            "UPDATE operations SET run_requested_at = NULL WHERE id = $1", operation_id
        )
        if operation.is_finished or operation.status == Status.NEEDS_ATTENTION:
            return 0
        failure = Failure(
            NOT_INSTALLED,
            f"No package of this installation has the kind {operation.kind!r}. Once one has, and"
            " PERDURE_CAPABILITIES allows it, the operation goes on by itself.",
        )
        # Nobody drives a lane of its kind.
        await promote(connection, {operation_id: failure.message})
        await store.move(
            connection,
            operation,
            Status.NEEDS_ATTENTION,
            action="parked",
            actor=_JANITOR,
            reason=failure.message,
            failure=failure,
        )
    log.warning("parked_as_not_installed", operation_id=operation_id, kind=operation.kind)
    return 1


async def take_up(pool: Pool, kinds: Collection[str], *, limit: int) -> int:
    """Have those go on that were parked so, and whose kind is here; returns how many."""
    rows = await pool.fetch(
        "SELECT id FROM operations WHERE finished_at IS NULL AND status = 'needs_attention'"
        " AND failure->>'code' = $1 AND kind = ANY($2) ORDER BY id LIMIT $3",
        NOT_INSTALLED,
        list(kinds),
        limit,
    )
    for row in rows:
        async with transaction(pool) as connection:
            operation = await store.lock(connection, row["id"])
            if not operation.is_not_installed:
                continue
            await run_requests.request_run(connection, operation.id, RunRequest.RESUME)
            await store.move(
                connection,
                operation,
                status_to_go_on_in(operation),
                action="released",
                actor=_JANITOR,
                reason=f"The kind {operation.kind!r} is installed.",
            )
    return len(rows)
