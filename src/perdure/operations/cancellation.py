"""Requests to stop an operation: written to its row first, so that they hold whatever runs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from perdure.core.clock import utc_now
from perdure.operations import store
from perdure.operations.model import Operation, Side, Status, side_of
from perdure.operations.refunding import RefundableKind, refund_instead
from perdure.operations.refusals import note_refusal
from perdure.storage.pool import Connection

HELD_BY_HOUSE: Final = "The house holds it, and has it go on."


@dataclass(frozen=True, slots=True)
class CancelAnswer:
    """Yes or no to a request to cancel, with the reason; the code is that of a no."""

    accepted: bool
    reason: str
    code: str = "not_cancellable"


async def request_cancel(
    connection: Connection,
    operation_id: str,
    *,
    actor: str,
    reason: str,
    bulk_id: str | None = None,
    refundable: Mapping[str, RefundableKind] | None = None,
) -> CancelAnswer:
    """Ask an operation to stop; what it did so far is undone by whatever runs it.

    The first request stands; asking again is answered the same. The attempt is on the trail either
    way.

    Args:
        refundable: The kinds that can be refunded: what has succeeded is told so.

    Raises:
        NotFound: No such operation.
    """
    operation = await store.lock(connection, operation_id)
    if operation.status == Status.CANCELLED:
        return CancelAnswer(accepted=True, reason="It is cancelled already.")
    if operation.cancel_request is not None and not operation.is_finished:
        return CancelAnswer(accepted=True, reason="It is being cancelled already.")
    data = {"bulk_id": bulk_id} if bulk_id else None
    code, reason_not = "not_cancellable", why_not_cancelled(operation, refundable)
    if side_of(actor) == Side.CUSTOMER and operation.is_held_by_house:
        code, reason_not = "held_by_house", HELD_BY_HOUSE
    if reason_not is not None:
        await note_refusal(
            connection,
            operation,
            actor=actor,
            action="cancel",
            reason=reason_not,
            data=data,
        )
        return CancelAnswer(accepted=False, reason=reason_not, code=code)
    request = {"actor": actor, "reason": reason, "requested_at": utc_now().isoformat()}
    # Stopping it is more than holding it: what an operator parked is undone too.
    await connection.execute(
        "UPDATE operations SET cancel_request = $2, park_request = NULL, updated_at = now()"
        " WHERE id = $1",
        operation_id,
        request,
    )
    await store.note(
        connection, operation, actor=actor, action="cancel_requested", reason=reason, data=data
    )
    when = " once its kind is installed again" if operation.is_not_installed else ""
    return CancelAnswer(accepted=True, reason=f"It will stop, and what it did is undone{when}.")


def why_not_cancelled(
    operation: Operation, refundable: Mapping[str, RefundableKind] | None = None
) -> str | None:
    """Return why an operation cannot be stopped any more; None: it can."""
    if operation.status == Status.SUCCEEDED:
        return f"It has already succeeded.{refund_instead(operation, refundable or {})}"
    if operation.is_finished:
        return f"It has already {operation.status}."
    if not operation.is_reversing:
        return None
    if operation.status == Status.NEEDS_ATTENTION:
        return "It failed, and undoing it got stuck; relaunch it to go on with that."
    return "It failed and is being undone."
