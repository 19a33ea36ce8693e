"""Requests to stop an operation: written to its row first, so that they hold whatever runs it."""

from dataclasses import dataclass

from perdure.core.clock import utc_now
from perdure.operations import store
from perdure.operations.model import Status
from perdure.storage.pool import Connection


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """Yes or no to a request to cancel, with the reason."""

    accepted: bool
    reason: str


async def request_cancel(
    connection: Connection, operation_id: str, *, actor: str, reason: str
) -> CancelAnswer:
    """Ask an operation to stop; what it did so far is undone by whatever runs it.

    The first request stands; asking again is answered the same. The attempt is on the trail either
    way.

    Raises:
        NotFound: No such operation.
    """
    operation = await store.lock(connection, operation_id)
    if operation.status == Status.CANCELLED:
        return CancelAnswer(accepted=True, reason="It is cancelled already.")
    if operation.is_finished:
        answer = CancelAnswer(accepted=False, reason=f"It has already {operation.status}.")
        await store.note(
            connection, operation, actor=actor, action="cancel_refused", reason=answer.reason
        )
        return answer
    if operation.cancel_request is not None:
        return CancelAnswer(accepted=True, reason="It is being cancelled already.")
    if operation.status == Status.REVERSING:
        return CancelAnswer(accepted=False, reason="It failed and is being undone.")
    request = {"actor": actor, "reason": reason, "requested_at": utc_now().isoformat()}
    await connection.execute(
        "UPDATE operations SET cancel_request = $2, updated_at = now() WHERE id = $1",
        operation_id,
        request,
    )
    await store.note(connection, operation, actor=actor, action="cancel_requested", reason=reason)
    return CancelAnswer(accepted=True, reason="It will stop, and what it did is undone.")
