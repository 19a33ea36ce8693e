"""Actions that were refused, on the trail: as many as tell the story, however often one is asked.

A caller that asks in a loop is answered each time; the trail keeps the first of its refusals.
"""

from typing import Any, Final

from perdure.core.request_id import current_request_id
from perdure.operations.model import Operation
from perdure.storage.pool import Connection

KEPT_MAX: Final = 100
"""How many refusals of one actor an operation's trail keeps."""


async def note_refusal(
    connection: Connection,
    operation: Operation,
    *,
    actor: str,
    action: str,
    reason: str,
    data: dict[str, Any] | None,
) -> None:
    """Add to a locked operation's trail that an action was refused, and why."""
    await connection.execute(
        "INSERT INTO operation_trail (operation_id, actor, action, status, reason, data,"
        " request_id) SELECT $1, $2, $3, $4, $5, $6, $8 WHERE $7 > (SELECT count(*)"
        " FROM operation_trail WHERE operation_id = $1 AND actor = $2"
        " AND action LIKE '%\\_refused')",
        operation.id,
        actor,
        f"{action}_refused",
        operation.status.value,
        reason,
        data,
        KEPT_MAX,
        current_request_id(),
    )
