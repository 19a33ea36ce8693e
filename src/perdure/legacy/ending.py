"""How the old system's operations end: the same rows, money and messages as Perdure's."""

from collections.abc import Sequence
from typing import Any, Final

import structlog

from perdure.capability.contracts import Failure
from perdure.capability.entries import hold_id, void_id
from perdure.core.errors import NotFound
from perdure.ledger.store import LedgerStore
from perdure.legacy import queue
from perdure.legacy.queue import Turn
from perdure.notifications import store as notifications
from perdure.notifications.contracts import Message
from perdure.operations import model, store
from perdure.operations.model import Operation, Status
from perdure.storage.pool import Connection

log = structlog.get_logger()

ACTOR: Final = "legacy"


async def succeed(
    connection: Connection,
    turn: Turn,
    operation: Operation,
    messages: Sequence[Message],
    *,
    action: str,
    result: dict[str, Any],
) -> None:
    """End a locked operation well.

    Raises:
        TurnLost: The turn is over; nothing of this is to be committed.
    """
    await queue.end(connection, turn)
    await notifications.owe(connection, {operation.id: messages})
    await store.move(
        connection, operation, Status.SUCCEEDED, action=action, actor=ACTOR, result=result
    )


async def fail(
    connection: Connection,
    turn: Turn,
    operation: Operation,
    messages: Sequence[Message],
    *,
    failure: Failure,
    ledger: LedgerStore[Connection],
) -> None:
    """End a locked operation that comes to nothing, and release what it held.

    Raises:
        TurnLost: The turn is over; nothing of this is to be committed.
    """
    await queue.end(connection, turn)
    try:
        async with connection.transaction():
            await ledger.void_hold(connection, hold_id(operation.id), void_id(operation.id))
    except NotFound:
        log.debug("legacy_nothing_held", operation_id=operation.id)
    await notifications.owe(connection, {operation.id: messages})
    await store.move(
        connection,
        operation,
        Status.CANCELLED if failure.cancelled else Status.FAILED,
        action="closed",
        actor=ACTOR,
        reason=failure.message,
        failure=model.Failure(failure.code, failure.message),
    )
