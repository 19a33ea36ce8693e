"""What the engine is to be told of an operation: on its row first, so that no crash loses it.

Whoever changed the row tells the engine once that is committed; what could not be told then is told
by the janitor. Told twice is harmless: a workflow goes on once more, and finds what is done.
"""

from datetime import datetime
from typing import Final

from perdure.operations import store
from perdure.operations.engine import Engine, RunState
from perdure.operations.model import Operation, RunRequest
from perdure.storage.pool import Connection, Pool

_RESET_REASON: Final = "An operator relaunched the operation."


async def request_run(
    connection: Connection, operation_id: str, run: RunRequest, *, is_due: bool = True
) -> None:
    """Have the engine told, once this commits.

    Args:
        run: A replacement that is not yet made stays one.
        is_due: False: it is told when the operation is to go on.
    """
    await connection.execute(
        "UPDATE operations SET run_request = CASE WHEN run_request = 'replace' THEN run_request"
        " ELSE $2 END, run_requested_at = CASE WHEN $3 THEN clock_timestamp() END"
        " WHERE id = $1",
        operation_id,
        run.value,
        is_due,
    )


async def overdue(connection: Connection | Pool, before: datetime, *, limit: int) -> list[str]:
    """Return the operations of which the engine should have been told before a moment."""
    rows = await connection.fetch(
        "SELECT id FROM operations WHERE run_requested_at < $1 ORDER BY run_requested_at LIMIT $2",
        before,
        limit,
    )
    return [row["id"] for row in rows]


async def carry_out(pool: Pool, engine: Engine, operation_id: str) -> None:
    """Tell the engine what is due, and note on the trail what came of it."""
    operation = await store.get(pool, operation_id)
    if operation.run_request is None or operation.run_requested_at is None:
        return
    done = None if operation.is_finished else await _tell(engine, operation)
    await pool.execute(
        "WITH told AS (UPDATE operations SET run_request = NULL, run_requested_at = NULL,"
        " updated_at = now() WHERE id = $1 AND run_requested_at = $2 RETURNING id, status)"
        " INSERT INTO operation_trail (operation_id, actor, action, status)"
        " SELECT id, $3, $4, status FROM told WHERE $4::text IS NOT NULL",
        operation.id,
        operation.run_requested_at,
        store.SYSTEM,
        done,
    )


async def _tell(engine: Engine, operation: Operation) -> str:
    if operation.run_request == RunRequest.REPLACE:
        await engine.replace(operation)
        return "workflow_replaced"
    state = await engine.run_state(operation.id)
    cancel = operation.cancel_request
    if state == RunState.RUNNING:
        if cancel is not None:
            await engine.signal_cancel(operation.id, actor=cancel.actor, reason=cancel.reason)
        await engine.signal_resume(operation.id)
        return "workflow_resumed"
    # What is to be undone begins anew, so that each of its steps is looked at.
    may_reset = state != RunState.ABSENT and cancel is None
    if may_reset and await engine.reset(operation.id, reason=_RESET_REASON):
        return "workflow_reset"
    await engine.start(operation, again=True)
    return "workflow_started"
